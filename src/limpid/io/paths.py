"""File names of images."""

from __future__ import annotations

import os
import stat
from os import PathLike
from pathlib import Path, PurePath

from limpid.core.errors import OptionError
from limpid.io.formats import FORMAT_NAMES, FORMATS, SUFFIXES

__all__ = ["format_named", "is_folder", "is_image_path", "output_suffix_for"]


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
