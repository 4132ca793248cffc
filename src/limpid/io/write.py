"""Image to bytes: checked first, then written whole or not at all."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO, Final

from limpid.core.arguments import check_number
from limpid.core.errors import LimpidError, MissingExtraError, OptionError, WriteError
from limpid.core.image import Array, Image, Metadata
from limpid.io import exif, xmp
from limpid.io.atomic import replacing
from limpid.io.fits import check_fits
from limpid.io.formats import FORMATS, SUFFIXES, codec_for
from limpid.io.formats.base import Format, ImageInfo
from limpid.io.paths import format_named

__all__ = ["about_file", "encoder", "write_image"]

_log = logging.getLogger(__name__)

#: Entries of `Metadata.extras` that say how pixels are stored or what colours mean, not whose they are.
_IMPERSONAL_EXTRAS: Final = frozenset(
    {
        "avif_subsampling",
        "jpeg_subsampling",
        "png_colour_chunks",
        "tiff_alpha",
        "tiff_compression",
        "tiff_predictor",
        "webp_lossless",
    }
)
#: Where the header of an ICC profile states the colour space it is for (ICC.1:2022, table 17).
_ICC_COLOUR_SPACE: Final = slice(16, 20)


def write_image(
    image: Image | Array,
    path: str | PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 (the public word for it)
    quality: int | None = None,
    strip_metadata: bool = False,
) -> None:
    """Write an image with its metadata, atomically: a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    image : Image or array
        Pixels, alpha and metadata; unchanged. An array is taken as by :meth:`limpid.Image.from_array`.
    path : str or path
        The output. Its folder must exist; an existing file is replaced and its permissions are kept.
    format : str, optional
        ``png``, ``jpeg``, ``tiff``, ``webp`` or ``avif``, or a suffix of one (``jpg``). Default: by the suffix of
        `path`.
    quality : int, optional
        0 to 100, higher keeps more; for lossy formats only. Default: 95 for JPEG and WebP, 90 for AVIF.
    strip_metadata : bool
        Leave out what tells about people, places, devices and steps: EXIF, XMP, provenance, texts, comments,
        resolution. What decides how the image looks stays: the colour profile, and an orientation other than
        1, as an EXIF block that holds nothing else.

    Raises
    ------
    OptionError
        If the format is unknown or `quality` is outside 0 to 100.
    WriteError
        If the format can't hold the image unchanged (pixel type, alpha, stack, channels, size): the message
        says what would be lost and which formats hold it. If alpha is not of the pixels' type. Also if the
        operating system refuses; then nothing is left behind and an existing output is untouched.

    Notes
    -----
    The same image gives the same bytes: no time stamp is written.

    Provenance, and a value range other than the pixel type's, go into the XMP packet. Where that can't hold them
    (no XMP in it, or more than the 64 KB of JPEG), the packet is kept as it is and a warning is logged.

    A gray colour profile is left out, with a logged warning, where the format stores gray as RGB (WebP; AVIF with
    alpha).

    JPEG keeps the chroma subsampling of the JPEG the image came from, else 4:4:4. WebP is lossless where the
    image came from a lossless WebP and no `quality` is given. TIFF keeps the compression of the TIFF the
    image came from, where that is lossless, else deflate.
    """
    if not isinstance(image, Image):
        image = Image.from_array(image)
    with about_file(fspath(path)):
        encode = encoder(image, fspath(path), format=format, quality=quality, strip_metadata=strip_metadata)
        with replacing(Path(path)) as file:
            encode(file)


def encoder(
    image: Image,
    name: str,
    *,
    format: str | None = None,  # noqa: A002 (the public word for it)
    quality: int | None = None,
    strip_metadata: bool = False,
) -> Callable[[BinaryIO], None]:
    """Return what writes an image into an open file, when all that can be checked is checked; see :func:`write_image`.

    Parameters
    ----------
    image : Image
        What is written; unchanged.
    name : str
        Of the output, for its suffix and for warnings.
    format, quality, strip_metadata
        As there.
    """
    target = _format(name, format)
    if quality is not None:
        check_number("quality", quality, low=0, high=100, whole=True)
    _check_alpha(image)
    check_fits(_info(image, target), target.name)
    metadata = _stripped(image.metadata) if strip_metadata else image.metadata
    metadata = _with_xmp(_with_fitting_profile(metadata, image, target, name), image, target, name)
    prepared = dataclasses.replace(image, metadata=metadata)
    codec = codec_for(target.name)
    return lambda file: codec.write(prepared, file, quality=quality)


@contextmanager
def about_file(name: str) -> Iterator[None]:
    """Put a name before the errors of a file; those about the installation stay as they are."""
    try:
        yield
    except MissingExtraError:
        raise
    except LimpidError as error:
        raise type(error)(f"{name}: {error}", source=name) from error


def _format(name: str, format_: str | None) -> Format:
    """Return the format asked for, by name or by suffix."""
    if format_ is not None:
        return FORMATS[format_named(format_)]
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        got = f"suffix {suffix!r}" if suffix else "a name without a suffix"
        raise OptionError(f"{got} names no image format; use one of {', '.join(SUFFIXES)}, or give format=.")
    return FORMATS[SUFFIXES[suffix]]


def _info(image: Image, target: Format) -> ImageInfo:
    """Return what the header of the file will announce."""
    alpha = image.alpha is not None
    return ImageInfo(target.name, image.values.shape, image.axes, str(image.values.dtype), alpha, image.value_range)


def _check_alpha(image: Image) -> None:
    """Refuse an alpha of another type, which would have to change or make the pixels change."""
    if image.alpha is not None and image.alpha.dtype != image.values.dtype:
        raise WriteError(
            f"alpha is {image.alpha.dtype}, pixels are {image.values.dtype}; a file has one type for both: convert "
            "alpha to the type and value range of the pixels."
        )


def _stripped(metadata: Metadata) -> Metadata:
    """Return what decides the look of the image, and nothing else."""
    turned = exif.orientation(metadata.exif)
    return Metadata(
        exif=exif.orientation_only(turned) if turned != 1 else None,
        icc=metadata.icc,
        extras={name: value for name, value in metadata.extras.items() if name in _IMPERSONAL_EXTRAS},
    )


def _with_fitting_profile(metadata: Metadata, image: Image, target: Format, name: str) -> Metadata:
    """Leave out a gray colour profile where the format stores gray as RGB, which viewers would refuse to pair."""
    as_rgb = image.channels == 1 and not (target.gray if image.alpha is None else target.gray_alpha)
    if not as_rgb or metadata.icc is None or metadata.icc[_ICC_COLOUR_SPACE] != b"GRAY":
        return metadata
    holding = " or ".join(f.title for f in FORMATS.values() if f.gray and f.gray_alpha and f.alpha)
    _log.warning(
        "%s: written without its gray colour profile: %s stores these pixels as RGB; write %s to keep it.",
        *(name, target.title, holding),
    )
    return dataclasses.replace(metadata, icc=None)


def _with_xmp(metadata: Metadata, image: Image, target: Format, name: str) -> Metadata:
    """Put provenance, and a value range that the pixel type does not imply, into the XMP packet.

    A packet that has no room for them is kept as it is: an image is not refused for what limpid would add to it.
    """
    own_range = None if image.value_range == _implied_range(image) else image.value_range
    try:
        packet = xmp.embed(metadata.xmp, metadata.provenance, own_range)
        if packet is not None and packet != metadata.xmp and len(packet) > (target.max_xmp_bytes or len(packet)):
            raise xmp.NoPlaceError(f"{target.title} holds at most {target.max_xmp_bytes} bytes of XMP in one piece")
    except xmp.NoPlaceError as error:
        # Floats go to TIFF only, which has tags for their range.
        unstated = own_range if image.values.dtype.kind == "u" else None
        what = {"provenance": metadata.provenance, "the value range": unstated}
        if lost := " and ".join(word for word, value in what.items() if value):
            _log.warning("%s: written without %s: %s.", name, lost, error)
        return metadata
    return dataclasses.replace(metadata, xmp=packet)


def _implied_range(image: Image) -> tuple[float, float] | None:
    """Return the range that a reader assumes of an integer type."""
    return {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}.get(str(image.values.dtype))
