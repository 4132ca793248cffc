"""WebP: 8 bits, colour, with or without alpha, lossy or lossless.

Chunks are read and written here, libwebp (through imagecodecs) only sees pixels. Layout: RFC 9649, section 2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import numpy as np

from limpid.core.errors import ReadError
from limpid.core.image import Image, Metadata
from limpid.io.formats.base import TRUNCATED, Decoded, ImageInfo, announced, interleaved, separated

DEFAULT_QUALITY: Final = 95

_ALPHA_FLAG: Final = 0x10
#: Metadata chunk, its flag in the VP8X header, its field of `Metadata`.
_METADATA: Final = ((b"ICCP", 0x20, "icc"), (b"EXIF", 0x08, "exif"), (b"XMP ", 0x04, "xmp"))
_LARGEST_HEADER: Final = 10


def probe(file: BinaryIO) -> ImageInfo:
    """Return what the chunk headers announce."""
    return _info(_chunks(file, payloads=False))


def read(file: BinaryIO) -> Decoded:
    """Decode pixels and metadata."""
    import imagecodecs

    chunks = _chunks(file, payloads=True)
    info = _info(chunks)
    file.seek(0)
    pixels = imagecodecs.webp_decode(file.read(), hasalpha=info.alpha)
    values, axes, alpha = separated(pixels, alpha=info.alpha)
    found = dict(reversed(chunks))
    fields: dict[str, Any] = {field: found[name] for name, _, field in _METADATA if name in found}
    extras = {"webp_lossless": True} if b"VP8L" in found else {}
    return Decoded(values, axes, alpha, metadata=Metadata(**fields, extras=extras))


def write(image: Image, file: BinaryIO, *, quality: int | None) -> None:
    """Encode pixels and metadata; lossless where the image came from a lossless WebP and no quality is asked for."""
    import imagecodecs

    pixels = interleaved(image)
    if image.channels == 1:
        # WebP knows no gray.
        gray, alpha = (pixels, []) if pixels.ndim == 2 else (pixels[..., 0], [pixels[..., 1]])
        pixels = np.dstack([gray, gray, gray, *alpha])
    lossless = quality is None and bool(image.metadata.extras.get("webp_lossless"))
    encoded = imagecodecs.webp_encode(
        pixels, level=DEFAULT_QUALITY if quality is None else quality, lossless=lossless, method=4
    )
    file.write(_with_metadata(bytes(encoded), image))


def _chunks(file: BinaryIO, *, payloads: bool) -> list[tuple[bytes, bytes]]:
    """Return names and payloads of all chunks; of pixel chunks, and without `payloads` of all, only the beginning."""
    head = file.read(12)
    size = struct.unpack("<I", head[4:8])[0] + 8
    file.seek(0, 2)
    if file.tell() < size:
        raise ReadError(TRUNCATED.format(f"its data: {size} bytes announced, {file.tell()} found"))
    found = []
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if position + 8 + length > size:
            raise ReadError(TRUNCATED.format(f"its {name.decode('latin-1')} chunk"))
        whole = payloads and name in (b"ICCP", b"EXIF", b"XMP ")
        found.append((name, file.read(length if whole else min(length, _LARGEST_HEADER))))
        position += 8 + length + length % 2
    return found


def _info(chunks: list[tuple[bytes, bytes]]) -> ImageInfo:
    """Return what the chunks say, or refuse them."""
    frames = sum(name == b"ANMF" for name, _ in chunks)
    if frames > 1:
        raise ReadError(f"this is an animated WebP of {frames} frames; extract the frames, for example as PNG files.")
    for name, head in chunks:
        if len(head) == _LARGEST_HEADER and name in (b"VP8X", b"VP8 ", b"VP8L"):
            width, height, alpha = _canvas(name, head)
            return announced("webp", width, height, channels=3, dtype="uint8", alpha=alpha)
    raise ReadError("the WebP file has no picture chunk (VP8, VP8L or VP8X); restore it from its origin.")


def _canvas(name: bytes, head: bytes) -> tuple[int, int, bool]:
    """Return width, height and presence of alpha, from the first bytes of any of the three picture chunks."""
    if name == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (4, 7))
        return width, height, bool(head[0] & _ALPHA_FLAG)
    if name == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    width, height = struct.unpack("<HH", head[6:10])
    return width & 0x3FFF, height & 0x3FFF, False


def _with_metadata(encoded: bytes, image: Image) -> bytes:
    """Return an encoded picture in the extended layout, with the metadata chunks the image has.

    The extended header also says that there is alpha, which libwebp leaves out where all of it is opaque.
    """
    blocks = {name: getattr(image.metadata, field) for name, _, field in _METADATA}
    flags = sum(flag for name, flag, _ in _METADATA if blocks[name] is not None)
    flags |= _ALPHA_FLAG if image.alpha is not None else 0
    if not flags:
        return encoded
    height, width = image.values.shape[image.axes.index("Y") :][:2]
    header = struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    picture = [_chunk(name, payload) for name, payload in _parts(encoded) if name != b"VP8X"]
    before = [_chunk(b"ICCP", blocks[b"ICCP"])] if blocks[b"ICCP"] is not None else []
    after = [_chunk(name, blocks[name]) for name in (b"EXIF", b"XMP ") if blocks[name] is not None]
    body = b"".join((b"WEBP", _chunk(b"VP8X", header), *before, *picture, *after))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _parts(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and payloads of the chunks libwebp wrote."""
    position = 12
    while position + 8 <= len(encoded):
        name, length = struct.unpack_from("<4sI", encoded, position)
        yield name, encoded[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _chunk(name: bytes, payload: bytes) -> bytes:
    """Return a chunk with its length, padded to an even one."""
    return name + struct.pack("<I", len(payload)) + payload + b"\x00" * (len(payload) % 2)
