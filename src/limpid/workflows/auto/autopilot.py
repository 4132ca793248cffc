"""From a collection of noisy images to denoised ones, every decision measured and told."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from limpid.catalog.cohorts import Cohort
from limpid.catalog.database import check_name
from limpid.catalog.measure import Settings
from limpid.catalog.question import opened
from limpid.catalog.report import write_report
from limpid.core.arguments import check_number, listed
from limpid.core.errors import OptionError, WriteError
from limpid.io import DEFAULT_MAX_PIXELS
from limpid.io.lock import take_lock
from limpid.io.own import AUTO_FOLDER
from limpid.io.stores import is_url
from limpid.workflows.auto.candidates import UNCHANGED
from limpid.workflows.auto.decide import Stages, decide, is_clean, minutes_for, say
from limpid.workflows.auto.decisions import Decision, Record, key_of
from limpid.workflows.auto.proof import Proof, prove
from limpid.workflows.auto.report import auto_sections
from limpid.workflows.auto.sample import draw
from limpid.workflows.files import FilesSummary, Ways, can_resume, denoise_files, results_in
from limpid.workflows.options import DenoiseOptions, Way
from limpid.workflows.plan import plan_outputs
from limpid.workflows.survey import Survey, Surveyed, survey

if TYPE_CHECKING:
    import duckdb

__all__ = ["Autopilot", "Course", "auto"]

#: Name of the file that is locked as long as an autopilot is at work.
_LOCK: Final = "auto.lock"


class Watcher(Stages, Protocol):
    """Told what an autopilot does: stages, and the rows of a survey and of a job."""

    def planned(self, count: int) -> None:
        """So many rows will come."""

    def finished(self, row: Any) -> None:
        """One row has come."""


@dataclass(frozen=True)
class Course:
    """What became of a cohort.

    Attributes
    ----------
    cohort : Cohort
        Which.
    minutes : float
        For its race and its trainings.
    decision : Decision or None
        None where it is yet to be made.
    proof : Proof or None
        How good results are that took no part in the race; None where none was assessed.
    """

    cohort: Cohort
    minutes: float
    decision: Decision | None = None
    proof: Proof | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        decided = {"candidates": [], "winner": None} if self.decision is None else self.decision.to_dict()
        proof = None if self.proof is None else self.proof.to_dict()
        return {**self.cohort.to_dict(), "minutes": self.minutes, **decided, "proof": proof}


@dataclass(frozen=True)
class Autopilot:
    """What :func:`auto` did.

    Attributes
    ----------
    cohorts : tuple of Course
        The largest first.
    survey : Survey
        What was found before.
    files : FilesSummary or None
        What became of each image; None where all was only planned.
    report : Path
        Every decision with its numbers, as one HTML file.
    seconds : float
        All of it took.
    """

    cohorts: tuple[Course, ...]
    survey: Survey
    files: FilesSummary | None
    report: Path
    seconds: float

    @property
    def done(self) -> int:
        """Images that have a result."""
        return 0 if self.files is None else self.files.count("ok") + self.files.count("skipped")

    @property
    def failed(self) -> int:
        """Images that can't have one."""
        return self.survey.failed if self.files is None else self.files.count("error")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "cohorts": [one.to_dict() for one in self.cohorts],
            "images": self.survey.images,
            "done": self.done,
            "failed": self.failed,
            "report": str(self.report),
            "seconds": round(self.seconds, 3),
        }


