"""The local engine: several images at a time in a process, and on many cores a process for each group of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Final

from limpid.core.errors import LimpidError
from limpid.io.atomic import give_up
from limpid.jobs.job import Job
from limpid.jobs.work import Receipt, Task, overlapped

__all__ = ["core_groups", "run_local", "threads_for"]

#: Cores of a process. What of an image's work is Python keeps one core busy and no more, whatever the network has.
_GROUP: Final = 4


def core_groups(cores: int) -> int:
    """Return how many processes make use of so many cores.

    Examples
    --------
    >>> [core_groups(cores) for cores in (1, 2, 7, 8, 64)]
    [1, 1, 1, 2, 16]
    """
    return max(cores // _GROUP, 1)


def threads_for(cores: int) -> int:
    """Return how many images a process with so many cores has in work: one more, since some wait for a disk.

    On one core there is nothing to overlap with but that wait, and one image takes the least memory.

    Examples
    --------
    >>> [threads_for(cores) for cores in (1, 2, 4)]
    [1, 3, 5]
    """
    return cores + 1 if cores > 1 else 1


def run_local(
    job: Job, task: Task, numbers: Sequence[int], *, processes: int, threads: int
) -> Generator[Receipt, None, None]:
    """Do shards of a job and yield their receipts as they are committed, in any order.

    Parameters
    ----------
    job : Job
        The job.
    task : Task
        What is done to an item; it is pickled where there are several processes.
    numbers : sequence of int
        Of the shards, ascending.
    processes, threads : int
        Processes, and threads of each. One process is this one.

    Raises
    ------
    WriteError
        If a receipt can't be written.
    LimpidError
        If one of the processes ended before it was done.
    """
    if processes == 1:
        yield from overlapped(job, task, numbers, threads=threads)
        return
    context = multiprocessing.get_context("spawn")  # a copy of a process with threads, as by fork, may hang
    children = []
    try:
        for _ in range(min(processes, len(numbers))):
            here, there = context.Pipe()
            child = context.Process(target=_child, args=(there, job, task, numbers, threads), daemon=True)
            child.start()
            there.close()
            children.append((child, here))
        open_ends = [here for _, here in children]
        while open_ends:
            for end in wait(open_ends):
                assert isinstance(end, Connection)
                message = _received(end)
                if isinstance(message, Exception):
                    raise message
                if message is None:
                    open_ends.remove(end)
                else:
                    yield message, job.receipt(message)
        for child, _ in children:
            child.join()
            if child.exitcode:
                raise LimpidError(
                    f"a process of the job ended by itself (exit status {child.exitcode}), for want of memory maybe; "
                    "what is done is on record: go on with --resume, and less --threads or --memory."
                )
    finally:
        for child, here in children:
            here.close()  # which a child takes for the end
            child.join()


def _child(parent: Connection, job: Job, task: Task, numbers: Sequence[int], threads: int) -> None:
    """Do what no other process has claimed, and tell the parent of each shard."""
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to answer
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        for number, _ in overlapped(job, task, numbers, threads=threads):
            parent.send(number)
        parent.send(None)
    except LimpidError as error:
        parent.send(error)


def _received(child: Connection) -> int | LimpidError | None:
    """Return the number of a shard, or what stopped the process; None where it is done, or is no more."""
    try:
        message: int | LimpidError | None = child.recv()
    except (EOFError, OSError):
        return None
    return message


def _end_with(parent: Connection) -> None:
    """End this process when the other end of the pipe is closed, by will or because the parent was killed."""
    with suppress(EOFError, OSError):
        parent.recv()
    give_up()
    os._exit(0)
