"""What the directories of a TIFF file announce, and which of it is refused."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from limpid.core.errors import ReadError
from limpid.io.formats.base import TRUNCATED, ImageInfo
from limpid.io.ifd import TYPE_BYTES

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["ORDER", "PALETTE", "WHITE_IS_ZERO", "Layout", "check_whole", "first_page", "layout"]

#: Axes of an image, in their order.
ORDER: Final = "TIZYXC"
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
#: Kinds of samples besides colour: opacity the colours are multiplied with, and opacity they are not.
ASSOCIATED, UNASSOCIATED = 1, 2
SMIN, SMAX = 340, 341
_JPEG_COMPRESSIONS: Final = (6, 7)
_REFUSED: Final = {
    4: ("a transparency mask", "read the image it belongs to"),
    5: ("CMYK", "convert it to RGB with its colour profile first"),
    8: ("CIE Lab", "convert it to RGB first"),
    9: ("ICC Lab", "convert it to RGB first"),
    10: ("ITU Lab", "convert it to RGB first"),
    32803: ("camera raw (a colour filter array)", "develop it to 16-bit TIFF first"),
    34892: ("camera raw (linear)", "develop it to 16-bit TIFF first"),
}
_DNG_VERSION: Final = 50706


@dataclass(frozen=True)
class Layout:
    """How the axes of the file become those of an image; `stored` may hold samples as ``C``."""

    info: ImageInfo
    stored: str
    shape: tuple[int, ...]


def first_page(tiff: TiffFile) -> TiffPage:
    """Return the page that decides for all: pages of a series have the same layout."""
    return tiff.series[0].keyframe


def layout(tiff: TiffFile) -> Layout:
    """Return shape, axes and pixel type, or refuse them."""
    if not tiff.series:
        raise ReadError("the TIFF file has no page, or its directory is cut off; restore it from its origin.")
    series, page = tiff.series[0], first_page(tiff)
    _check_kind(tiff, page)
    dtype, value_range = _pixel_type(tiff, page)
    stored, shape = _axes(series.axes, tuple(series.shape), gray=page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO))
    sizes = dict(zip(stored, shape, strict=True))
    if page.photometric == PALETTE:
        sizes["C"] = 3
    extra = tuple(int(kind) for kind in page.extrasamples)
    alpha = bool(extra) and extra[-1] in (ASSOCIATED, UNASSOCIATED)
    if any(kind in (ASSOCIATED, UNASSOCIATED) for kind in extra[:-1]):
        raise ReadError(f"this TIFF has samples after its alpha channel (kinds {extra}); remove them first.")
    if alpha:
        sizes["C"] -= 1
        if sizes["C"] == 1:
            del sizes["C"]
    axes = "".join(letter for letter in ORDER if letter in sizes)
    info = ImageInfo("tiff", tuple(sizes[letter] for letter in axes), axes, dtype, alpha, value_range)
    return Layout(info, stored, shape)


def _check_kind(tiff: TiffFile, page: TiffPage) -> None:
    """Refuse camera raw, colour models other than gray and RGB, and files of several images of different size."""
    photometric = int(page.photometric)
    if _DNG_VERSION in page.tags or (page.is_reduced and len(tiff.pages) == 1 and page.subifds):
        raise ReadError("this is a camera raw file (DNG or alike); develop it to 16-bit TIFF first.")
    if photometric in _REFUSED:
        what, cure = _REFUSED[photometric]
        raise ReadError(f"this TIFF holds {what}; {cure}.")
    if photometric == YCBCR and int(page.compression) not in _JPEG_COMPRESSIONS:
        raise ReadError("this TIFF holds YCbCr that is not JPEG-compressed; convert it to RGB first.")
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR):
        raise ReadError(f"this TIFF holds photometric interpretation {photometric}; convert it to gray or RGB first.")
    # Reduced copies (thumbnails) and masks may follow the image; another image of another size must not be dropped.
    others = [s for s in tiff.series[1:] if not (s.keyframe.is_reduced or s.keyframe.is_mask)]
    if others:
        shapes = ", ".join(str(tuple(s.shape)) for s in tiff.series[:4])
        raise ReadError(f"this TIFF holds {len(others) + 1} images of different layout ({shapes}); split it first.")


def _pixel_type(tiff: TiffFile, page: TiffPage) -> tuple[str, tuple[float, float] | None]:
    """Return the type of the decoded pixels and the range the file states for them, or refuse it."""
    bits, stored = int(page.bitspersample), page.dtype
    if page.photometric == PALETTE and stored is not None and stored.kind == "u":
        return "uint8", (0.0, 255.0)
    if stored is not None and stored.kind == "f":
        return "float32", _float_range(tiff, page)
    if stored is not None and (stored.kind in "ub") and bits <= 16:
        if bits <= 8:
            return "uint8", (0.0, 255.0)
        return "uint16", (0.0, float(2**bits - 1))
    raise ReadError(
        f"this TIFF holds {bits}-bit pixels of type {stored or 'unknown'}; uint8, uint16 and float are read. "
        "Convert it to one of them, where its range is known."
    )


def _float_range(tiff: TiffFile, page: TiffPage) -> tuple[float, float] | None:
    """Return the range a float file states: sample limits of TIFF, or the display range of ImageJ."""
    found: tuple[Any, Any] = (page.tags.valueof(SMIN), page.tags.valueof(SMAX))
    if None in found and page.is_imagej:
        stated = tiff.imagej_metadata or {}
        found = stated.get("min"), stated.get("max")
    if None in found:
        return None
    low, high = (float(np.ravel(value)[0]) for value in found)
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _axes(letters: str, shape: tuple[int, ...], *, gray: bool) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a series in limpid's letters, and the shape with all unnamed axes as one ``I``."""
    if "S" in letters and "C" in letters:
        raise ReadError(f"this TIFF has channels of colour samples (axes {letters}); split its channels first.")
    stored, sizes = "", list[int]()
    for letter, size in zip(letters, shape, strict=True):
        named = {"S": "C"}.get(letter, letter if letter in ORDER else "I")
        if named == "I" and stored.endswith("I"):
            sizes[-1] *= size
        else:
            stored += named
            sizes.append(size)
    if len(set(stored)) < len(stored) or not {"Y", "X"} <= set(stored):
        raise ReadError(f"the axes of this TIFF ({letters}, shape {shape}) can't be told; write it as plain pages.")
    if not gray and "C" not in stored and "S" in letters:
        raise ReadError(f"the colour samples of this TIFF (axes {letters}) can't be told; convert it to RGB first.")
    return stored, tuple(sizes)


