"""Denoise files: every input has a row in the end, and what one of them suffers is no other's trouble."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from limpid.core.errors import OptionError, WriteError
from limpid.io.sources.item import address_of
from limpid.io.stores import is_url
from limpid.jobs import About, Item, JobFolder, check_same, last_rows
from limpid.jobs.names import texts_from, uri_texts_from
from limpid.workflows.engines import engine_for
from limpid.workflows.job import Done, items_of, run_job
from limpid.workflows.options import DenoiseOptions, Way
from limpid.workflows.plan import plan_outputs, store_of
from limpid.workflows.planned import Plan, shown_below
from limpid.workflows.task import DenoiseTask, FileResult, names_of
from limpid.workflows.watcher import Watcher

__all__ = [
    "FileResult",
    "FilesSummary",
    "Ways",
    "about",
    "can_resume",
    "check_recorded",
    "collected",
    "denoise_files",
    "load_models",
    "results_in",
    "spelled",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ways:
    """Images of a call that are denoised in another way than the options say.

    Attributes
    ----------
    known : sequence of Way
        The ways there are.
    of : callable
        Place of the way of an image in `known`, by its URI; None for that of the options.
    """

    known: Sequence[Way]
    of: Callable[[str], int | None]


@dataclass(frozen=True)
class FilesSummary:
    """All rows of a call, the folder or file they went to, and how long it took."""

    results: tuple[FileResult, ...]
    output: str | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "results": [asdict(result) for result in self.results],
            "done": self.count("ok"),
            "failed": self.count("error"),
            "skipped": self.count("skipped"),
            "output": self.output,
            "seconds": round(self.seconds, 3),
        }

    def count(self, status: str) -> int:
        """Return the number of rows of a status."""
        return sum(result.status == status for result in self.results)


def denoise_files(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str] | None = None,
    *,
    options: DenoiseOptions | None = None,
    ways: Ways | None = None,
    watcher: Watcher[FileResult] | None = None,
) -> FilesSummary:
    """Denoise files, folders and globs into a folder, a file, or in place.

    What goes wrong with one file is a row with an error; the others are done. Each output appears whole or not at
    all, and what is done is on record, so that an interrupted call can be resumed.

    Parameters
    ----------
    inputs, output
        As in :func:`~limpid.workflows.plan.plan_outputs`.
    options : DenoiseOptions, optional
        Default: all defaults.
    ways : Ways, optional
        Which images are denoised in another way.
    watcher : Watcher, optional
        Told of each row.

    Raises
    ------
    OptionError, ModelError, MissingExtraError
        If the call can't be meant so; nothing was done.
    WriteError
        If nothing can be written where the outputs should go; nothing was done.
    """
    options = options or DenoiseOptions()
    started = time.perf_counter()
    plan = plan_outputs(inputs, output, in_place=options.in_place, format=options.format)
    if options.resume:
        check_recorded(plan, "resume")
    if options.engine != "local":
        check_recorded(plan, f"engine {options.engine}")
    task = DenoiseTask(plan.store.address, options, () if ways is None else ways.known)
    load_models(task)
    if watcher is not None:
        watcher.planned(len(plan.images))
    results = collected(_dry(plan) if options.dry_run else _run(plan, task, inputs, ways), watcher)
    return FilesSummary(results, spelled(output), time.perf_counter() - started)


def can_resume(
    inputs: Sequence[str | PathLike[str]], output: str | PathLike[str], *, options: DenoiseOptions, ways: Ways | None
) -> bool:
    """Return whether :func:`denoise_files` with these arguments could go on with what is on record in a folder."""
    store = store_of(fspath(output))
    if not JobFolder.exists_in(store):
        return False
    task = DenoiseTask(store.address, options, () if ways is None else ways.known)
    try:
        for job in JobFolder(store).jobs():
            check_same(job, about(task, inputs))
    except OptionError:
        return False
    return True


def results_in(output: str | PathLike[str]) -> Callable[[str], str | None]:
    """Return what finds the result of an image in a folder on this machine, by the URI of the image, if it has one."""
    store = store_of(fspath(output))
    text_of = uri_texts_from(store.address)
    rows = last_rows(JobFolder(store).jobs()).values()
    outputs = {row["input"]: row["output"] for row in rows if row["status"] == "ok"}

    def result_of(uri: str) -> str | None:
        found = outputs.get(text_of(uri))
        return None if found is None else shown_below(store.address, address_of(found))

    return result_of


def spelled(output: str | PathLike[str] | None) -> str | None:
    """Return what an output is called; None in place."""
    return None if output is None else fspath(output) if is_url(output) else str(Path(output))


#: A result and its place among those of a call.
Placed = tuple[int, FileResult]


def collected(placed: Generator[Placed, None, None], watcher: Watcher[FileResult] | None) -> tuple[FileResult, ...]:
    """Return the results of a call in their order, and tell of each as it comes."""
    results = []
    with closing(placed):
        for place, result in placed:
            results.append((place, result))
            if watcher is not None:
                watcher.finished(result)
    results.sort(key=itemgetter(0))
    return tuple(result for _, result in results)


def check_recorded(plan: Plan, option: str) -> None:
    """Refuse an option that needs a record where there is none.

    Raises
    ------
    OptionError
        If outputs go to one named file, or nowhere that a record could lie.
    """
    if not plan.recorded:
        without = "one named file has" if plan.single else "inputs in place that only the root folder holds have"
        raise OptionError(f"{option} needs an output folder: {without} no record.")


def load_models(task: DenoiseTask) -> None:
    """Load what a call needs, so that what is wrong with a model is said before any work; warn of too little memory."""
    for model in dict.fromkeys((task.options.model, *(way.model for way in task.ways))):
        denoiser = task.denoiser_of(model)
        if task.options.memory is not None and denoiser.capabilities.halo_px is None:
            _log.warning(
                "%s needs whole planes at once, about %d bytes for each pixel; memory will be exceeded where that is "
                "more",
                denoiser.name,
                denoiser.capabilities.bytes_per_pixel,
            )


def _dry(plan: Plan) -> Generator[Placed, None, None]:
    for place, one in enumerate(plan.images):
        yield place, FileResult(one.name, plan.output_of(one), "error" if one.error else "planned", one.error)


def _run(
    plan: Plan, task: DenoiseTask, inputs: Sequence[str | PathLike[str]], ways: Ways | None
) -> Generator[Placed, None, None]:
    """Yield what becomes of each image as it is done."""
    options = task.options
    plan = _ready(plan, options)
    way_of = (lambda _: None) if ways is None else ways.of
    items = list(items_of(plan, checksums=options.checksums, way_of=way_of))
    places = {(item.input, item.output): item.number for item in items}
    if plan.recorded:
        engine = engine_for(task)
        done = run_job(plan.store, items, engine, about(task, inputs), resume=options.resume)
    else:
        done = _unrecorded(items, task)
    with closing(done):
        for row, earlier in done:
            # What an earlier call planned need not be an input of this one; it comes last.
            place = places.get((row["input"], row["output"]), len(items))
            if place < len(items):
                names = plan.images[place].name, plan.output_of(plan.images[place])
            else:
                names = names_of(row, task.root)
            yield place, FileResult.of(row, *names, earlier=earlier)


def about(task: DenoiseTask, inputs: Sequence[str | PathLike[str]]) -> About:
    """Return what the header of a job says of a call."""
    text_of = texts_from(task.root)
    options = task.options.deciding(task.denoiser)
    if task.ways:
        options["ways"] = [{**task.denoiser_of(one.model).identity, "strength": one.strength} for one in task.ways]
    return About(
        model=dict(task.denoiser.identity),
        options=options,
        inputs=[text_of(name if is_url(name) else Path(name).expanduser()) for name in inputs],
    )


def _unrecorded(items: Sequence[Item], task: DenoiseTask) -> Generator[Done, None, None]:
    for item in items:
        yield Done({"input": item.input, "output": item.output, **task(item, begun=False)})


def _ready(plan: Plan, options: DenoiseOptions) -> Plan:
    """Make the output folder ready; in place, the folder of the record is not worth failing for."""
    try:
        plan.store.ready()
    except WriteError:
        if not options.in_place or options.resume:
            raise
        _log.warning("no record can be written in %s; this run can't be resumed", plan.shown)
        return replace(plan, recorded=False)
    return plan
