"""What is looked at, by its name."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from limpid.io.paths import is_image_path

__all__ = ["LIST", "container_suffix", "is_hidden", "is_wanted"]

#: Suffix of a list of addresses; it has to be named, since text files lie about in many folders.
LIST: Final = ".txt"

_CONTAINERS: Final = (".parquet", ".tar", ".zarr")


def container_suffix(name: str) -> str | None:
    """Return the suffix of what holds many images; None of anything else."""
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix in _CONTAINERS else None


def is_wanted(name: str) -> bool:
    """Return whether a file that nobody named is looked at."""
    return not is_hidden(name) and (is_image_path(name) or container_suffix(name) is not None)


def is_hidden(name: str) -> bool:
    """Return whether a name begins with a dot."""
    return name.startswith(".")
