"""Memory that images in work share: one waits where it would not fit beside the others."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Room"]

#: Taken where the machine does not say how much memory it has.
_UNKNOWN_BYTES: Final = 4_000_000_000


class Room:
    """So many bytes, for whoever comes while they last.

    Parameters
    ----------
    total : int, optional
        Bytes; half of what the machine has where not given.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = _machine_bytes() // 2 if total is None else total
        self._taken: list[int] = []
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Take bytes for as long as the block lasts; who needs more than there are waits until nobody else is in."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or sum(self._taken) + size <= self._total)
            self._taken.append(size)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(size)
                self._changed.notify_all()


def _machine_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN_BYTES
