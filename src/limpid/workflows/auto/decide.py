"""Decide how a cohort is denoised: draw a sample, let what needs no training race, train, race again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from limpid.catalog.cohorts import Cohort
from limpid.catalog.measure import Settings
from limpid.workflows.auto.candidates import SHIPPED, UNCHANGED, ready
from limpid.workflows.auto.decisions import Decision
from limpid.workflows.auto.learn import LEAST_MINUTES, LESSONS, forget_copies, learn
from limpid.workflows.auto.race import Score, choose, score, unbeaten
from limpid.workflows.auto.sample import draw

if TYPE_CHECKING:
    import duckdb

__all__ = ["Stages", "decide", "is_clean", "minutes_for", "say"]

_log = logging.getLogger(__name__)

#: Images that a network needs at least: some to learn from, some to be judged by.
_ENOUGH: Final = 4

#: Shortest time that is worth beginning with, for the race and all lessons.
_LEAST: Final = LEAST_MINUTES / min(lesson.share for lesson in LESSONS)


class Stages(Protocol):
    """Told what is being done."""

    def stage(self, text: str) -> None:
        """What begins now."""

    def trained(self, step: int, count: int, loss: float) -> None:
        """So many of so many steps are done."""


def is_clean(cohort: Cohort) -> bool:
    """Return whether a cohort is to be left alone."""
    return any(one.code == "clean" for one in cohort.advice)


def minutes_for(cohorts: Sequence[Cohort], minutes: float) -> Mapping[int, float]:
    """Return how a budget is shared out, by the square root of their images: cohort -> minutes.

    What is too small to learn from gets nothing, and what would get too little time leaves it to the others.
    """
    weights = {one.id: one.images**0.5 for one in cohorts if one.images >= _ENOUGH and not is_clean(one)}
    while weights and minutes * min(weights.values()) / sum(weights.values()) < _LEAST:
        del weights[min(weights, key=lambda place: (weights[place], -place))]
    return {place: minutes * weight / sum(weights.values()) for place, weight in weights.items()}


def decide(
    connection: duckdb.DuckDBPyConnection,
    cohort: Cohort,
    folder: Path,
    *,
    minutes: float,
    seed: int,
    settings: Settings,
    stages: Stages | None,
) -> Decision:
    """Return how a cohort is denoised.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Holds the table ``catalogue``.
    cohort : Cohort
        Of it.
    folder : Path
        For the networks that are trained.
    minutes : float
        For the race and the trainings; without them, only what needs no training races.
    seed : int
        Of the trainings.
    settings : Settings
        What images are read with.
    stages : Stages, optional
        Told of what is being done.
    """
    started = time.monotonic()
    if is_clean(cohort):
        share = cohort.sigma / (cohort.high - cohort.low)
        reason = f"left as it is: sigma {cohort.sigma:.3g} is {share:.1%} of the range, which may be fine texture"
        return Decision(UNCHANGED, reason)
    say(stages, f"cohort {cohort.id}: measuring")
    sample = draw(connection, cohort, settings)
    if sample is None:
        return Decision(SHIPPED, "the shipped model, since no image is large enough, or can be read, for a race")
    scores: list[Score] = []
    for candidate in ready(sample.noise):
        say(stages, f"cohort {cohort.id}: {candidate.name}")
        scores.append(score(candidate, sample))
    notes = []
    if minutes and (why := unbeaten(scores)) is not None:
        notes.append(f"no network was trained, since {why}")
        minutes = 0
    elif not minutes:
        notes.append(_untrained(cohort))
    for lesson in LESSONS if minutes else ():
        left = minutes - (time.monotonic() - started) / 60
        time_for = min(lesson.share * minutes, left)
        if time_for < LEAST_MINUTES:
            notes.append(f"no network was {lesson.name}: {max(left, 0):.1f} minutes were left; raise minutes")
            continue
        say(stages, f"cohort {cohort.id}: a network is {lesson.name}, {time_for:.1f} minutes")
        learned, how = learn(
            lesson,
            sample.others,
            folder / lesson.name,
            minutes=time_for,
            seed=seed,
            settings=settings,
            watcher=None if stages is None else stages.trained,
        )
        notes.append(how)
        if learned is not None:
            scores.append(score(learned, sample))
    forget_copies(folder)
    winner, reason = choose(scores)
    return Decision(winner, reason, tuple(scores), tuple(notes), time.monotonic() - started, sample.raced_uris)


def _untrained(cohort: Cohort) -> str:
    if cohort.images < _ENOUGH:
        return f"no network was trained: {cohort.images} images are too few, {_ENOUGH} are needed"
    return f"no network was trained: that takes {_LEAST:.1f} minutes for each cohort; raise minutes"


def say(stages: Stages | None, text: str) -> None:
    """Tell what begins."""
    _log.info("%s", text)
    if stages is not None:
        stages.stage(text)
