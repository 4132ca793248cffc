"""Who wants to know how far a call over many files is."""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["Watcher"]

Row = TypeVar("Row", contravariant=True)


class Watcher(Protocol[Row]):
    """Told of the number of rows first, then of each."""

    def planned(self, count: int) -> None:
        """So many rows will come."""

    def finished(self, row: Row) -> None:
        """One row has come."""
