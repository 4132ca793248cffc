"""A list of any length: what does not fit into a few megabytes is on disk."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar, overload

__all__ = ["Spool"]

T = TypeVar("T")

#: Bytes that are in memory.
_IN_MEMORY: Final = 1 << 24


class Spool(Sequence[T]):
    """A list that only grows. Of each value, which can be pickled, 8 bytes are in memory. It is for one thread."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (it is there as long as the list)
        self._starts = array("Q")
        weakref.finalize(self, self._file.close)

    def append(self, value: T) -> None:
        """Add a value at the end."""
        self._file.seek(0, 2)
        self._starts.append(self._file.tell())
        pickle.dump(value, self._file)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> list[T]: ...

    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        self._file.seek(self._starts[place])
        value: T = pickle.load(self._file)
        return value

    def __iter__(self) -> Iterator[T]:
        return map(self.__getitem__, range(len(self)))

    def __len__(self) -> int:
        return len(self._starts)
