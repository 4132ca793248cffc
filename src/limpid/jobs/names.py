"""Paths as text that every program reads: relative to the folder of a job, so that the whole tree may move."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

__all__ = ["path_of", "text_of"]

#: Begins what is percent-encoded: names that are no UTF-8, which JSON and Parquet can't hold.
_ENCODED: Final = "file:"


def text_of(path: Path, root: Path) -> str:
    """Return the path from the root, with ``/``; absolute where there is no way, as between two drives.

    Parameters
    ----------
    path, root : Path
        Absolute, and without links to folders where they have ``..`` between them.
    """
    try:
        text = Path(os.path.relpath(path, root)).as_posix()
    except ValueError:
        text = path.as_posix()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _ENCODED + quote_from_bytes(os.fsencode(text))
    return _ENCODED + quote_from_bytes(text.encode("utf-8")) if text.startswith(_ENCODED) else text


def path_of(text: str, root: Path) -> Path:
    """Return the path that :func:`text_of` made the text of.

    Examples
    --------
    >>> path_of("../in/a.png", Path("/data/out")).as_posix()
    '/data/in/a.png'
    """
    if text.startswith(_ENCODED):
        text = os.fsdecode(unquote_to_bytes(text.removeprefix(_ENCODED)))
    return Path(os.path.normpath(root / text))
