"""The little that limpid must know of an EXIF block: orientation and resolution.

A block begins with a TIFF header (``II*\\0`` or ``MM\\0*``); nothing here changes what follows it.
"""

from __future__ import annotations

import struct
from typing import Final

from limpid.io.ifd import Directory, read_directory

__all__ = ["PREFIX", "is_block", "orientation", "orientation_only", "resolution", "without_prefix"]

#: What stands before the block in JPEG, and in files of programs that copied it along.
PREFIX: Final = b"Exif\x00\x00"

_ORIENTATION: Final = 0x0112
_X_RESOLUTION: Final = 0x011A
_Y_RESOLUTION: Final = 0x011B
_RESOLUTION_UNIT: Final = 0x0128


def without_prefix(exif: bytes | None) -> bytes | None:
    """Return the block from its TIFF header on; None where nothing stands after the prefix."""
    return (exif or b"").removeprefix(PREFIX) or None


def is_block(exif: bytes) -> bool:
    """Return whether a block begins as EXIF does."""
    return exif[:4] in (b"II*\x00", b"MM\x00*")


def orientation(exif: bytes | None) -> int:
    """Return how viewers turn the image, 1 to 8; 1 (not at all) where nothing valid is stated."""
    value = _main(exif).numbers(_ORIENTATION)
    return int(value[0]) if value and 1 <= value[0] <= 8 else 1


def orientation_only(value: int) -> bytes:
    """Return the smallest EXIF block that states an orientation."""
    return b"II*\x00" + struct.pack("<IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, value, 0, 0)


def resolution(exif: bytes | None) -> tuple[float, float] | None:
    """Return the resolution stated, in pixels per inch, or None."""
    main = _main(exif)
    x, y = main.numbers(_X_RESOLUTION), main.numbers(_Y_RESOLUTION)
    unit = main.numbers(_RESOLUTION_UNIT) or (2,)
    if not x or not y or unit[0] not in (2, 3) or not (x[0] > 0 and y[0] > 0):
        return None
    per_inch = 2.54 if unit[0] == 3 else 1.0
    return float(x[0]) * per_inch, float(y[0]) * per_inch


def _main(exif: bytes | None) -> Directory:
    """Return the main directory, empty where the block is absent or damaged."""
    return read_directory(exif) if exif else Directory("<", {})
