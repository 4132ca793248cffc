"""From an address to the store that is there."""

from __future__ import annotations

import re
from os import PathLike, fspath
from pathlib import Path
from typing import Final

from limpid.io.stores.base import Store
from limpid.io.stores.folder import Folder

__all__ = ["is_url", "store_at"]

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(address: str | PathLike[str]) -> bool:
    """Return whether it is the address of something elsewhere, not a path.

    Examples
    --------
    >>> is_url("s3://bucket/photos"), is_url("C:/photos"), is_url("photos")
    (True, False, False)
    """
    return _URL.match(fspath(address)) is not None


def store_at(address: str | PathLike[str]) -> Store:
    """Return the folder at a path, or the prefix at a URL; nothing is made or looked up yet.

    Raises
    ------
    MissingExtraError
        If the package for a store is not installed.
    OptionError
        If there is no such kind of store.
    """
    if not is_url(address):
        return Folder(Path(address).expanduser())
    from limpid.io.stores.prefix import Prefix

    return Prefix(fspath(address).rstrip("/"))
