"""What every codec family offers, and the values that cross its border."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

import numpy as np

from limpid.core.errors import ReadError
from limpid.core.image import Array, Image, Metadata

__all__ = ["TRUNCATED", "Codec", "Decoded", "Format", "ImageInfo", "announced", "interleaved", "separated"]

#: What every codec says of a file that ends too early.
TRUNCATED: Final = "the file is truncated: it ends inside {}; restore it from its origin."


@dataclass(frozen=True)
class Format:
    """What one file format can hold; data only, so that asking needs no codec.

    Attributes
    ----------
    name, title : str
        Name in arguments (``jpeg``) and in messages (``JPEG``).
    suffixes : tuple of str
        With the dot, the usual one first.
    dtypes : tuple of str
        Pixel types it stores unchanged.
    alpha, stacks, many_channels : bool
        Whether it holds opacity, more axes than ``YXC``, and channel counts other than 1 and 3.
    max_side : int
        Largest width or height, in pixels.
    gray, gray_alpha : bool
        Whether gray, and gray with opacity, is stored as such; else it is stored as RGB.
    max_xmp_bytes : int or None
        Largest XMP packet, where that is less than a file can be.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    dtypes: tuple[str, ...]
    alpha: bool = True
    stacks: bool = False
    many_channels: bool = False
    max_side: int = 2**31 - 1
    gray: bool = True
    gray_alpha: bool = True
    max_xmp_bytes: int | None = None


@dataclass(frozen=True)
class ImageInfo:
    """What a file announces in its header; no pixel was decoded to learn it.

    Attributes
    ----------
    format : str
        ``png``, ``jpeg``, ``tiff``, ``webp`` or ``avif``, by content.
    shape : tuple of int
        Shape of the values that :func:`~limpid.io.read_image` would return.
    axes : str
        One letter per entry of `shape`, as :attr:`limpid.core.Image.axes`.
    dtype : str
        Pixel type of those values: ``uint8``, ``uint16`` or ``float32``.
    alpha : bool
        Whether the file holds opacity besides the values.
    value_range : (float, float) or None
        Values of black and white; None where a float file does not state them.
    """

    format: str
    shape: tuple[int, ...]
    axes: str
    dtype: str
    alpha: bool = False
    value_range: tuple[float, float] | None = None

    @property
    def channels(self) -> int:
        """Number of colour channels, without alpha."""
        return int(self.shape[-1]) if self.axes.endswith("C") else 1

    @property
    def pixels(self) -> int:
        """Number of pixels over all planes; channels are not counted."""
        return math.prod(self.shape[: len(self.axes.removesuffix("C"))])

    @property
    def nbytes(self) -> int:
        """Bytes the decoded values take in memory, without alpha."""
        return math.prod(self.shape) * {"uint8": 1, "uint16": 2, "float32": 4}[self.dtype]


@dataclass(frozen=True)
class Decoded:
    """Pixels and metadata as a codec found them."""

    values: Array
    axes: str
    alpha: Array | None = None
    value_range: tuple[float, float] | None = None
    metadata: Metadata = field(default_factory=Metadata)


class Codec(Protocol):
    """One module of this folder. Its errors name the problem; the caller adds the file."""

    def probe(self, file: BinaryIO) -> ImageInfo:
        """Return what the header announces.

        Raises
        ------
        ReadError
            If the file is cut short inside the header, or holds what limpid refuses.
        """

    def read(self, file: BinaryIO) -> Decoded:
        """Decode a file that :meth:`probe` accepted.

        Raises
        ------
        ReadError
            If pixel data is cut short or damaged.
        """

    def write(self, image: Image, file: BinaryIO, *, quality: int | None) -> None:
        """Encode an image that fits the :class:`Format`. `quality` (0-100) is ignored by lossless formats."""


def interleaved(image: Image) -> Array:
    """Return one image's pixels as a contiguous (Y, X) or (Y, X, C) array, alpha as last channel if there is one.

    Without alpha it is a view where the pixels are contiguous: a large image is not copied to be written.
    """
    values: Array = image.planes()[0]
    if image.channels == 1:
        values = values[..., 0]
    if image.alpha is not None:
        values = np.dstack((values, image.alpha.reshape(values.shape[:2])))
    return np.ascontiguousarray(values)


def separated(pixels: Array, *, alpha: bool) -> tuple[Array, str, Array | None]:
    """Return values, their axes, and alpha from a (Y, X) or (Y, X, C) array whose last channel may be alpha."""
    opacity = None
    if alpha:
        opacity = np.ascontiguousarray(pixels[..., -1])
        pixels = pixels[..., 0] if pixels.shape[-1] == 2 else pixels[..., :-1]
    return np.ascontiguousarray(pixels), "YX" if pixels.ndim == 2 else "YXC", opacity


def announced(format_: str, width: int, height: int, *, channels: int, dtype: str, alpha: bool) -> ImageInfo:
    """Return the :class:`ImageInfo` of a single gray (one channel) or colour image."""
    if width < 1 or height < 1:
        raise ReadError(f"the header announces {width} x {height} pixels, an image without any; the file is damaged.")
    shape = (height, width) if channels == 1 else (height, width, channels)
    return ImageInfo(format_, shape, "YX" if channels == 1 else "YXC", dtype, alpha, (0.0, float(np.iinfo(dtype).max)))
