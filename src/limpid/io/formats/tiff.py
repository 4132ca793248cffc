"""TIFF: 1 to 16 bits and float, gray, RGB, palette, alpha, pages, stacks of any axes.

Pixels go through tifffile. Stacks are written the way they were read: same order of pages, and the description
that states the axes (ImageJ, OME, tifffile) unchanged, so that it stays true.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from limpid.core.image import Array, Image, Metadata
from limpid.io.formats import tiff_tags
from limpid.io.formats.base import Decoded, ImageInfo
from limpid.io.formats.tiff_layout import (
    ASSOCIATED,
    ORDER,
    PALETTE,
    SMAX,
    SMIN,
    UNASSOCIATED,
    WHITE_IS_ZERO,
    Layout,
    check_whole,
    first_page,
    layout,
)

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

#: Compressions that lose nothing and that are kept, by tifffile's name.
_LOSSLESS: Final = ("NONE", "LZW", "ADOBE_DEFLATE", "PACKBITS", "ZSTD", "LZMA")


def probe(file: BinaryIO) -> ImageInfo:
    """Return what the directories announce."""
    from tifffile import TiffFile

    with TiffFile(file) as tiff:
        return layout(tiff).info


def read(file: BinaryIO) -> Decoded:
    """Decode pixels and metadata."""
    from tifffile import TiffFile

    with TiffFile(file) as tiff:
        found = layout(tiff)
        page = first_page(tiff)
        check_whole(tiff, file)
        metadata = _metadata(tiff, page, found, file)
        pixels = _converted(np.asarray(tiff.series[0].asarray()), page)
    pixels = pixels.reshape((*found.shape, 3) if page.photometric == PALETTE else found.shape)
    axes = found.stored + ("C" if page.photometric == PALETTE else "")
    pixels = pixels.transpose([axes.index(letter) for letter in ORDER if letter in axes])
    alpha = None
    if found.info.alpha:
        alpha = np.ascontiguousarray(pixels[..., -1])
        pixels = pixels[..., :-1] if found.info.axes.endswith("C") else pixels[..., 0]
    return Decoded(np.ascontiguousarray(pixels), found.info.axes, alpha, found.info.value_range, metadata)


def write(image: Image, file: BinaryIO, *, quality: int | None) -> None:  # noqa: ARG001 (lossless)
    """Encode pixels and metadata."""
    from tifffile import TiffWriter

    metadata, extras = image.metadata, image.metadata.extras
    pixels, axes = _stored(image)
    tree = tiff_tags.exif_tree(metadata)
    tags = tiff_tags.extra_tags(metadata, tree)
    if image.values.dtype == np.float32:
        tags += [(tag, 11, 1, np.float32(v), True) for tag, v in zip((SMIN, SMAX), image.value_range, strict=True)]  # type: ignore[misc]
    options: dict[str, Any] = _compression(image)
    if metadata.resolution is not None:
        options |= {"resolution": metadata.resolution, "resolutionunit": "INCH"}
    elif "tiff_unitless_resolution" in extras:
        options |= {"resolution": extras["tiff_unitless_resolution"], "resolutionunit": "NONE"}
    colour = image.channels == 3
    samples = pixels.shape[-1] if axes.endswith("S") else 1
    if spare := samples - (3 if colour and samples >= 3 else 1):
        kinds = [ASSOCIATED if extras.get("tiff_alpha") == "associated" else UNASSOCIATED]
        options["extrasamples"] = [0] * (spare - 1) + kinds if image.alpha is not None else [0] * spare
    with TiffWriter(
        file, byteorder=tiff_tags.byte_order(metadata), bigtiff=pixels.nbytes > 2**32 - 2**25, ome=False, shaped=False
    ) as writer:
        writer.write(
            pixels,
            photometric="RGB" if colour and samples >= 3 else "MINISBLACK",
            planarconfig="CONTIG" if samples > 1 else None,
            description=_description(image, pixels, axes),
            iccprofile=metadata.icc,
            software=False,
            metadata=None,
            extratags=tags,
            **options,
        )
    tiff_tags.append_exif(file, tree)


def _converted(pixels: Array, page: TiffPage) -> Array:
    """Return pixels in native byte order and a type limpid knows; black is low, palettes are colours."""
    bits = int(page.bitspersample)
    if page.photometric == PALETTE:
        # The colour map is 16-bit; its 8-bit entries are multiples of 257 (or of 256, from older programs).
        colours = np.asarray(page.colormap).T >> 8
        return np.ascontiguousarray(colours.astype(np.uint8))[pixels.astype(np.intp)]
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    elif pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32, copy=False)
    elif bits < 8:
        # White is 255 for 3, 5, 6 and 7 bits too, which do not divide it.
        pixels = np.round(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)[pixels]
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if page.photometric == WHITE_IS_ZERO and pixels.dtype.kind == "u":
        top = 255 if bits <= 8 else 2**bits - 1
        pixels = pixels.dtype.type(top) - pixels
    return pixels


def _metadata(tiff: TiffFile, page: TiffPage, found: Layout, file: BinaryIO) -> Metadata:
    """Return the file's metadata, and how its pixels were stored."""
    from tifffile import COMPRESSION

    metadata = tiff_tags.gather(tiff, page, file)
    extras: dict[str, Any] = dict(metadata.extras)
    if "tiff_description" in extras:
        extras["tiff_layout"] = (tiff.series[0].axes, tuple(tiff.series[0].shape), found.info.dtype)
    compression = COMPRESSION(page.compression).name
    if compression in _LOSSLESS:
        extras["tiff_compression"] = compression
        if int(page.predictor) > 1:
            extras["tiff_predictor"] = int(page.predictor)
    if page.extrasamples and int(page.extrasamples[-1]) == ASSOCIATED:
        extras["tiff_alpha"] = "associated"
    return replace(metadata, extras=extras)


