"""What a place is that results are committed to, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self

__all__ = ["Mark", "Stamp", "Store"]


@dataclass(frozen=True)
class Stamp:
    """What tells a file from a changed one without reading it.

    Attributes
    ----------
    size : int or None
        Bytes; None where that can't be told without reading.
    version : str or None
        Time of change in nanoseconds; in stores the entity tag. None where nothing tells.
    """

    size: int | None
    version: str | None


class Mark(Protocol):
    """A sign that a process is at work on something, for as long as the block lasts.

    Where the block fails, what tells that it was begun stays.
    """

    @property
    def begun(self) -> bool:
        """Whether another process was at work on it before, and ended without taking its mark away."""

    def beat(self) -> None:
        """Show that the process lives."""

    def __enter__(self) -> Self: ...

    def __exit__(self, failed: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None: ...


class Store(Protocol):
    """A folder, here or elsewhere. What is written into it appears whole or not at all. It can be pickled.

    Names are ways down from it, with ``/``. What a store refuses is an OSError, or a WriteError with advice.
    """

    @property
    def address(self) -> str:
        """Path or URL."""

    def below(self, name: str) -> Store:
        """Return a folder in it, which need not be there."""

    def ready(self) -> None:
        """Make it, if it is not there.

        Raises
        ------
        WriteError
            If nothing can be written in it.
        """

    def names(self) -> list[str]:
        """Return what lies in it, of one level; nothing where it is not there."""

    def stamps(self) -> dict[str, Stamp]:
        """Return the same, files only, with what tells them from changed ones."""

    def stamp(self, name: str) -> Stamp | None:
        """Return the stamp of a file; None where there is none."""

    def lookup(self) -> Callable[[str], Stamp | None]:
        """Return what gives the stamps of many files, names of one folder one after the other.

        In a store a folder is listed once, so that what it gives may be a moment old.
        """

    def open(self, name: str) -> BinaryIO:
        """Return an open file."""

    def replacing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Give a file to write, which can seek and read; when the block ends well it takes the place of `name`.

        Raises
        ------
        WriteError
            If the store refuses, with its reason, or if an encoder fails.
        """

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all below it; nothing if it is not there."""

    def mark(self, name: str) -> Mark | None:
        """Return a mark of that name; None where another process has it.

        On a disk with locks, nobody else gets it before it ends. A store has none: there it only tells others.
        """

    def locked(self, name: str, *, shared: bool = False) -> AbstractContextManager[bool]:
        """Keep others out for as long as the block lasts, or if it is shared, those who don't share.

        It gives False where others are in. It ends with the process, however that ends.
        """

    def sweep(self, folder: str) -> None:
        """Remove what processes that are no more left half written in a folder."""
