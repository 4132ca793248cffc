"""Images measured by several processes, in order, with few of them in memory at a time."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Self

from limpid.catalog.columns import Row
from limpid.catalog.measure import Settings, unmeasured
from limpid.io.sources import Item

__all__ = ["measure_all"]

#: Items for each process that are begun, or wait: enough that none waits for the slowest of its neighbours.
_AHEAD: Final = 8

#: Where this package is found, so that a process finds the same one.
_ROOT: Final = str(Path(__file__).parents[2])


def measure_all(items: Iterable[Item], *, settings: Settings, workers: int) -> Iterator[Row]:
    """Yield the row of each item, in order.

    Parameters
    ----------
    items : iterable of Item
        Taken as they are needed: at most 8 for each process before the row that is yielded.
    settings : Settings
        What is measured.
    workers : int
        Processes. They begin when they are needed, and end with the generator, or with this process, however that
        ends. One that dies over an image (out of memory, a codec that crashes) makes an error of it.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(_Worker(settings)))
        threads = stack.enter_context(ThreadPoolExecutor(workers))
        stack.callback(threads.shutdown, wait=True, cancel_futures=True)
        begun: deque[Future[Row]] = deque()
        for item in items:
            begun.append(threads.submit(_measured, idle, item))
            if len(begun) >= _AHEAD * workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


def _measured(idle: SimpleQueue[_Worker], item: Item) -> Row:
    worker = idle.get()
    try:
        return worker.measure(item)
    finally:
        idle.put(worker)


class _Worker:
    """One process, which begins with its first item; where it died, another begins with the next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def measure(self, item: Item) -> Row:
        """Return the row of an item."""
        if item.error is not None:
            return unmeasured(item, self._settings, error=item.error)
        process = self._process = self._process or self._begin()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump(item, process.stdin)
            process.stdin.flush()
            row: Row = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            return self._lost(item)
        return row

    def _begin(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            [sys.executable, "-m", "limpid.catalog.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdin is not None
        pickle.dump(self._settings, process.stdin)
        return process

    def _lost(self, item: Item) -> Row:
        status = self._end()
        error = f"the process that measured it ended (status {status}); is there enough memory for it?"
        return unmeasured(item, self._settings, error=error)

    def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        return process.wait()
