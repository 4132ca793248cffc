"""File names of images."""

from __future__ import annotations

from os import PathLike
from pathlib import PurePath

from limpid.io.formats import FORMATS, SUFFIXES

__all__ = ["is_image_path", "output_suffix_for"]


def is_image_path(path: str | PathLike[str]) -> bool:
    """Return whether a file name has the suffix of a format limpid reads and writes; the file is not opened."""
    return PurePath(path).suffix.lower() in SUFFIXES


def output_suffix_for(path: str | PathLike[str], *, format: str | None = None) -> str:  # noqa: A002 (public word)
    """Return the suffix an output gets that is made from the input `path`.

    Parameters
    ----------
    path : str or path
        The input's name; its own suffix is kept, spelling included, where it fits the format.
    format : str, optional
        A name in the table of formats; default: the input's own. An input of no known format gives ``.png``.

    Examples
    --------
    >>> output_suffix_for("holiday.JPG"), output_suffix_for("holiday.JPG", format="tiff")
    ('.JPG', '.tif')
    """
    own = PurePath(path).suffix
    known = SUFFIXES.get(own.lower())
    if format is None or format == known:
        return own if known else ".png"
    return FORMATS[format].suffixes[0]
