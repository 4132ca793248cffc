"""Bytes to image."""

from __future__ import annotations

import dataclasses
import logging
from typing import Final

from limpid.core.arguments import check_number, check_range
from limpid.core.errors import ReadError, TooLargeError
from limpid.core.image import Image, Metadata
from limpid.io import exif, xmp
from limpid.io.formats import codec_for
from limpid.io.formats.base import Decoded, ImageInfo
from limpid.io.formats.identify import identify
from limpid.io.source import Source, opened

__all__ = ["DEFAULT_MAX_PIXELS", "read_image"]

_log = logging.getLogger(__name__)

#: Largest announced pixel count that is decoded without being asked to: 1.5 GB of 8-bit RGB.
DEFAULT_MAX_PIXELS: Final = 500_000_000
#: Bytes of decoded values that each pixel of the limit stands for: four channels of float32. It bounds memory where a
#: header announces few pixels of very many channels.
_BYTES_PER_PIXEL: Final = 16


def read_image(
    source: Source,
    *,
    value_range: tuple[float, float] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Image:
    """Read a PNG, JPEG, TIFF, WebP or AVIF file with its metadata.

    Parameters
    ----------
    source : str, path or bytes
        A file, or the contents of one. The format is told by the contents, never by the suffix.
    value_range : (float, float), optional
        Values of black and white. Default: what the file states, else the range of the integer pixel type.
        Float files that state nothing need it.
    max_pixels : int
        Files that announce more pixels (over all planes), or more than 16 bytes of values for each of
        `max_pixels`, are refused before anything is decoded.

    Returns
    -------
    Image
        Pixels as stored: uint8, uint16 or float32, never turned by the EXIF orientation, never converted by
        the colour profile. Palettes are expanded to RGB, bilevel is 0 and 255, float16 and float64 become
        float32. Opacity is in `alpha`; limpid's own provenance is in `metadata.provenance` and not in
        `metadata.xmp`.

    Raises
    ------
    ReadError
        If the file can't be opened, is no image, is cut short or damaged, or is of a kind that can't be read
        without loss (animated, CMYK, Lab, 10-bit AVIF, signed integers, ...).
    ReadError
        If a float file states no value range and none was given.
    TooLargeError
        If the file announces more than `max_pixels` allows.
    OptionError
        If `value_range` or `max_pixels` is anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from limpid.io import read_image, write_image
    >>> path = getfixture("tmp_path") / "gray.png"
    >>> write_image(Image.from_array(np.full((2, 3), 7, np.uint8)), path)
    >>> read_image(path).values
    array([[7, 7, 7],
           [7, 7, 7]], dtype=uint8)
    """
    check_range(value_range)
    check_number("max_pixels", max_pixels, low=1, whole=True)
    with opened(source) as (file, name):
        codec = codec_for(identify(file))
        info = codec.probe(file)
        _check_size(info, max_pixels)
        file.seek(0)
        decoded = codec.read(file)
        metadata, embedded_range = _metadata(decoded.metadata, name or "image bytes")
        stated = value_range or embedded_range or decoded.value_range or info.value_range
        if stated is None:
            raise ReadError(
                f"{info.dtype} pixels have no range of their own and the file states none; pass the values of black "
                "and white: --value-range LO HI on the command line, such as --value-range 0 1, or value_range=(low, "
                "high)."
            )
    # Outside the block: an image names its source in errors by itself.
    return _image(decoded, stated, metadata, name)


def _check_size(info: ImageInfo, max_pixels: int) -> None:
    """Refuse what would not fit before memory is taken for it."""
    if info.pixels > max_pixels:
        raise TooLargeError(
            f"the header announces {info.pixels:,} pixels (shape {info.shape}), more than the limit of "
            f"{max_pixels:,}; if the file is trusted, raise the limit with max_pixels= or --max-pixels."
        )
    if info.nbytes > max_pixels * _BYTES_PER_PIXEL:
        raise TooLargeError(
            f"the header announces {info.nbytes:,} bytes of values (shape {info.shape}, {info.dtype}), more than the "
            f"limit of {_BYTES_PER_PIXEL} for each of {max_pixels:,} pixels; if the file is trusted, raise the limit "
            f"with max_pixels= or --max-pixels to {-(-info.nbytes // _BYTES_PER_PIXEL)}."
        )


def _metadata(found: Metadata, name: str) -> tuple[Metadata, tuple[float, float] | None]:
    """Take limpid's own properties out of the XMP packet; fill the resolution from EXIF."""
    packet, provenance, value_range = xmp.extract(found.xmp)
    # Pillow (AVIF, where the file's own rotation differs from the EXIF) and old WebP writers leave JPEG's prefix on.
    block = exif.without_prefix(found.exif)
    if block is not None and not exif.is_block(block):
        _log.warning("%s: read without its EXIF block, which is damaged", name)
        block = None
    resolution = found.resolution or exif.resolution(block)
    metadata = dataclasses.replace(found, exif=block, xmp=packet, provenance=provenance, resolution=resolution)
    return metadata, value_range


def _image(decoded: Decoded, value_range: tuple[float, float], metadata: Metadata, name: str | None) -> Image:
    """Put the parts together."""
    low, high = value_range
    return Image(
        decoded.values,
        decoded.axes,
        (float(low), float(high)),
        alpha=decoded.alpha,
        metadata=metadata,
        source=name,
    )
