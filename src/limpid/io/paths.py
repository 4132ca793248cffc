"""File names of images, and what is found at a path."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Sequence
from os import PathLike
from pathlib import Path, PurePath
from typing import Final

from limpid.core.errors import OptionError, WriteError
from limpid.io.formats import FORMAT_NAMES, FORMATS, SUFFIXES

__all__ = [
    "ANY_DEPTH",
    "Identity",
    "created_folder",
    "file_identity",
    "format_named",
    "is_folder",
    "is_image_path",
    "matches_glob",
    "output_suffix_for",
]

#: Part of a glob that stands for any number of folders, none too.
ANY_DEPTH: Final = "**"

#: Device and inode: the same for every name of one file or folder.
Identity = tuple[int, int]


def is_image_path(path: str | PathLike[str]) -> bool:
    """Return whether a file name has the suffix of a format limpid reads and writes; the file is not opened."""
    name = os.path.basename(os.fspath(path))  # noqa: PTH119 (a million times; a Path takes much longer)
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES


def is_folder(path: Path) -> bool:
    """Return whether it is a folder; other than `Path.is_dir`, also False where the name is too long to ask."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False


def created_folder(path: Path) -> Path:
    """Return a folder that exists, with those above it.

    Raises
    ------
    WriteError
        If it can't be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder {path} can't be created ({error.strerror}); name another.", source=str(path)
        ) from error
    return path


def file_identity(path: str | PathLike[str]) -> Identity | None:
    """Return what two paths to the same file share; None where there is no file, or its disk numbers none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def matches_glob(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether the parts of a path fit those of a glob; a glob that fits a folder above it fits too.

    Examples
    --------
    >>> matches_glob(("a", "b", "c.png"), ("**", "*.png")), matches_glob(("a", "c.png"), ("b*",))
    (True, False)
    """
    if not wanted:
        return True
    if wanted[0] == ANY_DEPTH:
        return matches_glob(parts, wanted[1:]) or (bool(parts) and matches_glob(parts[1:], wanted))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and matches_glob(parts[1:], wanted[1:])


def format_named(name: str) -> str:
    """Return the format that a name or a suffix stands for, in any case and with or without a dot.

    Raises
    ------
    OptionError
        If there is none.

    Examples
    --------
    >>> format_named("JPG"), format_named(".tif"), format_named("png")
    ('jpeg', 'tiff', 'png')
    """
    found = FORMAT_NAMES.get(name.lower().removeprefix(".")) if isinstance(name, str) else None
    if found is None:
        raise OptionError(f"format {name!r} is not known; choose one of {', '.join(FORMATS)}.")
    return found


def output_suffix_for(path: str | PathLike[str], *, format: str | None = None) -> str:  # noqa: A002 (public word)
    """Return the suffix an output gets that is made from the input `path`.

    Parameters
    ----------
    path : str or path
        The input's name; its own suffix is kept, spelling included, where it fits the format.
    format : str, optional
        As :func:`format_named` takes it; default: the input's own. An input of no known format gives ``.png``.

    Examples
    --------
    >>> output_suffix_for("holiday.JPG"), output_suffix_for("holiday.JPG", format="tiff")
    ('.JPG', '.tif')
    """
    own = PurePath(path).suffix
    known = SUFFIXES.get(own.lower())
    if format is None:
        return own if known else ".png"
    asked = format_named(format)
    return own if asked == known else FORMATS[asked].suffixes[0]
