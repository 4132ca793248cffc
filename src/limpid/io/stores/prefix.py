"""A prefix in a store that fsspec reaches: an object is there when its upload ends, and is written whole."""

from __future__ import annotations

import io
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, cast

from limpid.core.errors import LimpidError, WriteError
from limpid.io.stores.base import Stamp
from limpid.io.stores.filesystem import Info, filesystem, version_of
from limpid.io.stores.lease import leased

__all__ = ["Prefix"]

#: A mark is renewed after so long: often enough for who waits for a sign of work, and seldom enough to cost nothing.
_BEAT_S: Final = 60.0

#: Listings that are remembered while many objects are looked up.
_FOLDERS: Final = 4


@dataclass(frozen=True)
class Prefix:
    """A prefix, see :class:`~limpid.io.stores.base.Store`.

    Parameters
    ----------
    address : str
        URL, without ``/`` at its end.
    """

    address: str

    def below(self, name: str) -> Prefix:
        """Return a prefix in it."""
        return Prefix(f"{self.address}/{name}")

    def ready(self) -> None:
        """Do nothing: prefixes are not made, and that nothing can be written is said when the first object is."""

    def names(self) -> list[str]:
        """Return what lies below it, of one level."""
        return [_last(info) for info in self._listed("")]

    def stamps(self) -> dict[str, Stamp]:
        """Return the objects below it, of one level, with their stamps."""
        return self._stamps("")

    def stamp(self, name: str) -> Stamp | None:
        """Return the stamp of an object."""
        with _asked():
            try:
                info = self._files.info(self._path(name))
            except FileNotFoundError:
                return None
        return _stamp(info) if info["type"] == "file" else None

    def lookup(self) -> Callable[[str], Stamp | None]:
        """Return what gives the stamps of many objects, by a listing for each of their folders."""
        stamps_in = lru_cache(maxsize=_FOLDERS)(self._stamps)

        def stamp_of(name: str) -> Stamp | None:
            folder, _, last = name.rpartition("/")
            return stamps_in(folder).get(last)

        return stamp_of

    def open(self, name: str) -> BinaryIO:
        """Return an open file; a little ahead of what is asked for is fetched."""
        with _asked():
            return cast("BinaryIO", self._files.open(self._path(name), "rb"))

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """Give a file in memory that is uploaded as one object."""
        buffer = io.BytesIO()
        try:
            yield buffer
            with _asked():
                self._files.pipe_file(self._path(name), buffer.getvalue())
        except OSError as error:
            raise WriteError(f"it can't be written to the store: {error.strerror or error}.") from error
        except (LimpidError, MemoryError):
            raise
        except Exception as error:
            raise WriteError(f"it can't be encoded: {type(error).__name__}: {error}.") from error

    def remove(self, name: str) -> None:
        """Remove an object, or all below a prefix."""
        with _asked(), suppress(FileNotFoundError):
            self._files.rm(self._path(name), recursive=True)

    def mark(self, name: str) -> _Sign:
        """Return a mark that keeps nobody out."""
        return _Sign(self, name, begun=self.stamp(name) is not None)

    def unmark(self, name: str) -> None:
        """Take a mark away."""
        with _asked(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    @contextmanager
    def locked(self, name: str, *, shared: bool = False) -> Iterator[bool]:
        """Keep others out by an object that is renewed; those who share only look whether somebody is in."""
        with leased(self._files, self._path(name), look_only=shared) as ours:
            yield ours

    def sweep(self, folder: str) -> None:
        """Do nothing: what was not uploaded whole is not there."""

    @property
    def _files(self) -> Any:
        return filesystem(self.address.partition("://")[0])

    def _path(self, name: str) -> str:
        return str(self._files._strip_protocol(f"{self.address}/{name}" if name else self.address))

    def _listed(self, folder: str) -> list[Info]:
        with _asked():
            try:
                path = self._path(folder)
                found: list[Info] = self._files.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        # A store may answer for a folder with itself: the empty object that some tools make for one.
        return [info for info in found if str(info["name"]).rstrip("/") != path.rstrip("/")]

    def _stamps(self, folder: str) -> dict[str, Stamp]:
        return {_last(info): _stamp(info) for info in self._listed(folder) if info["type"] == "file"}


class _Sign:
    """A mark that others see, and may take too."""

    def __init__(self, prefix: Prefix, name: str, *, begun: bool) -> None:
        self._prefix = prefix
        self._name = name
        self._token = secrets.token_hex(8)
        self._written_s = 0.0
        self.begun = begun
        self._write()

    def beat(self) -> None:
        """Write it again, if that was not just done."""
        if time.monotonic() - self._written_s > _BEAT_S:
            with suppress(OSError, WriteError):
                self._write()

    def _write(self) -> None:
        self._written_s = time.monotonic()
        with self._prefix.replacing(self._name) as file:
            file.write(json.dumps({"by": self._token, "at_s": round(time.time())}).encode("ascii"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if failed is None:
            self._prefix.unmark(self._name)


def _last(info: Info) -> str:
    return str(info["name"]).rstrip("/").rpartition("/")[2]


def _stamp(info: Info) -> Stamp:
    return Stamp(info.get("size"), version_of(info))


@contextmanager
def _asked() -> Iterator[None]:
    """Make an OSError of whatever a store raises."""
    try:
        yield
    except (OSError, LimpidError, MemoryError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
