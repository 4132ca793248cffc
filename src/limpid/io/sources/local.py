"""Files on this machine: folders and globs opened up as a stream."""

from __future__ import annotations

import fnmatch
import glob
import logging
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import BinaryIO

from limpid.io.paths import ANY_DEPTH, Identity, file_identity, is_folder, matches_glob
from limpid.io.sources.item import Item, Place, failed, uri_of
from limpid.io.sources.ordering import in_order
from limpid.io.sources.wanted import container_suffix, is_foreign, is_hidden, is_wanted, left_out

__all__ = ["place", "places"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalFile:
    """The bytes of a file on this machine."""

    path: str

    def open(self) -> BinaryIO:
        """Return the open file."""
        return Path(self.path).open("rb")

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return its bytes, or so many from `start` on."""
        with self.open() as file:
            file.seek(start)
            return file.read(-1 if size is None else size)


def places(address: str, *, outside: str | None) -> Iterator[Place | Item]:
    """Yield the files that a path or glob stands for; those of a folder before those of its subfolders.

    Paths become absolute. Hidden files and folders are left out where nobody named them; links to folders are followed,
    but not round in circles.

    Parameters
    ----------
    address : str
        A file is taken whatever its suffix.
    outside : str or None
        A folder that is left out where it lies below another.
    """
    path = os.path.abspath(Path(address).expanduser())  # noqa: PTH100 (links stay what they are)
    fence = None if outside is None else file_identity(outside)
    if os.path.lexists(path) or not glob.has_magic(path):
        yield from _of_path(path, fence)
        return
    parts = PurePath(path).parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    yield from _of_glob(str(PurePath(*parts[:first])), parts[first:], fence)


def _of_path(path: str, fence: Identity | None) -> Iterator[Place | Item]:
    if container_suffix(path) != ".zarr" and is_folder(Path(path)):
        foreign: Counter[str] = Counter()
        yield from _of_folder(path, frozenset(), fence, foreign)
        if foreign:
            _log.warning("%s: %s", path, left_out(foreign))
    else:
        yield place(path)


def _of_folder(
    folder: str, above: frozenset[Identity | None], fence: Identity | None, foreign: Counter[str]
) -> Iterator[Place | Item]:
    identity = file_identity(folder)
    if fence is not None and identity == fence:
        return
    here = above | {identity}
    try:
        for name in in_order(_names(folder, partial(_is_file, foreign=foreign))):
            yield place(_joined(folder, name))
        for name in in_order(_names(folder, _is_subfolder)):
            below = _joined(folder, name)
            if file_identity(below) not in here:
                yield from _of_folder(below, here, fence, foreign)
    except OSError as error:
        yield failed(uri_of(folder), f"the folder can't be read: {error.strerror}; check its permissions.")


def _of_glob(folder: str, parts: tuple[str, ...], fence: Identity | None) -> Iterator[Place | Item]:
    """Yield what a glob matches below a folder; a folder that it matches stands for all that is in it."""
    part, *rest = parts
    if part == ANY_DEPTH:
        for place in _of_folder(folder, frozenset(), fence, Counter()):
            if isinstance(place, Item) or matches_glob(PurePath(place.address).relative_to(folder).parts, parts):
                yield place
        return
    try:
        names = list(in_order(_names(folder, lambda entry: _fits(entry.name, part))))
    except OSError:
        return
    for name in names:
        path = _joined(folder, name)
        if rest:
            yield from _of_glob(path, tuple(rest), fence)
        elif is_wanted(name) or is_folder(Path(path)):
            yield from _of_path(path, fence)


def _fits(name: str, part: str) -> bool:
    return fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not is_hidden(name))


def _names(folder: str, wanted: Callable[[os.DirEntry[str]], bool]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if wanted(entry))


def _is_file(entry: os.DirEntry[str], *, foreign: Counter[str]) -> bool:
    if is_foreign(entry.name):
        foreign[PurePath(entry.name).suffix.lower()] += 1
    return is_wanted(entry.name) and not _is_subfolder(entry)


def _is_subfolder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and not is_hidden(entry.name) and container_suffix(entry.name) != ".zarr"


def place(address: str) -> Place | Item:
    """Return the file of that very name, or why it can't be read: opening a named pipe would wait for ever."""
    try:
        status = Path(address).stat()
    except FileNotFoundError:
        gone = "the file that this link names is gone." if os.path.lexists(address) else "no such file; check the path."
        return failed(uri_of(address), gone)
    except OSError as error:
        return failed(uri_of(address), f"it can't be read: {error.strerror}.")
    if stat.S_ISDIR(status.st_mode):
        size, newest = _below(address)
        return Place(address, size, f"{newest}", LocalFile(address))
    if not stat.S_ISREG(status.st_mode):
        return failed(uri_of(address), "this is no regular file; name an image file or a folder.")
    return Place(address, status.st_size, f"{status.st_mtime_ns}", LocalFile(address))


def _below(folder: str) -> tuple[int, int]:
    """Return the bytes of all files below a folder, and the latest time of change in nanoseconds."""
    size, newest = 0, 0
    for above, _, names in os.walk(folder):
        for name in names:
            status = Path(above, name).stat()
            size, newest = size + status.st_size, max(newest, status.st_mtime_ns)
    return size, newest


def _joined(folder: str, name: str) -> str:
    return str(Path(folder, name))
