"""A call over files as a job: planned, done by an engine, on record, and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from limpid.core.errors import LimpidError, OptionError
from limpid.io.sources import item_of, uri_of
from limpid.io.sources.item import address_of
from limpid.io.stores import Stamp, Store
from limpid.jobs import About, Item, Job, JobFolder, Key, Row, check_same, last_rows
from limpid.jobs.names import uri_texts_from
from limpid.jobs.work import Receipt
from limpid.workflows.planned import Plan
from limpid.workflows.task import sha256_of

__all__ = ["Done", "Engine", "items_of", "plan_job", "run_job", "run_shards"]

#: Does shards of a job, by their numbers, and yields receipts as they are committed.
Engine = Callable[[Job, Sequence[int]], Generator[Receipt, None, None]]


class Done(NamedTuple):
    """A row of a receipt, and whether an earlier run wrote it."""

    row: Row
    earlier: bool = False


def items_of(plan: Plan, *, checksums: bool, way_of: Callable[[str], int | None] = lambda _: None) -> Iterator[Item]:
    """Yield the images of a call as items.

    Parameters
    ----------
    plan : Plan
        What goes where.
    checksums : bool
        Whether to read every input for the hash of its contents.
    way_of : callable
        Which way an image is to be done, by its URI; None for that of the options.
    """
    text_of = uri_texts_from(plan.store.address)
    for number, one in enumerate(plan.images):
        source = text_of(one.uri)
        if one.error is not None:
            yield Item(number, source, None, one.error)
            continue
        sha256 = None
        if checksums:
            with suppress(LimpidError, OSError):  # it will be said when it is to be denoised
                sha256 = _sha256_of(one.uri)
        yield Item(number, source, uri_of(one.output), None, one.size, one.version, sha256, way_of(one.uri))


def _sha256_of(uri: str) -> str:
    item = item_of(uri)
    return sha256_of(item.read() if item.path is None else Path(item.path))


def run_job(
    root: Store, items: Sequence[Item], engine: Engine, about: About, *, resume: bool
) -> Generator[Done, None, None]:
    """Do the items that an earlier run has not done, or all; yield what is known of each.

    With `resume`, what was planned and not done is done first, as it was planned. What is new, has changed, failed,
    lost its output or is to be done in another way since is planned as another job, behind those that are there.

    Parameters
    ----------
    root : Store
        The output folder.
    items : sequence of Item
        What the call is about.
    engine : callable
        What does shards.
    about : About
        Model, options and inputs.
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
        for job in _begun(folder, about, resume=resume):
            known |= last_rows([job])
            pending = job.pending()
            ways = {(item.input, item.output): item.way for item in items} if pending else {}
            for row in _rows(job, pending, engine):
                key = (row["input"], row["output"])
                if ways.get(key, row.get("way")) == row.get("way"):
                    now.add(key)
                    yield Done(row)
        left = []
        stands = _Standing(root, in_place=about.options["in_place"])
        for item in items:
            key = (item.input, item.output)
            if key in now:
                continue
            if stands(known.get(key), item):
                yield Done(known[key], earlier=True)
            else:
                left.append(item)
        if left:
            job = folder.add(_renumbered(left), about)
            for row in _rows(job, job.pending(), engine):
                yield Done(row)


def plan_job(root: Store, items: Iterable[Item], about: About, *, resume: bool) -> Job | None:
    """Plan what :func:`run_job` would do, for others to do by :func:`run_shards`; None if nothing is left to do.

    Raises
    ------
    OptionError
        Also if shards that are planned already are not done.
    """
    folder = JobFolder(root)
    with folder.locked():
        jobs = _begun(folder, about, resume=resume)
        for job in jobs:
            if pending := job.pending():
                raise OptionError(
                    f"{len(pending)} shards of {job.address} are planned and not done, from {pending[0]} on; do them "
                    "first, by --shards or by --resume without --plan.",
                    source=job.address,
                )
        known = last_rows(jobs)
        stands = _Standing(root, in_place=about.options["in_place"])
        left = (item for item in items if not stands(known.get((item.input, item.output)), item))
        first = next(left, None)
        return None if first is None else folder.add(_renumbered(chain([first], left)), about)


def run_shards(
    root: Store, shards: slice, engine: Engine, about: About, *, planned: Callable[[int], None] | None = None
) -> Generator[Done, None, None]:
    """Do a part of the job that was planned last, beside other processes that do theirs.

    Parameters
    ----------
    root, engine, about
        As in :func:`run_job`.
    shards : slice
        Which.
    planned : callable, optional
        Told how many items they have.

    Raises
    ------
    OptionError
        If nothing is planned there, or not in this way.
    WriteError
        If a receipt can't be written.
    """
    folder = JobFolder(root)
    if not JobFolder.exists_in(root):
        raise _nothing_planned(root)
    with folder.locked(shared=True):
        jobs = folder.jobs()
        if not jobs:
            raise _nothing_planned(root)
        job = jobs[-1]
        check_same(job, about)
        if list(about.inputs) != list(job.header.inputs):
            was, now = (", ".join(one.inputs) for one in (job.header, about))
            raise OptionError(f"{job.address} was planned for {was}, not for {now}; name the same inputs.")
        wanted = range(job.shards)[shards]
        if not wanted:
            raise OptionError(f"{job.address} has the shards 0:{job.shards}, none of them is asked for.")
        if planned is not None:
            size = job.header.shard_size
            planned(min(wanted[-1] * size + size, job.header.items) - wanted[0] * size)
        folder.sweep([job])
        committed = job.committed()
        for number in wanted:
            if number in committed:
                yield from (Done(row, earlier=True) for row in job.receipt(number))
        for row in _rows(job, [number for number in wanted if number not in committed], engine):
            yield Done(row)


def _nothing_planned(root: Store) -> OptionError:
    return OptionError(
        f"no job is planned in {root.address}; run the same command with --plan in place of --shards first.",
        source=root.address,
    )


def _begun(folder: JobFolder, about: About, *, resume: bool) -> list[Job]:
    """Return the jobs to go on with, which are none if all is to be done anew."""
    if not resume:
        with suppress(OptionError):  # a record that can't be read is forgotten all the same
            folder.sweep(folder.jobs())
        folder.clear()
        return []
    jobs = folder.jobs()
    folder.sweep(jobs)
    for job in jobs:
        check_same(job, about)
    return jobs


def _rows(job: Job, numbers: Sequence[int], engine: Engine) -> Iterator[Row]:
    """Do shards of a job; yield their rows."""
    if not numbers:
        return
    with closing(engine(job, numbers)) as receipts:
        for _, rows in receipts:
            yield from rows


def _renumbered(items: Iterable[Item]) -> Iterator[Item]:
    for number, item in enumerate(items):
        yield replace(item, number=number)


class _Standing:
    """Whether what an earlier run recorded of an item is still so."""

    def __init__(self, root: Store, *, in_place: bool) -> None:
        self._stamp_of = root.lookup()
        self._in_place = in_place

    def __call__(self, row: Row | None, item: Item) -> bool:
        if row is None:
            return False
        if item.output is None:
            return bool(row["error"] == item.error)
        if row["status"] != "ok" or row.get("way") != item.way:
            return False
        output = self._stamp_of(address_of(item.output))
        if self._in_place:
            return output == Stamp(row["output_size"], row["output_version"])
        unchanged = (item.size, item.version) == (row["input_size"], row["input_version"])
        if item.sha256 is not None:
            unchanged = bool(item.sha256 == row["input_sha256"])
        return unchanged and output is not None and output.size == row["output_size"]
