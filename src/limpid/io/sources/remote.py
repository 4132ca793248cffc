"""Files in any store that fsspec reaches: S3 and what speaks its language, Google Cloud, Azure, HTTP, SSH, ..."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Final, cast

from limpid.core.errors import MissingExtraError, OptionError
from limpid.io.sources.item import Item, Place, failed, uri_of
from limpid.io.sources.ordering import in_order
from limpid.io.sources.wanted import container_suffix, is_hidden, is_wanted

__all__ = ["filesystem", "place", "places"]

#: What stores call that which changes with the content, the surest first.
_VERSIONS: Final = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "LastModified",
    "last_modified",
    "updated",
    "mtime",
    "created",
)

_WILD: Final = re.compile(r"[*?\[]")

_Info = Mapping[str, Any]


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


def places(address: str, *, outside: str | None) -> Iterator[Place | Item]:  # noqa: ARG001 (outputs are local)
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
    store = _Store(scheme)
    root = store.files._strip_protocol(address)
    try:
        if _WILD.search(root) and not store.files.exists(root):
            for path in in_order(store.files.glob(root)):
                yield from store.below(store.files.info(path), named=False)
        else:
            yield from store.below(store.files.info(root), named=True)
    except FileNotFoundError:
        yield failed(uri_of(address), "no such file or folder; check the address.")
    # Stores raise what they like.
    except Exception as error:  # noqa: BLE001
        yield failed(uri_of(address), f"it can't be listed: {error}.")


def place(address: str) -> Place | Item:
    """Return the file of that very name, or why it can't be read; raises as :func:`places`."""
    store = _Store(address.partition("://")[0])
    path = store.files._strip_protocol(address)
    try:
        return store.place(path, store.files.info(path))
    except FileNotFoundError:
        return failed(uri_of(address), "no such file; check the address.")
    # Stores raise what they like.
    except Exception as error:  # noqa: BLE001
        return failed(uri_of(address), f"it can't be looked up: {error}.")


@lru_cache
def filesystem(scheme: str) -> Any:
    """Return fsspec's access to a kind of store; listings are not remembered, since what is stored changes."""
    try:
        import fsspec

        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("fsspec", extra="s3", purpose=f"reading from {scheme}://") from error
    except ImportError as error:
        if scheme in ("s3", "s3a"):
            raise MissingExtraError.of("s3fs", extra="s3", purpose=f"reading from {scheme}://") from error
        raise MissingExtraError(f"reading from {scheme}:// needs a package: {error}; install it with pip.") from error
    except ValueError as error:
        raise OptionError(f"no store of kind {scheme}:// is known to fsspec ({error}); check the address.") from error


class _Store:
    """One kind of store, listed."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self.files = filesystem(scheme)

    def below(self, info: _Info, *, named: bool) -> Iterator[Place | Item]:
        """Yield what is at and below a path; what nobody named has to have the suffix of an image or a shard."""
        path = str(info["name"]).rstrip("/")
        name = path.rpartition("/")[2]
        if info["type"] == "directory" and container_suffix(path) != ".zarr":
            if named or not is_hidden(name):
                yield from self._of_folder(path)
        elif named or is_wanted(name):
            yield self.place(path, info)

    def _of_folder(self, folder: str) -> Iterator[Place | Item]:
        inside = {str(info["name"]).rstrip("/"): info for info in self.files.ls(folder, detail=True)}
        inside.pop(folder, None)  # the empty object that some tools make for a folder
        for kind in ("file", "directory"):
            for path in in_order(path for path, info in inside.items() if info["type"] == kind):
                yield from self.below(inside[path], named=False)

    def place(self, path: str, info: _Info) -> Place:
        """Return the file that a store knows so much of."""
        size, version = info.get("size"), _version(info)
        if info["type"] == "directory":
            files = self.files.find(path, detail=True)
            size = sum(one.get("size") or 0 for one in files.values())
            version = str(sorted((name, _version(one)) for name, one in files.items()))
        url = self.files.unstrip_protocol(path)
        return Place(url, size, version, RemoteFile(self._scheme, path))


def _version(info: _Info) -> str | None:
    value = next((info[key] for key in _VERSIONS if info.get(key) is not None), None)
    return None if value is None else str(value.timestamp() if isinstance(value, dt.datetime) else value)