def auto(
    collection: str | PathLike[str] | Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    minutes: float = 20.0,
    dry_run: bool = False,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    threads: int | None = None,
    memory: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    watcher: Watcher | None = None,
) -> Autopilot:
    """Denoise a collection by what is best for each of its noises, which is found out by a race.

    Every image is measured. Those with the same noise are a cohort. For each cohort, shipped networks, classical
    methods and networks that learn from the cohort itself denoise the same few images, and the error of each is
    estimated without clean ones. The winner denoises the cohort; some results are assessed that had no part in it.
    What is clean already is left as it is. A call that was interrupted goes on by the same call.

    Parameters
    ----------
    collection : str, path, or sequence of them
        As in :func:`limpid.survey`.
    output : str or path
        Folder for the results, in which the trees of the collection are mirrored. Catalogue, networks, decisions and
        the report are in ``limpid-auto`` in it.
    minutes : float
        For the races and trainings of all cohorts together; surveying and denoising come on top. At 0, and without
        torch, nothing is trained.
    dry_run : bool
        Survey, and say which cohorts there are, what is decided already, and how long the rest would take.
    seed : int
        Of the trainings.
    value_range : (float, float), optional
        Values of black and white, for float files that state none.
    threads : int, optional
        For surveying and denoising; one for each core where not given.
    memory : int, optional
        Bytes that denoising should stay below.
    max_pixels : int
        Images that announce more are refused.
    watcher : Watcher, optional
        Told of what is done.

    Raises
    ------
    OptionError
        If an argument is wrong, or another process writes there.
    WriteError
        If the folder can't be written to.
    MissingExtraError
        If an address needs a package that is not installed.
    """
    started = time.monotonic()
    check_number("minutes", minutes, low=0)
    if is_url(os.fspath(output)):
        raise OptionError(f"the output must be a folder on this machine, got {os.fspath(output)}; name one.")
    addresses = [os.fspath(one) for one in listed("collection", collection, (str, PathLike), what="an address")]
    options = DenoiseOptions(threads=threads, memory=memory, value_range=value_range, max_pixels=max_pixels)
    # Now, and not when all is measured and trained, it is said what can't be.
    if plan_outputs(addresses, output).single:
        raise OptionError(f"the output must be a folder, got {os.fspath(output)}; name one.")
    output = Path(output).expanduser()
    folder, settings = output / AUTO_FOLDER, Settings(value_range, max_pixels)
    with _alone(folder):
        say(watcher, "all images are measured")
        found = survey(
            addresses,
            folder,
            outside=output,
            value_range=value_range,
            threads=threads,
            max_pixels=max_pixels,
            pictures=dry_run,
            watcher=watcher if dry_run or watcher is None else _Silent(watcher),
        )
        connection = opened(folder)
        budget = minutes_for(found.cohorts, minutes)
        courses = [Course(one, budget.get(one.id, 0.0)) for one in found.cohorts]
        files = None
        make = None if dry_run else partial(decide, connection, seed=seed, settings=settings, stages=watcher)
        asked = {"minutes": minutes, "seed": seed, "settings": dataclasses.astuple(settings)}
        record = Record(folder)
        courses = [_decided(one, connection, record, folder / "networks", asked, make) for one in courses]
        if not dry_run:
            say(watcher, "images are denoised")
            files = _denoised(addresses, output, options, courses, connection, watcher)
            result_of = results_in(output)
            courses = [_proved(one, connection, result_of, settings, watcher) for one in courses]
        counted = "select count(*) from catalogue where cohort is null and error is null"
        ((strays,),) = connection.execute(counted).fetchall()
        sections = [*auto_sections(courses, files, strays=strays), *found.sections]
        write_report(found.report, sections, title=f"limpid auto: {', '.join(addresses)}")
        return Autopilot(tuple(courses), found, files, found.report, time.monotonic() - started)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other autopilots out of a folder, which is made if it is not there."""
    check_name(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = take_lock(folder / _LOCK)
    except OSError as error:
        reason = f"{folder} can't be written to ({error.strerror}); choose another output folder."
        raise WriteError(reason, source=str(folder)) from error
    if lock is None:
        raise OptionError(
            f"another limpid auto is at work in {folder.parent}; wait for it to end, or choose another output folder.",
            source=str(folder.parent),
        )
    with lock:
        yield


class _Silent:
    """Counts the rows of a survey, and leaves it to the job after it to say which images can't be read."""

    def __init__(self, watcher: Watcher) -> None:
        self.planned = watcher.planned
        self._finished = watcher.finished

    def finished(self, row: Surveyed) -> None:
        self._finished(Surveyed(row.input, None))


def _decided(
    course: Course,
    connection: duckdb.DuckDBPyConnection,
    record: Record,
    networks: Path,
    asked: Mapping[str, Any],
    make: Callable[..., Decision] | None,
) -> Course:
    """Return a course with its decision, which was made before or is made now; without one where none is to be made."""
    cohort = course.cohort
    found = connection.execute("select uri, sha256 from catalogue where cohort = ? order by 1, 2", [cohort.id])
    key = key_of(found.fetchall(), clean=is_clean(cohort), **asked)
    decision = record.get(key)
    if decision is None and make is not None:
        decision = make(cohort, networks / key, minutes=course.minutes)
        record.keep(key, decision)
    return dataclasses.replace(course, decision=decision)


def _denoised(
    addresses: Sequence[str],
    output: str | PathLike[str],
    options: DenoiseOptions,
    courses: Sequence[Course],
    connection: duckdb.DuckDBPyConnection,
    watcher: Watcher | None,
) -> FilesSummary:
    """Denoise all images, each as it was decided for its cohort; one of no cohort by the shipped model."""
    winners = {one.cohort.id: one.decision.winner for one in courses if one.decision is not None}
    way_for = {cohort: Way(winner.model, winner.strength) for cohort, winner in winners.items()}
    # In an order that does not depend on that of the cohorts, so that a job goes on when another is the largest.
    known = sorted(set(way_for.values()), key=lambda way: (way.model, way.strength))
    places = {cohort: known.index(way) for cohort, way in way_for.items()}
    rows = connection.execute("select uri, cohort from catalogue where cohort is not null").fetchall()
    way_of = {uri: places[cohort] for uri, cohort in rows}.get
    ways = Ways(known, way_of)
    resume = can_resume(addresses, output, options=options, ways=ways)
    options = dataclasses.replace(options, resume=resume)
    return denoise_files(addresses, output, options=options, ways=ways, watcher=watcher)


def _proved(
    course: Course,
    connection: duckdb.DuckDBPyConnection,
    result_of: Callable[[str], str | None],
    settings: Settings,
    watcher: Watcher | None,
) -> Course:
    """Return a course with a proof, where anything was removed."""
    if course.decision is None or course.decision.winner == UNCHANGED:
        return course
    say(watcher, f"cohort {course.cohort.id}: results are assessed")
    sample = draw(connection, course.cohort, settings)
    if sample is None:
        return course
    proof = prove(connection, course.cohort, course.decision, sample.noise, result_of, settings)
    return dataclasses.replace(course, proof=proof)
