"""A folder on this machine, or on a disk that several share: files appear by a rename, locks are the disk's."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from limpid.core.errors import WriteError
from limpid.io.atomic import replacing
from limpid.io.lock import Lock, take_lock
from limpid.io.own import TEMPORARY
from limpid.io.stores.base import Stamp

__all__ = ["Folder"]


@dataclass(frozen=True)
class Folder:
    """A folder, see :class:`~limpid.io.stores.base.Store`."""

    path: Path

    @property
    def address(self) -> str:
        """The path."""
        return str(self.path)

    def below(self, name: str) -> Folder:
        """Return a folder in it."""
        return Folder(self.path / name)

    def ready(self) -> None:
        """Make it, and make sure that files can be created in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path, prefix=".limpid-"):
                pass
        except OSError as error:
            raise WriteError(
                f"nothing can be written in {self.path} ({error.strerror or error}); choose another output.",
                source=str(self.path),
            ) from error

    def names(self) -> list[str]:
        """Return what lies in it."""
        try:
            return os.listdir(self.path)  # noqa: PTH208 (names, not paths)
        except FileNotFoundError:
            return []

    def stamps(self) -> dict[str, Stamp]:
        """Return the files in it with their stamps."""
        found = ((name, self.stamp(name)) for name in self.names())
        return {name: stamp for name, stamp in found if stamp is not None}

    def stamp(self, name: str) -> Stamp | None:
        """Return the stamp of a file."""
        try:
            status = (self.path / name).stat()
        except OSError:
            return None
        return None if stat.S_ISDIR(status.st_mode) else Stamp(status.st_size, f"{status.st_mtime_ns}")

    def lookup(self) -> Callable[[str], Stamp | None]:
        """Return what gives the stamps of many files."""
        return self.stamp

    def open(self, name: str) -> BinaryIO:
        """Return an open file."""
        return (self.path / name).open("rb")

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """Give a file that takes the place of another."""
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"the folder {path.parent} can't be made: {error.strerror or error}.") from error
        with replacing(path) as file:
            yield file

    def remove(self, name: str) -> None:
        """Remove a file or folder."""
        path = self.path / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):  # what systems say of a folder
                raise
            shutil.rmtree(path)

    def mark(self, name: str) -> _LockedFile | None:
        """Return a locked file; None where another process has it."""
        path = self.path / name
        begun = path.exists()
        lock = take_lock(path)
        return None if lock is None else _LockedFile(path, lock, begun=begun)

    @contextmanager
    def locked(self, name: str, *, shared: bool = False) -> Iterator[bool]:
        """Keep others out by a lock of the disk."""
        self.path.mkdir(exist_ok=True)
        lock = take_lock(self.path / name, shared=shared)
        if lock is None:
            yield False
            return
        with lock:
            yield True

    def sweep(self, folder: str) -> None:
        """Remove temporary files that nobody holds."""
        if sys.platform == "win32":
            return  # a file that is held can't be told there
        for path in (self.path / folder).glob(TEMPORARY):
            with suppress(OSError):
                if (lock := take_lock(path, sure=True)) is not None:
                    with lock:
                        path.unlink()


class _LockedFile:
    """A mark that others can't take: a file with a lock on it."""

    def __init__(self, path: Path, lock: Lock, *, begun: bool) -> None:
        self._path = path
        self._lock = lock
        self.begun = begun

    def beat(self) -> None:
        """Change the time of the file."""
        with suppress(OSError):
            os.utime(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if failed is None:
            self._path.unlink(missing_ok=True)
        self._lock.release()
