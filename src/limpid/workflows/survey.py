"""The noise census: every image of a collection measured, into a table; what they have in common."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final

from limpid.catalog.cohorts import Cohort, Fit, assign, describe, fit_cohorts
from limpid.catalog.insight import insight
from limpid.catalog.measure import Settings, fingerprint
from limpid.catalog.question import opened
from limpid.catalog.report import Section, write_report
from limpid.catalog.report.aggregate import reduce
from limpid.catalog.report.choice import choose
from limpid.catalog.report.survey import Surveyed as Told
from limpid.catalog.report.survey import survey_sections
from limpid.catalog.rules import Check, Rule, check, read_rules
from limpid.catalog.store import Store, open_store
from limpid.catalog.workers import measure_all
from limpid.core.arguments import check_number, check_range, listed
from limpid.core.cores import usable_cores
from limpid.core.errors import OptionError
from limpid.core.plain import plain
from limpid.io import DEFAULT_MAX_PIXELS
from limpid.io.atomic import replacing
from limpid.io.sources import Item, find_items
from limpid.workflows.choosing import WHITE
from limpid.workflows.expected import expected_gains
from limpid.workflows.gallery import gallery
from limpid.workflows.models import load_model
from limpid.workflows.watcher import Watcher

__all__ = ["Survey", "Surveyed", "survey"]

#: Name of what the catalogue tells of the collection as a whole, in the folder of a survey, and of the same for people.
INSIGHT: Final = "insight.json"
REPORT: Final = "report.html"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surveyed:
    """One image that was measured in this call, or why it was not."""

    input: str
    error: str | None


@dataclass(frozen=True)
class Survey:
    """What a survey found.

    Attributes
    ----------
    images : int
        Rows of the catalogue.
    failed : int
        How many of them have an error.
    catalogue : Path
        A Parquet file of one row for each image.
    report : Path
        What was found, as one HTML file that opens anywhere.
    cohorts : tuple of Cohort
        Images with the same noise, the largest cohort first.
    insight : mapping
        Noise by camera, folder and month, drift, outliers, duplicates, what to expect of denoising; as in
        ``insight.json``, see :func:`limpid.catalog.insight.insight`.
    checks : tuple of Check
        What became of the rules.
    sections : tuple of Section
        What the report is made of.
    """

    images: int
    failed: int
    catalogue: Path
    report: Path
    cohorts: tuple[Cohort, ...]
    insight: Mapping[str, Any]
    checks: tuple[Check, ...] = ()
    sections: tuple[Section, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found = {
            "images": self.images,
            "failed": self.failed,
            "catalogue": str(self.catalogue),
            "report": str(self.report),
            "cohorts": [one.to_dict() for one in self.cohorts],
        }
        return found | ({"rules": [one.to_dict() for one in self.checks]} if self.checks else {})


def survey(
    collection: str | PathLike[str] | Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    rules: str | PathLike[str] | None = None,
    outside: str | PathLike[str] | None = None,
    value_range: tuple[float, float] | None = None,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    pictures: bool = True,
    watcher: Watcher[Surveyed] | None = None,
) -> Survey:
    """Measure every image of a collection into a catalogue, and find those with the same noise.

    Only images that are new or changed since the last survey into the same folder are measured, and those that failed
    then; a survey that was interrupted goes on. Images that are gone from the collection are gone from the catalogue.

    Parameters
    ----------
    collection : str, path, or sequence of them
        Files, folders and globs; tar shards, Parquet files with a column of images, Zarr arrays, and lists (``.txt``)
        of all these; local, or anywhere fsspec reaches (``s3://bucket/prefix``).
    output : str or path
        Folder for the catalogue, made if it is not there.
    rules : str or path, optional
        A TOML file of rules that the collection has to keep; they are checked when all is measured.
    outside : str or path, optional
        A folder that is left out where it lies in the collection; `output` where not given.
    value_range : (float, float), optional
        Values of black and white, for float files that state none.
    threads : int, optional
        Processes that measure; default: one for each core.
    max_pixels : int
        Images that announce more are refused.
    pictures : bool
        Whether the report shows parts of some images, which are read again for it: up to 20 seconds.
    watcher : Watcher, optional
        Told of each image that is measured.

    Returns
    -------
    Survey
        What is wrong with an image is in its row, and not the end.

    Raises
    ------
    ConfigError
        If the rules are wrong; nothing was measured.
    OptionError
        If an argument is wrong, another survey writes to the same folder, or what is there is of another version.
    WriteError
        If the folder can't be written to.
    MissingExtraError
        If an address needs a package that is not installed.
    """
    check_range(value_range)
    check_number("max_pixels", max_pixels, low=1, whole=True)
    if threads is not None:
        check_number("threads", threads, low=1, whole=True)
    addresses = [os.fspath(one) for one in listed("collection", collection, (str, PathLike), what="an address")]
    if not all(addresses):
        raise OptionError("the name of an input is empty; name image files, folders, globs or shards.")
    wanted = [] if rules is None else read_rules(Path(rules))
    folder, settings = Path(output), Settings(value_range, max_pixels)
    with open_store(folder) as store:
        items = _new(find_items(addresses, outside=os.fspath(outside or folder)), store, settings)
        for row in measure_all(items, settings=settings, workers=threads or usable_cores()):
            store.add(row)
            if watcher is not None:
                watcher.finished(Surveyed(row["uri"], row["error"]))
        _log.info("%s: %d of %d images were measured before", folder, store.kept, store.kept + store.added)
        merged = store.merge()
        fits = fit_cohorts(merged)
        store.commit(merged, assign(merged, fits))
        return _summary(store, fits, wanted, addresses, settings, pictures=pictures)


def _new(items: Iterator[Item], store: Store, settings: Settings) -> Iterator[Item]:
    """Yield what no earlier survey has measured."""
    for item in items:
        if not store.keep(fingerprint(item, settings)):
            yield item


def _summary(
    store: Store,
    fits: Sequence[Fit],
    rules: Sequence[Rule],
    addresses: Sequence[str],
    settings: Settings,
    *,
    pictures: bool,
) -> Survey:
    """Write what a catalogue tells, for programs and for people."""
    folder = store.folder
    connection, denoiser = opened(folder), load_model(WHITE)
    channels = connection.execute("select distinct channels from catalogue where sigma > 0").fetchall()
    found = insight(connection, expected_gains([count for (count,) in channels], denoiser))
    with replacing(folder / INSIGHT) as file:
        file.write(json.dumps(plain(found), indent=1, allow_nan=False, default=str).encode("ascii"))
    cohorts = tuple(describe(connection, fits))
    reduced = reduce(connection)
    chosen = choose(connection, found["outliers"]["worst"]) if pictures else []
    told = Told(addresses, str(folder), reduced, cohorts, found, _options(settings))
    sections = tuple(survey_sections(told, gallery(chosen, denoiser, settings)))
    write_report(
        folder / REPORT,
        sections,
        title=f"Survey of {', '.join(addresses)}",
        subtitle=f"{dt.date.today():%Y-%m-%d}, from {store.path}",
    )
    checks = tuple(check(connection, rules))
    return Survey(reduced.images, reduced.failed, store.path, folder / REPORT, cohorts, found, checks, sections)


def _options(settings: Settings) -> list[str]:
    """Return the options that a command on the same images needs."""
    if settings.value_range is None:
        return []
    return ["--value-range", *(f"{end:g}" for end in settings.value_range)]
