"""Names in order, however many there are."""

from __future__ import annotations

import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO, Final

__all__ = ["in_order"]

#: Names that are sorted in memory; about 30 MB.
_CHUNK: Final = 250_000

#: Ends a name in a temporary file: the one character that none holds.
_END: Final = b"\x00"
_READ_BYTES: Final = 1 << 16


def in_order(names: Iterable[str], *, chunk: int = _CHUNK) -> Iterator[str]:
    """Yield file names sorted by their bytes, so that no language setting changes the order.

    Parameters
    ----------
    names : iterable of str
        Names as :mod:`os` returns them.
    chunk : int
        How many are in memory; the rest are in temporary files, a file for each chunk.

    Examples
    --------
    >>> list(in_order(["c", "é", "a", "b"], chunk=2))
    ['a', 'b', 'c', 'é']
    """
    encoded = map(os.fsencode, names)
    run = sorted(islice(encoded, chunk))
    with ExitStack() as files:
        runs: list[Iterable[bytes]] = []
        while following := sorted(islice(encoded, chunk)):
            runs.append(_records(files.enter_context(_spilled(run))))
            run = following
        yield from map(os.fsdecode, heapq.merge(*runs, run) if runs else run)


def _spilled(names: Iterable[bytes]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    file.writelines(name + _END for name in names)
    file.seek(0)
    return file


def _records(file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := file.read(_READ_BYTES):
        *whole, rest = (rest + block).split(_END)
        yield from whole
