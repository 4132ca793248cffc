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
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

from limpid.io.own import OWN_FOLDERS
from limpid.io.paths import ANY_DEPTH, Identity, file_identity, is_folder, matches_glob
from limpid.io.sources.item import Item, Place, failed, uri_of
from limpid.io.sources.ordering import in_order
from limpid.io.sources.wanted import container_suffix, holds_images, is_foreign, is_hidden, left_out

__all__ = ["Entry", "fixed_part", "nothing_at", "place", "places", "walk"]

_log = logging.getLogger(__name__)

#: Whether a file is looked at that nobody named, by its name.
_Wanted = Callable[[str], bool]


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


class Entry(NamedTuple):
    """What a walk comes by.

    Attributes
    ----------
    name : str
        Path, as the user would write it.
    below : str
        The way down to it from what was named, with ``/``; of a file that was named itself, its name.
    error : str or None
        Why it can't be looked into; such entries are no files.
    """

    name: str
    below: str
    error: str | None = None


def places(address: str, *, outside: str | None) -> Iterator[Place | Item]:
    """Yield the files that a path or glob stands for, as :func:`walk` comes by them."""
    for name, below, error in walk(address, outside=outside):
        path = os.path.abspath(name)  # noqa: PTH100 (links stay what they are)
        yield place(path, name=name, below=below) if error is None else failed(uri_of(path), error, name=name)


def place(address: str, *, name: str | None = None, below: str | None = None) -> Place | Item:
    """Return the file of that very name, or why it can't be read: opening a named pipe would wait for ever."""
    shown = address if name is None else name
    try:
        status = os.stat(address)  # noqa: PTH116 (a million times; a Path takes much longer)
    except FileNotFoundError:
        gone = os.path.lexists(address)
        reason = "the file that this link names is gone." if gone else "no such file or folder; check the path."
        return failed(uri_of(address), reason, name=shown)
    except OSError as error:
        return failed(uri_of(address), f"it can't be read: {error.strerror}.", name=shown)
    under = os.path.basename(address) if below is None else below  # noqa: PTH119
    if stat.S_ISDIR(status.st_mode):
        size, newest = _content(address)
        return Place(address, size, f"{newest}", LocalFile(address), shown, under)
    if not stat.S_ISREG(status.st_mode):
        return failed(uri_of(address), "this is no regular file; name an image file or a folder.", name=shown)
    return Place(address, status.st_size, f"{status.st_mtime_ns}", LocalFile(address), shown, under, address)


def walk(address: str, *, outside: str | None, wanted: _Wanted = holds_images, quiet: bool = False) -> Iterator[Entry]:
    """Yield the files that a path or glob stands for; those of a folder before those of its subfolders.

    Hidden files and folders are left out where nobody named them, and so is the record of a job. Links to folders are
    followed, but not round in circles.

    Parameters
    ----------
    address : str
        A file is taken whatever its name.
    outside : str or None
        A folder that is left out where it lies below another.
    wanted : callable
        Which files of a folder are taken.
    quiet : bool
        Say nothing of what is left out.
    """
    path = str(Path(address).expanduser())
    search = _Search(wanted, None if outside is None else file_identity(outside), quiet=quiet)
    if container_suffix(path) != ".zarr" and is_folder(Path(path)):
        yield from search.folder("" if path == os.curdir else path)
    elif glob.has_magic(path) and not os.path.lexists(path):
        root, parts = fixed_part(path)
        if os.pardir in parts:
            # What it finds may lie outside its root, and its output outside the output folder.
            error = "a pattern can't have .. after a wildcard; write it from the folder that holds the files."
            yield Entry(path, "", error)
        else:
            yield from search.glob(root, "", parts)
    else:
        yield Entry(path, os.path.basename(os.path.abspath(path)))  # noqa: PTH100, PTH119


def nothing_at(address: str) -> str:
    """Return what is said of a path or glob that no image was found at."""
    if glob.has_magic(address) and not os.path.lexists(address):
        return "no image file matches this pattern; check it."
    what = "no images in this folder" if is_folder(Path(address)) else "no image in it"
    return (
        f"{what}; limpid reads PNG, JPEG, TIFF, WebP and AVIF files, by their suffix, and .tar, .parquet (with a "
        "column of bytes) and .zarr that hold some."
    )


def fixed_part(pattern: str) -> tuple[str, tuple[str, ...]]:
    """Return the folder that a glob begins at, and its parts from the first wildcard on."""
    parts = PurePath(pattern).parts
    count = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return str(PurePath(*parts[:count])) if count else "", parts[count:]


