"""The little that limpid must know of an EXIF block: orientation, resolution, and how the picture was taken.

A block begins with a TIFF header (``II*\\0`` or ``MM\\0*``); nothing here changes what follows it.
"""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass
from typing import Final

from limpid.io.ifd import EXIF, Directory, read_directory

__all__ = [
    "PREFIX",
    "Exposure",
    "exposure",
    "is_block",
    "orientation",
    "orientation_only",
    "resolution",
    "without_prefix",
]

#: What stands before the block in JPEG, and in files of programs that copied it along.
PREFIX: Final = b"Exif\x00\x00"

_ORIENTATION: Final = 0x0112
_X_RESOLUTION: Final = 0x011A
_Y_RESOLUTION: Final = 0x011B
_RESOLUTION_UNIT: Final = 0x0128
_MAKE, _MODEL, _CHANGED = 0x010F, 0x0110, 0x0132
#: In the directory that the tag EXIF points to (EXIF 2.32, table 4).
_EXPOSURE_S, _ISO, _TAKEN = 0x829A, 0x8827, 0x9003
_DATE: Final = "%Y:%m:%d %H:%M:%S"


@dataclass(frozen=True)
class Exposure:
    """How a picture was taken; None where the file does not say.

    Attributes
    ----------
    camera : str or None
        Make and model, the make once.
    iso : float or None
        Sensitivity.
    seconds : float or None
        Exposure time.
    taken : datetime or None
        By the camera's own clock, in no stated zone.
    """

    camera: str | None = None
    iso: float | None = None
    seconds: float | None = None
    taken: dt.datetime | None = None


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


def exposure(exif: bytes | None) -> Exposure:
    """Return how the picture was taken, as far as the block says."""
    main = _main(exif)
    target = main.target(EXIF)
    inner = read_directory(exif, target) if exif and target is not None else Directory(main.order, {})
    return Exposure(
        _camera(_text(main, _MAKE), _text(main, _MODEL)),
        _positive(inner, _ISO),
        _positive(inner, _EXPOSURE_S),
        _date(_text(inner, _TAKEN) or _text(main, _CHANGED)),
    )


def _text(directory: Directory, tag: int) -> str | None:
    entry = directory.entries.get(tag)
    if entry is None:
        return None
    return entry.value.split(b"\x00")[0].decode("utf-8", "replace").strip() or None


def _camera(make: str | None, model: str | None) -> str | None:
    if make is None or model is None or model.lower().startswith(make.split()[0].lower()):
        return model or make
    return f"{make} {model}"


def _positive(directory: Directory, tag: int) -> float | None:
    found = directory.numbers(tag)
    return float(found[0]) if found and found[0] > 0 else None


def _date(text: str | None) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text or "", _DATE)
    except ValueError:
        return None


def _main(exif: bytes | None) -> Directory:
    """Return the main directory, empty where the block is absent or damaged."""
    return read_directory(exif) if exif else Directory("<", {})