def check_whole(tiff: TiffFile, file: BinaryIO) -> None:
    """Refuse a file that ends before its pixels or its directories; tifffile would fill or drop them silently."""
    size = file.seek(0, 2)
    for page in tiff.series[0].pages:
        if page is None:
            raise ReadError("this TIFF lacks pages its description announces; restore it from its origin.")
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if offset + count > size:
                raise ReadError(TRUNCATED.format("the TIFF pixel data"))
    directory, seen = tiff.pages.first.offset, set[int]()
    while directory and directory not in seen:
        seen.add(directory)
        directory = _next_directory(tiff, file, directory, size)


def _next_directory(tiff: TiffFile, file: BinaryIO, offset: int, size: int) -> int:
    """Return the offset of the directory after the one at `offset`, 0 at the end; its tags must lie in the file."""
    order, (count, entry, link) = tiff.byteorder, ("Q", "HHQQ", "Q") if tiff.is_bigtiff else ("H", "HHII", "I")
    entries = _unpacked(file, offset, f"{order}{count}")
    table_at = offset + struct.calcsize(f"={count}")
    table = _unpacked(file, table_at, f"{order}{entry * entries[0]}")
    for type_, elements, value_at in zip(table[1::4], table[2::4], table[3::4], strict=True):
        length = TYPE_BYTES.get(type_, 1) * elements
        if length > struct.calcsize(f"={link}") and value_at + length > size:
            raise ReadError(TRUNCATED.format("a TIFF directory"))
    return _unpacked(file, table_at + struct.calcsize(f"={entry}") * entries[0], f"{order}{link}")[0]


def _unpacked(file: BinaryIO, offset: int, layout_: str) -> tuple[int, ...]:
    """Return the numbers at an offset."""
    file.seek(offset)
    raw = file.read(struct.calcsize(layout_))
    if len(raw) < struct.calcsize(layout_):
        raise ReadError(TRUNCATED.format("a TIFF directory"))
    return struct.unpack(layout_, raw)
