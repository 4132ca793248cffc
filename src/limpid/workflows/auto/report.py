"""What an autopilot decided and why, as sections of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from limpid.catalog.report import (
    Axis,
    Cell,
    Column,
    Dot,
    Html,
    Row,
    Section,
    Tile,
    Triplet,
    count,
    dots,
    element,
    join,
    number,
    paragraph,
    table,
    tiles,
    triplets,
)
from limpid.workflows.auto.race import Score
from limpid.workflows.gallery import compared

if TYPE_CHECKING:
    from limpid.catalog.cohorts import Cohort
    from limpid.workflows.auto.autopilot import Course
    from limpid.workflows.files import FilesSummary

__all__ = ["auto_sections"]

#: Advice that says what kind a noise is.
_KINDS: Final = ("white", "correlated", "signal-dependent", "clean")

#: Images that failed and are named.
_NAMED: Final = 200


def auto_sections(courses: Sequence[Course], files: FilesSummary | None, *, strays: int) -> Iterator[Section]:
    """Yield what was decided for each cohort, and what became of the images.

    Parameters
    ----------
    courses : sequence of Course
        The largest cohort first.
    files : FilesSummary or None
        What became of each image; None where all was only planned.
    strays : int
        Images of no cohort.
    """
    yield Section("decisions", "Decisions", join([_outcome(files, strays), _overview(courses)]), _lead(files))
    for course in courses:
        if course.decision is not None:
            yield _cohort(course)
    if files is not None and files.count("error"):
        yield _failed(files)


def _lead(files: FilesSummary | None) -> str:
    if files is None:
        return "This call denoised nothing: these are the cohorts, and the minutes that each would get."
    return "How each cohort was denoised, and how that was found out, without any clean image."


def _outcome(files: FilesSummary | None, strays: int) -> Html:
    if files is None:
        return Html("")
    done = files.count("ok") + files.count("skipped")
    shown = [Tile(f"{done:,}", "denoised", files.output or ""), Tile(f"{files.count('error'):,}", "failed")]
    if strays:
        shown.append(Tile(f"{strays:,}", "of no cohort", "denoised by the shipped model at their own level"))
    return tiles(shown)


def _overview(courses: Sequence[Course]) -> Html:
    columns = [
        Column("cohort"),
        Column("images", numeric=True),
        Column("sigma", numeric=True),
        Column("noise"),
        Column("minutes", numeric=True, hint="For its race and its trainings"),
        Column("denoised by"),
        Column("estimated PSNR, dB", numeric=True, hint="Of the winner, on the images that raced"),
        Column("on other images, dB", numeric=True, hint="Of results that took no part in the race"),
    ]
    return table(columns, [_row(one) for one in courses], caption="How each cohort is denoised")


def _row(course: Course) -> Row:
    cohort, decision = course.cohort, course.decision
    psnr = None if decision is None else decision.psnr
    proof = None if course.proof is None else course.proof.psnr
    cells = [
        str(cohort.id),
        cohort.images,
        cohort.sigma,
        _kind(cohort),
        course.minutes,
        "to be found out" if decision is None else decision.winner.name,
        *(Cell("" if value is None else f"{value:.2f}", value) for value in (psnr, proof)),
    ]
    return Row(cells, {"cohort": str(cohort.id)})


def _kind(cohort: Cohort) -> str:
    return ", ".join(one.code for one in cohort.advice if one.code in _KINDS)


def _cohort(course: Course) -> Section:
    cohort, decision = course.cohort, course.decision
    assert decision is not None
    parts = [paragraph(element("strong", decision.winner.name), f": {decision.reason}.")]
    known = [one for one in decision.scores if one.psnr is not None]
    if known:
        parts.append(_race(known, decision.winner.name, len(decision.raced_uris)))
    parts += [
        paragraph(f"{one.candidate.name} could not be scored: {one.reason}.") for one in decision.scores if one.reason
    ]
    parts += [paragraph(f"{note[0].upper()}{note[1:]}.", quiet=True) for note in decision.notes]
    if course.proof is not None and course.proof.results:
        parts.append(_pictures(course))
    kind = _kind(cohort)
    lead = f"{count(cohort.images)} with noise of sigma {number(cohort.sigma)}{f' ({kind})' if kind else ''}."
    return Section(f"cohort-{cohort.id}", f"Cohort {cohort.id}", join(parts), lead)


def _race(scores: Sequence[Score], winner: str, images: int) -> Html:
    ranked = sorted(scores, key=lambda one: -(one.psnr or 0))
    ends = [end for one in ranked for end in (one.interval or (one.psnr or 0,))]
    axis = Axis("PSNR, dB", math.floor(min(ends)), math.ceil(max(ends)))
    items = [
        Dot(
            one.candidate.name,
            one.psnr or 0,
            None if one.interval is None else one.interval[0],
            None if one.interval is None else one.interval[1],
            note=_note(one),
            colour=0 if one.candidate.name == winner else 8,
        )
        for one in ranked
    ]
    sentence = (
        f"PSNR on parts of {count(images)}, estimated without clean ones; the line is where it lies with a probability "
        "of 90 %. Errors of the noise level move all of them together, so that their order is surer than their values."
    )
    return dots("The race", sentence, axis, items)


def _note(one: Score) -> str:
    speed = "" if one.megapixels_per_s is None else f", {number(one.megapixels_per_s, 2)} MP/s"
    return f"{one.psnr:.2f} dB{speed}"


def _pictures(course: Course) -> Html:
    assert course.proof is not None
    shown = []
    for one in course.proof.results[:2]:
        psnr = "can't be told" if one.found.psnr is None else f"{one.found.psnr:.2f} dB"
        facts = [("Estimated PSNR", psnr), ("Verdict", one.found.explanation)]
        pictures = compared(one.before, one.after, sigma=one.found.sigma)
        shown.append(Triplet(one.uri.rpartition("/")[2], facts, pictures, tags={"cohort": str(course.cohort.id)}))
    return join([element("h3", "Results"), triplets(shown)])


def _failed(files: FilesSummary) -> Section:
    failed = [one for one in files.results if one.status == "error"]
    rows = [Row([one.input, one.error]) for one in failed[:_NAMED]]
    left = len(failed) - len(rows)
    parts = [table([Column("image"), Column("why")], rows, caption="Images that failed", searched=True)]
    if left:
        parts.append(paragraph(f"{count(left)} more failed.", quiet=True))
    return Section("failed", "Failed", join(parts))
