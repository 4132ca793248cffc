"""What to do about a collection: in plain words, with the numbers that say so and the commands that do it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from limpid.catalog.cohorts import Cohort
from limpid.catalog.report.aggregate import Reduced
from limpid.catalog.report.content import Advice
from limpid.catalog.report.numbers import count, number, size

__all__ = ["recommend"]

#: Cohorts that are named at most, and images from which on one is worth a model.
_COHORTS: Final = 3
_ENOUGH: Final = 5

#: Images that a model is trained on: more hardly make it better.
_TRAINED_ON: Final = 100

#: A change of the noise over the years is told where it is so many standard errors, and this much a year.
_ERRORS: Final = 4.0
_PER_YEAR: Final = 0.05

#: Share of the images from which on traces of JPEG are worth a word.
_JPEG: Final = 0.1

#: In a URI: what is no path as it stands, or no file of this machine.
_ESCAPED: Final = re.compile("%|#|://")

#: What double quotes don't keep a shell from reading.
_SPECIAL: Final = frozenset('"$`\\!')


def recommend(
    reduced: Reduced,
    cohorts: Sequence[Cohort],
    insight: Mapping[str, Any],
    *,
    collection: Sequence[str],
    folder: str,
    options: Sequence[str] = (),
) -> list[Advice]:
    """Return what to do, the most important first.

    Parameters
    ----------
    reduced : Reduced
        What is drawn of the catalogue.
    cohorts : sequence of Cohort
        The largest first.
    insight : mapping
        See :func:`limpid.catalog.insight.insight`.
    collection : sequence of str
        Addresses, as the user gave them.
    folder : str
        Where the catalogue is, likewise.
    options : sequence of str
        Options that every command on the images needs.
    """

    def query(sql: str) -> str:
        return shell_line("limpid", "query", folder, sql)

    return [
        *_denoise(insight["denoising"], [*collection, *options]),
        *_leave(insight["clean"], query),
        *_models(reduced, cohorts, query),
        *_unread(reduced.failed, query),
        *_outliers(insight["outliers"], options),
        *_duplicates(insight["duplicates"], query),
        *_jpeg(reduced),
        *_drift(insight["drift"]),
    ]


def shell_line(*words: str) -> str:
    """Return words as a shell takes them, in double quotes where that reads better.

    Examples
    --------
    >>> print(shell_line("limpid", "query", "my census", "select 'a'"))
    limpid query 'my census' "select 'a'"
    """
    return " ".join(f'"{word}"' if "'" in word and not _SPECIAL & set(word) else shlex.quote(word) for word in words)


def _denoise(found: Mapping[str, Any], arguments: Sequence[str]) -> Iterator[Advice]:
    if not found["images"]:
        return
    text = f"They hold {size(found['bytes'])} and {number(found['megapixels'])} megapixels"
    if found["minutes"] is not None:
        text += f", which take {_minutes(found['minutes'])} on this machine"
    text += "."
    if found["gain_db"] is not None:
        low, high = found["gain_db_range"]
        text += (
            f" To expect is a PSNR that is {found['gain_db']:.1f} dB better ({low:.1f} to {high:.1f} for nine in ten). "
            f"Basis: {'; '.join(found['basis'])}."
        )
    if found["not_worth_it"]:
        text += f" {count(found['not_worth_it'], 'image gains', 'images gain')} less than 1 dB, which is hardly seen."
    if found["gain_unknown"]:
        text += f" Of {count(found['gain_unknown'])} nothing is foretold, since their noise is not white."
    command = shell_line("limpid", "denoise", *arguments, "-o", "denoised")
    yield Advice(f"Denoise {count(found['images'])}", text, [command])


def _minutes(value: float) -> str:
    if value < 1:
        return "less than a minute"
    return f"about {number(value, 2)} minutes" if value < 90 else f"about {number(value / 60, 2)} hours"


def _leave(images: int, query: Callable[[str], str]) -> Iterator[Advice]:
    if images:
        text = (
            "Their noise is below 0.8 % of the value range: it can't be seen, and may be fine texture. Denoising would "
            "cost detail."
        )
        listed = query("select uri from catalogue where list_contains(advice, 'clean')")
        yield Advice(f"Leave {count(images)} alone", text, [listed], kind="leave")


def _models(reduced: Reduced, cohorts: Sequence[Cohort], query: Callable[[str], str]) -> Iterator[Advice]:
    """Yield what to do about noise that networks for white noise were not made for."""
    wanting = [one for one in cohorts if not one.white and one.images >= _ENOUGH and not _clean(one)]
    for one in wanting[:_COHORTS]:
        lag = max(one.correlation, key=abs)
        heading = f"Train a model for cohort {one.id}: {count(one.images)}"
        text = (
            f"Its noise is alike in neighbouring pixels (correlation {lag:+.2f}), as after demosaicking, scaling or "
            "compression. Networks made for white noise leave part of it. "
        )
        if one.channels == 3:
            text += "limpid denoise takes camera for it where that removes more: look at its results first. "
        if reduced.jpeg_shares.get(one.id, 0.0) > 0.5:
            text += (
                "Most are JPEG files, which a network can't learn from alone: train with clean images or second "
                "exposures (--clean, --pairs), or start from the raw files."
            )
            yield Advice(heading, text, kind="look")
            continue
        sample = query(f"select uri from catalogue where cohort = {one.id} order by hash(uri) limit {_TRAINED_ON}")
        if reduced.local:
            train = shell_line("limpid", "train", "-o", f"model-{one.id}", "--minutes", "20")
            command = f"{sample} | tail -n +2 | tr '\\n' '\\0' | xargs -0 {train}"
            text += (
                f"This trains one on {min(one.images, _TRAINED_ON)} of them; then denoise with --model model-{one.id}."
            )
        else:
            command = sample
            text += "Copy some of them into a folder, and train on it with limpid train."
        yield Advice(heading, text, [command], kind="look")


def _clean(cohort: Cohort) -> bool:
    return any(one.code == "clean" for one in cohort.advice)


def _unread(failed: int, query: Callable[[str], str]) -> Iterator[Advice]:
    if failed:
        text = "Damaged, cut short, or without permission: each with its reason under Files to look at."
        listed = query("select uri, error from catalogue where error is not null")
        yield Advice(f"Restore {count(failed, 'file', 'files')} that can't be read", text, [listed], kind="look")


def _outliers(found: Mapping[str, Any], options: Sequence[str]) -> Iterator[Advice]:
    if found["images"]:
        worst = found["worst"][0]
        ratio = worst["sigma"] / worst["usual"]
        text = (
            "Far from what is usual for the same camera and ISO, or the same folder: another setting, another process, "
            f"or a fault. The first has {number(ratio, 2)} times the usual noise."
        )
        plain = not _ESCAPED.search(worst["uri"])
        commands = [shell_line("limpid", "noise", worst["uri"], *options)] if plain else []
        yield Advice(f"Look at {count(found['images'])} of unusual noise", text, commands, kind="look")


def _duplicates(found: Mapping[str, Any], query: Callable[[str], str]) -> Iterator[Advice]:
    if not found["exact"] and not found["near"]:
        return
    parts = []
    if found["exact"]:
        parts.append(f"{count(found['exact'], 'file is', 'files are')} there already, byte by byte")
    if found["near"]:
        parts.append(f"{count(found['near'], 'pair looks', 'pairs look')} the same")
    listed = query("select list(uri) as copies from catalogue where error is null group by sha256 having count(*) > 1")
    commands = [listed] if found["exact"] else []
    yield Advice("Look at duplicates", f"{' and '.join(parts)}: see Files to look at.", commands, kind="look")


def _jpeg(reduced: Reduced) -> Iterator[Advice]:
    images = dict(reduced.advice).get("jpeg", 0)
    if images > _JPEG * (reduced.images - reduced.failed):
        text = "Part of the noise, and of the picture, was quantised away. Raw files or originals give better results."
        yield Advice(f"Start from the originals of {count(images)} with traces of JPEG", text, kind="look")


def _drift(found: Sequence[Mapping[str, Any]]) -> Iterator[Advice]:
    clear = [
        one
        for one in found
        if one["error"] is not None
        and abs(one["per_year"]) > max(_PER_YEAR, _ERRORS * (one["error"] or 0) * (1 + one["per_year"]))
    ]
    if clear:
        one = clear[0]
        camera = one["camera"] or "one source"
        iso = "" if one["iso"] is None else f" at ISO {one['iso']:g}"
        way = "rises" if one["per_year"] > 0 else "falls"
        text = (
            f"The noise of {camera}{iso} {way} by {abs(one['per_year']):.0%} a year (standard error "
            f"{one['error']:.1%}), over {count(one['images'])}. A sensor that ages, or settings that changed, do that."
        )
        yield Advice(f"Noise that changes over the years: {count(len(clear), 'group')}", text, kind="look")
