"""A call over files as a job: planned, done by an engine, on record, and gone on with."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from limpid.jobs import Item, Job, JobFolder, Key, Row, Stamp, check_same, last_rows
from limpid.jobs.names import path_of, text_of
from limpid.jobs.work import Receipt
from limpid.workflows.plan import Plan

__all__ = ["Done", "Engine", "items_of", "run_job"]

#: Does shards of a job, by their numbers, and yields receipts as they are committed.
Engine = Callable[[Job, Sequence[int]], Generator[Receipt, None, None]]


class Done(NamedTuple):
    """A row of a receipt, and whether an earlier run wrote it."""

    row: Row
    earlier: bool = False


def items_of(plan: Plan, root: Path, *, in_place: bool) -> Iterator[Item]:
    """Yield the jobs of a call as items.

    Parameters
    ----------
    plan : Plan
        What goes where.
    root : Path
        The folder that paths are recorded from, without links on the way to it.
    in_place : bool
        Whether outputs replace their inputs.
    """
    real_folder = lru_cache(maxsize=4096)(os.path.realpath)  # so that a way by .. never leads through a link
    named = plan.root or Path()
    for number, job in enumerate(plan.jobs):
        source = text_of(Path(real_folder(job.input.parent)) / job.input.name, root)
        if job.error is not None:
            yield Item(number, source, None, job.error)
            continue
        target = job.output if in_place else root / job.output.relative_to(named)
        stamp = Stamp.of(job.input)
        yield Item(
            number,
            source,
            text_of(target, root),
            size=None if stamp is None else stamp.size,
            mtime_ns=None if stamp is None else stamp.mtime_ns,
        )


def run_job(
    root: Path,
    items: Sequence[Item],
    engine: Engine,
    *,
    model: Mapping[str, Any],
    options: Mapping[str, Any],
    inputs: Sequence[str],
    resume: bool,
) -> Generator[Done, None, None]:
    """Do the items that an earlier run has not done, or all; yield what is known of each.

    With `resume`, what was planned and not done is done first, as it was planned. What is new, has changed, failed, or
    lost its output since is planned as another job, behind those that are there.

    Parameters
    ----------
    root : Path
        The output folder.
    items : sequence of Item
        What the call is about.
    engine : callable
        What does shards.
    model, options, inputs
        For the header of the job.
    resume : bool
        Whether to go on with what is there.

    Raises
    ------
    OptionError
        If another process is at work there, or a job that is there can't be gone on with.
    WriteError
        If a plan or a receipt can't be written.
    """
    folder = JobFolder(root)
    with folder.locked():
        known: dict[Key, Row] = {}
        now: set[Key] = set()
        if resume:
            jobs = folder.jobs()
            for job in jobs:
                check_same(job, model=model, options=options)
            known = last_rows(jobs)
            for job in jobs:
                for row in _rows(job, engine):
                    now.add((row["input"], row["output"]))
                    yield Done(row)
        else:
            folder.clear()
        left = []
        for item in items:
            key = (item.input, item.output)
            if key in now:
                continue
            before = known.get(key)
            if before is not None and _stands(before, item, root, in_place=options["in_place"]):
                yield Done(before, earlier=True)
            else:
                left.append(item)
        if left:
            for row in _rows(folder.add(_renumbered(left), model=model, options=options, inputs=inputs), engine):
                yield Done(row)


def _rows(job: Job, engine: Engine) -> Iterator[Row]:
    """Do what of a job is not done; yield its rows."""
    pending = job.pending()
    if not pending:
        return
    with closing(engine(job, pending)) as receipts:
        for _, rows in receipts:
            yield from rows


def _renumbered(items: Iterable[Item]) -> Iterator[Item]:
    for number, item in enumerate(items):
        yield Item(number, item.input, item.output, item.error, item.size, item.mtime_ns, item.sha256)


def _stands(row: Row, item: Item, root: Path, *, in_place: bool) -> bool:
    """Return whether what an earlier run recorded of an item is still so."""
    if item.output is None:
        return bool(row["error"] == item.error)
    if row["status"] != "ok":
        return False
    output = Stamp.of(path_of(item.output, root))
    if in_place:
        return output == Stamp(row["output_size"], row["output_mtime_ns"])
    unchanged = (item.size, item.mtime_ns) == (row["input_size"], row["input_mtime_ns"])
    return unchanged and output is not None and output.size == row["output_size"]
