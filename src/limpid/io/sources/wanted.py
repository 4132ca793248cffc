"""What is looked at, by its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from limpid.io.paths import is_image_path

__all__ = ["CONTAINERS", "LIST", "container_suffix", "holds_images", "is_foreign", "is_hidden", "is_wanted", "left_out"]

#: Suffix of a list of addresses; it has to be named, since text files lie about in many folders.
LIST: Final = ".txt"

#: Suffix of what holds many images -> module that knows how.
CONTAINERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".parquet": "limpid.io.sources.parquet",
        ".tar": "limpid.io.sources.tar",
        ".zarr": "limpid.io.sources.zarr",
    }
)

#: Suffixes of images that limpid does not read; said where a folder holds some, so that none is missed in silence.
_FOREIGN: Final = re.compile(
    r"\.(3fr|arw|bmp|cr2|cr3|dcm|dng|erf|exr|fits|gif|hdr|heic|heif|jp2|jxl|kdc|mrw|nef|nrw|orf|pbm|pef|pgm|pnm|ppm"
    r"|psd|raf|raw|rw2|sr2|srf|srw|tga|x3f)",
    re.IGNORECASE,
)


def container_suffix(name: str) -> str | None:
    """Return the suffix of what holds many images; None of anything else."""
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix in CONTAINERS else None


def holds_images(name: str) -> bool:
    """Return whether a name is that of an image, or of what holds many."""
    return is_image_path(name) or container_suffix(name) is not None


def is_wanted(name: str) -> bool:
    """Return whether a file that nobody named is looked at."""
    return not is_hidden(name) and holds_images(name)


def is_hidden(name: str) -> bool:
    """Return whether a name begins with a dot."""
    return name.startswith(".")


def is_foreign(name: str) -> bool:
    """Return whether a name is that of an image of a format that limpid does not read."""
    return not is_hidden(name) and _FOREIGN.fullmatch(PurePath(name).suffix) is not None


def left_out(foreign: Counter[str]) -> str:
    """Return how many files of foreign formats, counted by suffix, were left out of a folder.

    Examples
    --------
    >>> left_out(Counter({".cr2": 2, ".gif": 1}))
    '3 files of other formats (.cr2, .gif) were left out; convert what is wanted'
    """
    which = "1 file of another format" if foreign.total() == 1 else f"{foreign.total()} files of other formats"
    were = "was" if foreign.total() == 1 else "were"
    return f"{which} ({', '.join(sorted(foreign))}) {were} left out; convert what is wanted"
