"""AVIF: 8 bits, gray or colour, with or without alpha.

Pixels are decoded by imagecodecs; Pillow reads the header and writes, since it carries metadata. Boxes: ISO/IEC
14496-12; the codec's configuration record: AV1 Codec ISO Media File Format Binding 1.3, section 2.3.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO, Final

from limpid.core.errors import ReadError
from limpid.core.image import Image, Metadata
from limpid.io.formats.base import TRUNCATED, Decoded, ImageInfo, announced, interleaved, separated

DEFAULT_QUALITY: Final = 90
#: libaom's middle between speed (10) and size (0).
_SPEED: Final = 6
#: Chroma subsampling by the flags of the configuration record: (horizontal, vertical).
_SUBSAMPLING: Final = {(0, 0): "4:4:4", (1, 0): "4:2:2", (1, 1): "4:2:0"}
#: Boxes that hold boxes, and how many bytes stand before the first of them.
_CONTAINERS: Final = {b"meta": 4, b"iprp": 0, b"ipco": 0}


def probe(file: BinaryIO) -> ImageInfo:
    """Return what the boxes announce."""
    return _header(file.read())[0]


def read(file: BinaryIO) -> Decoded:
    """Decode pixels and metadata."""
    import imagecodecs

    data = file.read()
    info, metadata = _header(data)
    pixels = imagecodecs.avif_decode(data)
    if pixels.ndim == 3 and info.channels == 1 and not info.alpha:
        pixels = pixels[..., 0]
    values, axes, alpha = separated(pixels, alpha=info.alpha)
    if info.channels == 1 and values.ndim == 3:
        values, axes = values[..., 0].copy(), "YX"
    return Decoded(values, axes, alpha, metadata=metadata)


def write(image: Image, file: BinaryIO, *, quality: int | None) -> None:
    """Encode pixels and metadata; chroma is sampled as it was in the image's own AVIF, else fully (4:4:4)."""
    from PIL import Image as PillowImage

    pixels = interleaved(image)
    gray_alpha = pixels.ndim == 3 and pixels.shape[-1] == 2
    with PillowImage.fromarray(pixels) as picture:
        options: dict[str, Any] = {
            "quality": DEFAULT_QUALITY if quality is None else quality,
            "speed": _SPEED,
            # The number of threads decides how the picture is cut, and so the bytes.
            "max_threads": 1,
            "autotiling": False,
        }
        if picture.mode != "L":
            options["subsampling"] = image.metadata.extras.get("avif_subsampling", "4:4:4")
        metadata = image.metadata
        if metadata.exif is not None:
            options["exif"] = _verbatim(metadata.exif)
        encoded = io.BytesIO()
        (picture.convert("RGBA") if gray_alpha else picture).save(
            encoded, "AVIF", icc_profile=metadata.icc, xmp=metadata.xmp, **options
        )
    file.write(encoded.getbuffer())


def _verbatim(exif: bytes) -> Any:
    """Return an EXIF value for Pillow that is written byte for byte.

    Pillow moves the orientation out of the block into AVIF's own rotation and sorts what remains; both the
    rotation and the unchanged block are wanted, so that viewers turn the picture and the block stays itself.
    """
    from PIL.Image import Exif

    class VerbatimExif(Exif):
        def __bool__(self) -> bool:
            return True

        def tobytes(self, offset: int = 8) -> bytes:  # noqa: ARG002 (Pillow's signature)
            return exif

    block = VerbatimExif()
    block.load(exif)
    return block


def _header(data: bytes) -> tuple[ImageInfo, Metadata]:
    """Return what the header says, or refuse it."""
    from PIL import AvifImagePlugin

    bits, gray, subsampling = _configuration(data)
    if bits != 8:
        raise ReadError(
            f"this is a {bits}-bit AVIF, of which 8 bits would be kept; convert it to a 16-bit PNG or TIFF first."
        )
    try:
        with AvifImagePlugin.AvifImageFile(io.BytesIO(data)) as picture:
            frames, mode, (width, height) = getattr(picture, "n_frames", 1), picture.mode, picture.size
            found = {ours: picture.info.get(theirs) for ours, theirs in _FIELDS.items()}
    except SyntaxError as error:
        raise ReadError(f"the AVIF header is truncated or damaged ({error}); restore it from its origin.") from error
    if frames > 1:
        raise ReadError(f"this is an animated AVIF of {frames} frames; extract the frames, for example as PNG files.")
    alpha = mode.endswith("A")
    info = announced("avif", width, height, channels=1 if gray else 3, dtype="uint8", alpha=alpha)
    fields: dict[str, Any] = {name: value for name, value in found.items() if value}
    extras = {} if gray or subsampling is None else {"avif_subsampling": subsampling}
    return info, Metadata(**fields, extras=extras)


_FIELDS: Final = {"exif": "exif", "icc": "icc_profile", "xmp": "xmp"}


def _configuration(data: bytes) -> tuple[int, bool, str | None]:
    """Return bit depth, whether it is gray, and chroma subsampling of the first coded picture that has colour.

    The alpha plane is a coded picture too, always gray: a file is gray only if all of them are.
    """
    records = _boxes(data, 0, len(data))
    if not records:
        raise ReadError(TRUNCATED.format("the AVIF header"))
    flags = [record[2] for record in records if len(record) >= 4]
    bits = max(12 if flag & 0x20 else 10 if flag & 0x40 else 8 for flag in flags)
    colour = [flag for flag in flags if not flag & 0x10]
    return bits, not colour, _SUBSAMPLING.get((colour[0] >> 3 & 1, colour[0] >> 2 & 1)) if colour else None


def _boxes(data: bytes, start: int, end: int) -> list[bytes]:
    """Return the payloads of all av1C boxes between two offsets."""
    found: list[bytes] = []
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            size, body = struct.unpack_from(">Q", data, start + 8)[0], start + 16
        stop = min(start + size, end) if size else end
        if stop < body:
            break
        if name in _CONTAINERS:
            found += _boxes(data, body + _CONTAINERS[name], stop)
        elif name == b"av1C":
            found.append(data[body:stop])
        start = stop
    return found
