"""A job in parts: planned by one process, done by others side by side, whoever starts them."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from limpid.core.errors import OptionError
from limpid.io.stores import is_url, store_at
from limpid.workflows.engines import engine_for
from limpid.workflows.expand import folder_above
from limpid.workflows.files import FilesSummary, Placed, about, check_recorded, collected, load_models, spelled
from limpid.workflows.job import items_of, plan_job, run_shards
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.plan import plan_outputs
from limpid.workflows.planned import shown_below
from limpid.workflows.task import DenoiseTask, FileResult, names_of
from limpid.workflows.watcher import Watcher

__all__ = ["PlannedJob", "denoise_shards", "plan_files"]


@dataclass(frozen=True)
class PlannedJob:
    """A job that is planned, with where its record is; without images, id and folder if nothing is left to do."""

    images: int
    shards: int
    id: str | None = None
    folder: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"images": self.images, "shards": self.shards, "job": self.id, "folder": self.folder}


def plan_files(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str] | None = None,
    *,
    options: DenoiseOptions | None = None,
) -> PlannedJob:
    """Plan what :func:`~limpid.workflows.files.denoise_files` would do, and do nothing of it yet.

    Raises
    ------
    OptionError, ModelError, MissingExtraError, WriteError
        As there; also if there would be no record, or an earlier plan is not done and is to be gone on with.
    """
    options = options or DenoiseOptions()
    plan = plan_outputs(inputs, output, in_place=options.in_place, format=options.format)
    check_recorded(plan, "plan")
    task = DenoiseTask(plan.store.address, options)
    about_it = about(task, inputs)
    plan.store.ready()
    job = plan_job(plan.store, items_of(plan, checksums=options.checksums), about_it, resume=options.resume)
    if job is None:
        return PlannedJob(0, 0)
    folder = shown_below(plan.shown, job.address.removeprefix(plan.store.address).strip("/"))
    return PlannedJob(job.header.items, job.shards, job.header.id, folder)


def denoise_shards(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str] | None,
    shards: slice,
    *,
    options: DenoiseOptions | None = None,
    watcher: Watcher[FileResult] | None = None,
) -> FilesSummary:
    """Do a part of what :func:`plan_files` planned of the same inputs with the same options.

    Others may do theirs at the same time; a shard that two are asked for is done by one of them.

    Parameters
    ----------
    inputs, output
        As they were planned; they are not looked through again.
    shards : slice
        Which; those that are done already are skipped.
    options : DenoiseOptions, optional
        As they were planned; memory and threads are this process' own.
    watcher : Watcher, optional
        Told of each row.

    Raises
    ------
    OptionError, ModelError, MissingExtraError
        If nothing is planned there, or not in this way, or the shards are none of it.
    WriteError
        If a receipt can't be written.
    """
    options = options or DenoiseOptions()
    started = time.perf_counter()
    if options.engine != "local":
        raise OptionError(f"shards need no engine, got {options.engine}; leave it out: each process does its own part.")
    root = folder_above(inputs) if output is None else output
    if root is None or (output is None) != options.in_place:
        raise OptionError("shards are of a job with an output folder (-o), or of one in place (--in-place).")
    store = store_at(root if is_url(root) else Path(root).expanduser().resolve())
    task = DenoiseTask(store.address, options)
    load_models(task)

    def placed() -> Generator[Placed, None, None]:
        planned = None if watcher is None else watcher.planned
        with closing(run_shards(store, shards, engine_for(task), about(task, inputs), planned=planned)) as done:
            for row, earlier in done:
                yield row["item"], FileResult.of(row, *names_of(row, task.root), earlier=earlier)

    results = collected(placed(), watcher)
    return FilesSummary(results, spelled(output), time.perf_counter() - started)