def _stored(image: Image) -> tuple[Array, str]:
    """Return pixels in the order of the file and its axes, samples (colours, alpha) as ``S``."""
    pixels, axes = image.values, image.axes.replace("C", "S")
    if image.alpha is not None:
        colours = pixels if axes.endswith("S") else pixels[..., None]
        return np.concatenate((colours, image.alpha[..., None]), axis=-1), axes.removesuffix("S") + "S"
    letters = image.metadata.extras.get("tiff_layout", ("", (), ""))[0]
    if "C" in letters and axes.endswith("S"):
        # Channels came as planes of their own (ImageJ, OME) and go back as such.
        target = [axes.replace("S", "C").index(letter) for letter in letters if letter in image.axes]
        if len(target) == pixels.ndim:
            return np.ascontiguousarray(pixels.transpose(target)), letters
    return pixels, axes


def _description(image: Image, pixels: Array, axes: str) -> bytes | None:
    """Return the description that states the axes, or the words of the EXIF block, or None."""
    extras = image.metadata.extras
    if "tiff_description" in extras:
        _, shape, dtype = extras.get("tiff_layout", ("", (), ""))
        if tuple(shape) == pixels.shape and dtype == str(pixels.dtype):
            return bytes(extras["tiff_description"]).rstrip(b"\x00")
    frames, slices = (pixels.shape[axes.index(letter)] if letter in axes else 1 for letter in "TZ")
    if "I" in axes and len(image.axes.removesuffix("C")) > 3:
        # ImageJ has no word for an axis of pages next to others; this is the description tifffile understands.
        return json.dumps({"shape": list(pixels.shape), "axes": axes}).encode()
    if "I" in axes or frames * slices == 1:
        return tiff_tags.text_description(image.metadata)
    low, high = image.value_range
    lines = ["ImageJ=1.11a", f"images={frames * slices}", f"slices={slices}", f"frames={frames}", "hyperstack=true"]
    return "\n".join((*lines, "mode=grayscale", f"min={low}", f"max={high}", "")).encode()


def _compression(image: Image) -> dict[str, Any]:
    """Return tifffile's options: as the image was stored where that was lossless, else deflate."""
    extras = image.metadata.extras
    name = extras.get("tiff_compression", "ADOBE_DEFLATE")
    integer = image.values.dtype.kind == "u"
    predictor = extras.get("tiff_predictor", 1) if "tiff_compression" in extras else (2 if integer else 1)
    if name in ("NONE", "PACKBITS") or (predictor == 3 and integer):
        predictor = 1
    return {"compression": name, "predictor": predictor} if name != "NONE" else {}
