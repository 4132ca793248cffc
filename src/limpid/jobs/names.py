"""Names of inputs and outputs as text that every program reads: those on this machine from the folder of their job.

So the whole tree may move. Characters that terminals, tables or JSON can't hold are percent-encoded, see
:func:`limpid.io.sources.uri_of`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Final

from limpid.io.sources.item import address_of, uri_of
from limpid.io.stores import is_url

__all__ = ["path_of", "texts_from", "uri_in", "uri_texts_from"]

#: Folders that are remembered; the files of a collection lie in few at a time.
_FOLDERS: Final = 4096


def texts_from(root: str) -> Callable[[str | PathLike[str]], str]:
    """Return what makes text of paths: relative to the root, with ``/``; absolute between two drives.

    Links to folders are followed, so that a way by ``..`` never leads through one; the name at the end is kept. URLs
    stay as they are, and so do paths where the root is a URL.

    Parameters
    ----------
    root : str
        Without links on the way to it.
    """

    @lru_cache(maxsize=_FOLDERS)
    def folder_text(folder: str) -> str:
        real = os.path.realpath(folder)
        if is_url(root):
            return Path(real).as_posix()
        try:
            return Path(os.path.relpath(real, root)).as_posix()
        except ValueError:
            return Path(real).as_posix()

    def text_of(path: str | PathLike[str]) -> str:
        address = os.fspath(path)
        if is_url(address):
            return uri_of(address)
        folder, name = os.path.split(address)
        before = folder_text(folder)
        return uri_of(name if before == "." else f"{before}/{name}" if name else before)

    return text_of


def path_of(text: str, root: str | PathLike[str]) -> Path:
    """Return the path that :func:`texts_from` made the text of.

    Examples
    --------
    >>> path_of("../in/a.png", "/data/out").as_posix()
    '/data/in/a.png'
    """
    return Path(os.path.normpath(Path(root, address_of(text))))


def uri_texts_from(root: str) -> Callable[[str], str]:
    """Return what makes text of URIs of images, of those in a shard too, as :func:`texts_from` does of paths."""
    text_of = texts_from(root)

    def text_of_uri(uri: str) -> str:
        container, sign, member = uri.partition("#")
        return text_of(address_of(container)) + sign + member

    return text_of_uri


def uri_in(text: str, root: str) -> str:
    """Return the URI that :func:`uri_texts_from` made the text of.

    Examples
    --------
    >>> uri_in("../in/s.tar#a.png", "/data/out"), uri_in("s3://bucket/a.png", "/data/out")
    ('/data/in/s.tar#a.png', 's3://bucket/a.png')
    """
    container, sign, member = text.partition("#")
    return text if is_url(text) else f"{uri_of(str(path_of(container, root)))}{sign}{member}"