class _Search:
    """One walk: what it takes, and what it keeps out of."""

    def __init__(self, wanted: _Wanted, fence: Identity | None, *, quiet: bool) -> None:
        self._wanted = wanted
        self._fence = fence
        self._log_level = logging.DEBUG if quiet else logging.WARNING

    def folder(self, root: str, below: str = "") -> Iterator[Entry]:
        """Yield what is in a folder, and count in a warning what can't be read."""
        foreign: Counter[str] = Counter()
        yield from self._tree(root, below, foreign)
        if foreign:
            _log.log(self._log_level, "%s: %s", _joined(root, below) or os.curdir, left_out(foreign))

    def glob(self, root: str, below: str, parts: tuple[str, ...]) -> Iterator[Entry]:
        """Yield what a glob matches below a folder; a folder that it matches stands for all that is in it."""
        part, rest = parts[0], parts[1:]
        if part == ANY_DEPTH:  # not left to the glob module, which runs round in loops of links
            for entry in self._tree(root, below, Counter()):
                if entry.error or matches_glob(PurePath(entry.below).relative_to(below).parts, parts):
                    yield entry
            return
        folder = _joined(root, below)
        try:
            names = list(in_order(_names(folder, lambda entry: _fits(entry.name, part))))
        except OSError:
            return
        for name in names:
            path, under = _joined(folder, name), _joined(below, name)
            if rest:
                yield from self.glob(root, under, rest)
            elif container_suffix(name) != ".zarr" and is_folder(Path(path)):
                if name not in OWN_FOLDERS and not self._fenced(file_identity(path)):
                    yield from self.folder(root, under)
            elif self._wanted(name):
                yield Entry(path, under)

    def _tree(self, root: str, below: str, foreign: Counter[str]) -> Iterator[Entry]:
        """Yield the files of a folder and its subfolders; as deep as the disk goes, so without recursion."""
        pending: list[Iterator[tuple[str, frozenset[Identity]]]] = [iter([(below, frozenset())])]
        while pending:
            try:
                following = next(pending[-1], None)
            except OSError:  # it could be listed a moment ago
                following = None
            if following is None:
                pending.pop()
                continue
            below, above = following
            folder = _joined(root, below)
            try:
                for name in in_order(_names(folder, lambda entry: self._is_file(entry, foreign))):
                    yield Entry(_joined(folder, name), _joined(below, name))
            except OSError as error:
                yield Entry(
                    folder or os.curdir, below, f"the folder can't be read: {error.strerror}; check its permissions."
                )
            else:
                pending.append(self._subfolders(root, below, above))

    def _subfolders(
        self, root: str, below: str, above: frozenset[Identity]
    ) -> Iterator[tuple[str, frozenset[Identity]]]:
        """Yield the subfolders of a folder, each with the folders that it lies in."""
        folder = _joined(root, below)
        identity = file_identity(folder or os.curdir)
        here = above if identity is None else above | {identity}
        for name in in_order(_names(folder, _is_subfolder)):
            path = _joined(folder, name)
            identity = file_identity(path)
            if identity in here:
                _log.log(self._log_level, "%s: a link to a folder that it lies in; not followed", path)
            elif not self._fenced(identity):
                yield _joined(below, name), here

    def _fenced(self, identity: Identity | None) -> bool:
        return self._fence is not None and identity == self._fence

    def _is_file(self, entry: os.DirEntry[str], foreign: Counter[str]) -> bool:
        if is_foreign(entry.name):
            foreign[PurePath(entry.name).suffix.lower()] += 1
        return self._wanted(entry.name) and not is_hidden(entry.name) and not _is_subfolder(entry)


def _fits(name: str, part: str) -> bool:
    return fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not is_hidden(name))


def _names(folder: str, wanted: Callable[[os.DirEntry[str]], bool]) -> Iterator[str]:
    with os.scandir(folder or os.curdir) as entries:
        yield from (entry.name for entry in entries if wanted(entry))


def _is_subfolder(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    if is_hidden(name) or name in OWN_FOLDERS or container_suffix(name) == ".zarr":
        return False
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _content(folder: str) -> tuple[int, int]:
    """Return the bytes of all files below a folder, and the latest time of change in nanoseconds."""
    size, newest = 0, 0
    for above, _, names in os.walk(folder):
        for name in names:
            status = Path(above, name).stat()
            size, newest = size + status.st_size, max(newest, status.st_mtime_ns)
    return size, newest


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name and not folder.endswith("/") else folder + name
