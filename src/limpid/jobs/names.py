"""Paths as text that every program reads: relative to the folder of a job, so that the whole tree may move."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

__all__ = ["path_of", "texts_from"]

#: Begins what is percent-encoded: names that are no UTF-8, which JSON and Parquet can't hold.
_ENCODED: Final = "file:"

#: Folders that are remembered; the files of a collection lie in few at a time.
_FOLDERS: Final = 4096


def texts_from(root: Path) -> Callable[[str | PathLike[str]], str]:
    """Return what makes text of paths: relative to the root, with ``/``; absolute between two drives.

    Links to folders are followed, so that a way by ``..`` never leads through one; the name at the end is kept.

    Parameters
    ----------
    root : Path
        Without links on the way to it.
    """

    @lru_cache(maxsize=_FOLDERS)
    def folder_text(folder: str) -> str:
        real = os.path.realpath(folder)
        try:
            return Path(os.path.relpath(real, root)).as_posix()
        except ValueError:
            return Path(real).as_posix()

    def text_of(path: str | PathLike[str]) -> str:
        folder, name = os.path.split(os.fspath(path))
        before = folder_text(folder)
        return _readable(name if before == "." else f"{before}/{name}" if name else before)

    return text_of


def path_of(text: str, root: Path) -> Path:
    """Return the path that :func:`texts_from` made the text of.

    Examples
    --------
    >>> path_of("../in/a.png", Path("/data/out")).as_posix()
    '/data/in/a.png'
    """
    if text.startswith(_ENCODED):
        text = os.fsdecode(unquote_to_bytes(text.removeprefix(_ENCODED)))
    return Path(os.path.normpath(root / text))


def _readable(text: str) -> str:
    """Return text that UTF-8 holds, and that is not taken for what is encoded here."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _ENCODED + quote_from_bytes(os.fsencode(text))
    return _ENCODED + quote_from_bytes(text.encode("utf-8")) if text.startswith(_ENCODED) else text
