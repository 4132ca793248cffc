"""Files in any store that fsspec reaches: S3 and what speaks its language, Google Cloud, Azure, HTTP, SSH, ..."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Final, cast

from limpid.io.own import OWN_FOLDERS
from limpid.io.sources.item import Item, Place, failed, inside, uri_of
from limpid.io.sources.ordering import in_order
from limpid.io.sources.wanted import container_suffix, is_hidden, is_wanted
from limpid.io.stores import is_url
from limpid.io.stores.filesystem import Info, filesystem, version_of

__all__ = ["place", "places"]

_WILD: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class RemoteFile:
    """The bytes of a file in a store."""

    scheme: str
    path: str

    def open(self) -> BinaryIO:
        """Return the open file; a little ahead of what is asked for is fetched."""
        return cast("BinaryIO", filesystem(self.scheme).open(self.path, "rb"))

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return its bytes, or so many from `start` on, by one request."""
        end = None if size is None else start + size
        return bytes(filesystem(self.scheme).cat_file(self.path, start=start or None, end=end))


def places(address: str, *, outside: str | None) -> Iterator[Place | Item]:
    """Yield the files that a URL or glob stands for; those of a folder before those of its subfolders.

    One folder's listing is in memory at a time, as fsspec gives it.

    Raises
    ------
    MissingExtraError
        If the package for the store is not installed.
    OptionError
        If there is no such kind of store.
    """
    scheme, _, _ = address.partition("://")
    files = filesystem(scheme)
    root = files._strip_protocol(address)
    fence = files._strip_protocol(outside) if outside is not None and is_url(outside) else None
    try:
        if _WILD.search(root) and not files.exists(root):
            store = _Store(scheme, _fixed_part(root), fence)
            for path in in_order(files.glob(root)):
                yield from store.below(files.info(path), named=False)
        else:
            info = files.info(root)
            top = root if _is_folder(info) else str(PurePosixPath(root).parent)
            yield from _Store(scheme, top, fence).below(info, named=True)
    except FileNotFoundError:
        yield failed(uri_of(address), "no such file or folder; check the address.")
    # Stores raise what they like.
    except Exception as error:  # noqa: BLE001
        yield failed(uri_of(address), f"it can't be listed: {error}.")


def place(address: str) -> Place | Item:
    """Return the file of that very name, or why it can't be read; raises as :func:`places`."""
    scheme, _, _ = address.partition("://")
    files = filesystem(scheme)
    path = files._strip_protocol(address)
    try:
        return _Store(scheme, str(PurePosixPath(path).parent)).place(path, files.info(path))
    except FileNotFoundError:
        return failed(uri_of(address), "no such file; check the address.")
    # Stores raise what they like.
    except Exception as error:  # noqa: BLE001
        return failed(uri_of(address), f"it can't be looked up: {error}.")


def _fixed_part(pattern: str) -> str:
    """Return the folder that a glob begins at."""
    match = _WILD.search(pattern)
    return pattern if match is None else pattern[: match.start()].rpartition("/")[0]


def _is_folder(info: Info) -> bool:
    return info["type"] == "directory" and container_suffix(str(info["name"]).rstrip("/")) != ".zarr"


class _Store:
    """One kind of store, listed from a folder downwards."""

    def __init__(self, scheme: str, root: str, fence: str | None = None) -> None:
        self._scheme = scheme
        self._root = root
        self._fence = fence
        self.files = filesystem(scheme)

    def below(self, info: Info, *, named: bool) -> Iterator[Place | Item]:
        """Yield what is at and below a path; what nobody named has to have the suffix of an image or a shard."""
        path = str(info["name"]).rstrip("/")
        name = path.rpartition("/")[2]
        if _is_folder(info):
            if named or not (is_hidden(name) or name in OWN_FOLDERS or path == self._fence):
                yield from self._of_folder(path)
        elif named or is_wanted(name):
            yield self.place(path, info)

    def _of_folder(self, folder: str) -> Iterator[Place | Item]:
        inside = {str(info["name"]).rstrip("/"): info for info in self.files.ls(folder, detail=True)}
        inside.pop(folder, None)  # the empty object that some tools make for a folder
        for kind in ("file", "directory"):
            for path in in_order(path for path, info in inside.items() if info["type"] == kind):
                yield from self.below(inside[path], named=False)

    def place(self, path: str, info: Info) -> Place:
        """Return the file that a store knows so much of."""
        size, version = info.get("size"), version_of(info)
        if info["type"] == "directory":
            files = self.files.find(path, detail=True)
            size = sum(one.get("size") or 0 for one in files.values())
            version = str(sorted((name, version_of(one)) for name, one in files.items()))
        url = self.files.unstrip_protocol(path)
        below = inside(path.removeprefix(self._root))
        return Place(url, size, version, RemoteFile(self._scheme, path), name=url, below=below)
