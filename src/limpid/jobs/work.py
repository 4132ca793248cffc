"""Do shards: claim one, hand each of its items to the task, commit the receipt."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Protocol

from limpid.jobs.job import Job, Row
from limpid.jobs.manifest import Item, Shard

__all__ = ["Receipt", "Task", "overlapped", "process_shard"]

#: Number of a shard and its rows.
Receipt = tuple[int, list[Row]]


class Task(Protocol):
    """What is to be done to an item. It may be called from several threads, and pickled to another process."""

    def __call__(self, item: Item, *, begun: bool) -> Row:
        """Return what became of the item, in values that JSON holds; whatever is wrong with it is part of that.

        Parameters
        ----------
        item : Item
            The item.
        begun : bool
            Whether an earlier process may have done it, and ended before it could say so.
        """
        ...


def process_shard(job: Job, shard: Shard, task: Task, *, stop: threading.Event | None = None) -> Receipt | None:
    """Do a shard and commit its receipt, by whatever engine.

    Returns
    -------
    Receipt or None
        None where another process does it or has done it, or `stop` was set before its end.

    Raises
    ------
    WriteError
        If the receipt can't be written.
    """
    claim = job.claim(shard.number)
    if claim is None:
        return None
    rows: list[Row] = []
    with suppress(_StoppedError), claim:
        for item in shard.items:
            if stop is not None and stop.is_set():
                raise _StoppedError
            done = task(item, begun=claim.begun)
            claim.beat()
            way = {} if item.way is None else {"way": item.way}
            rows.append({"item": item.number, "input": item.input, "output": item.output, **way, **done})
        job.commit(shard.number, rows)
        return shard.number, rows
    return None


def overlapped(job: Job, task: Task, numbers: Sequence[int], *, threads: int) -> Generator[Receipt, None, None]:
    """Do shards by several threads: while one waits for a disk or for the network, the others need not.

    As many items are in memory as there are threads. What is begun is ended when the iterator is closed.

    Raises
    ------
    WriteError
        If a receipt can't be written.
    """
    stop = threading.Event()
    shards = _Shared(job.read_shards(numbers))
    results: SimpleQueue[Receipt | BaseException | None] = SimpleQueue()

    def work() -> None:
        try:
            for shard in shards:
                if stop.is_set():
                    break
                if (receipt := process_shard(job, shard, task, stop=stop)) is not None:
                    results.put(receipt)
        except BaseException as error:  # noqa: BLE001 (it is raised where the results are waited for)
            results.put(error)
        finally:
            results.put(None)

    workers = [threading.Thread(target=work, name=f"limpid-job-{number}") for number in range(threads)]
    try:
        for worker in workers:
            worker.start()
        running = threads
        while running:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                running -= 1
            else:
                yield result
    finally:
        stop.set()
        for worker in workers:
            if worker.ident is not None:
                worker.join()


class _StoppedError(Exception):
    """A shard is given up in its middle; its claim stays, since it was begun."""


class _Shared(Iterator[Shard]):
    """An iterator that threads take from in turn."""

    def __init__(self, shards: Iterator[Shard]) -> None:
        self._shards = shards
        self._turn = threading.Lock()

    def __next__(self) -> Shard:
        with self._turn:
            return next(self._shards)
