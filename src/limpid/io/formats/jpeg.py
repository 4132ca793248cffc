"""JPEG: 8 bits, gray or colour.

Segments are read and written here, libjpeg-turbo (through imagecodecs) only sees pixels: it decodes straight
into the array, where Pillow would hold two more copies of a large photograph. Markers: ITU-T T.81, table B.1;
metadata segments: JFIF 1.02, EXIF 2.32 (section 4.7), XMP part 3 (section 1.1.3), ICC.1:2022 (annex B.4).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from limpid.core.errors import ReadError, WriteError
from limpid.core.image import Array, Image, Metadata
from limpid.io.exif import PREFIX
from limpid.io.formats.base import TRUNCATED, Decoded, ImageInfo, announced, interleaved

DEFAULT_QUALITY: Final = 95

_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP13, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xED, 0xFE
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\x00"
_XMP_MORE: Final = b"http://ns.adobe.com/xmp/extension/\x00"
_ICC: Final = b"ICC_PROFILE\x00"
_PHOTOSHOP: Final = b"Photoshop 3.0\x00"
_MAX_PAYLOAD: Final = 65_533
#: In entropy-coded data 0xFF is followed by 0 (a stuffed byte), a restart marker, or the next marker.
_NEXT_MARKER: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
#: Luma sampling factors, where chroma is 1x1, to the usual name.
_SUBSAMPLING: Final = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}


def probe(file: BinaryIO) -> ImageInfo:
    """Return what the frame header announces."""
    for marker, payload in _segments(file):
        if marker in _FRAMES:
            return _info(payload)
    raise ReadError("the JPEG file has no frame header before its pixels; restore it from its origin.")


def read(file: BinaryIO) -> Decoded:
    """Decode pixels and metadata."""
    import imagecodecs

    segments = list(_segments(file))
    start = file.tell()
    file.seek(0)
    data = file.read()
    # libjpeg fills what is missing with gray and says nothing.
    _check_end(data, start)
    values = imagecodecs.jpeg8_decode(data)
    return Decoded(values, "YX" if values.ndim == 2 else "YXC", metadata=_metadata(segments))


def write(image: Image, file: BinaryIO, *, quality: int | None) -> None:
    """Encode pixels and metadata; chroma is sampled as it was in the image's own JPEG, else fully (4:4:4)."""
    import imagecodecs

    subsampling = image.metadata.extras.get("jpeg_subsampling", "4:4:4")
    segments = [_segment(marker, payload) for marker, payload in _metadata_segments(image.metadata)]
    encoded = imagecodecs.jpeg8_encode(
        interleaved(image),
        level=DEFAULT_QUALITY if quality is None else quality,
        subsampling=subsampling.replace(":", ""),
    )
    # The encoder begins with its own JFIF segment, which states no resolution; ours takes its place.
    jfif_end = 4 + struct.unpack(">H", encoded[4:6])[0] if encoded[3] == _APP0 else 2
    file.write(b"\xff\xd8" + b"".join(segments))
    file.write(memoryview(encoded)[jfif_end:])


def recoded(values: Array, *, quality: int, subsampling: str) -> Array:
    """Return pixels as a JPEG file of them gives them back.

    Parameters
    ----------
    values : uint8 array, shape (Y, X) or (Y, X, 3)
    quality : int
        0 to 100.
    subsampling : str
        Of chroma, such as ``4:2:0``.
    """
    import imagecodecs

    encoded = imagecodecs.jpeg8_encode(values, level=quality, subsampling=subsampling.replace(":", ""))
    back: Array = imagecodecs.jpeg8_decode(encoded)
    return back


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield markers and payloads up to the first scan, and leave the file where its entropy-coded data begins."""
    file.seek(2)
    while True:
        head = file.read(2)
        while head == b"\xff\xff":
            head = b"\xff" + file.read(1)
        if len(head) == 2 and head[0] != 0xFF:
            raise ReadError(f"the JPEG header is damaged: {head.hex(' ')} stands where a marker must be.")
        length = file.read(2)
        if len(head) < 2 or len(length) < 2:
            raise ReadError(TRUNCATED.format("the JPEG header"))
        size = struct.unpack(">H", length)[0] - 2
        payload = file.read(max(size, 0))
        if size < 0 or len(payload) < size:
            raise ReadError(TRUNCATED.format(f"the JPEG segment {head.hex().upper()}"))
        yield head[1], payload
        if head[1] == _SOS:
            return


def _check_end(data: bytes, position: int) -> None:
    """Refuse entropy-coded data that stops before the end-of-image marker."""
    while match := _NEXT_MARKER.search(data, position):
        if match[1][0] == _EOI:
            return
        length = data[match.end() : match.end() + 2]
        position = match.end() + (struct.unpack(">H", length)[0] if len(length) == 2 else 2)
    raise ReadError(TRUNCATED.format("the JPEG pixel data"))


def _info(frame: bytes) -> ImageInfo:
    """Return what a frame header says, or refuse it."""
    if len(frame) < 6:
        raise ReadError(TRUNCATED.format("the JPEG frame header"))
    bits, height, width, components = struct.unpack(">BHHB", frame[:6])
    if components == 4:
        raise ReadError("this is a CMYK (or YCCK) JPEG; convert it to RGB with its colour profile first.")
    if components not in (1, 3):
        raise ReadError(f"this JPEG has {components} colour components; 1 (gray) or 3 (colour) are read.")
    if bits != 8:
        raise ReadError(f"this JPEG has {bits} bits per sample; convert it to a 16-bit PNG or TIFF first.")
    return announced("jpeg", width, height, channels=components, dtype="uint8", alpha=False)


def _metadata(segments: list[tuple[int, bytes]]) -> Metadata:
    """Gather metadata from the segments before the pixels."""
    fields: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    profile: dict[int, bytes] = {}
    kept: list[tuple[int, bytes]] = []
    for marker, payload in segments:
        if marker == _APP0 and payload.startswith(b"JFIF\x00") and len(payload) >= 12:
            fields["resolution"] = _resolution(*struct.unpack(">BHH", payload[7:12]))
        elif marker == _APP1 and payload.startswith(PREFIX):
            fields.setdefault("exif", payload[len(PREFIX) :])
        elif marker == _APP1 and payload.startswith(_XMP):
            fields["xmp"] = payload[len(_XMP) :]
        elif marker == _APP2 and payload.startswith(_ICC) and len(payload) > len(_ICC) + 2:
            profile[payload[len(_ICC)]] = payload[len(_ICC) + 2 :]
        elif (marker == _APP1 and payload.startswith(_XMP_MORE)) or (
            marker == _APP13 and payload.startswith(_PHOTOSHOP)
        ):
            kept.append((marker, payload))
        elif marker == _COM:
            extras["jpeg_comment"] = payload
        elif marker in _FRAMES and (sampling := _sampling(payload)):
            extras["jpeg_subsampling"] = sampling
    if profile:
        fields["icc"] = b"".join(profile[number] for number in sorted(profile))
    if kept:
        extras["jpeg_segments"] = tuple(kept)
    return Metadata(**fields, extras=extras)


def _metadata_segments(metadata: Metadata) -> Iterator[tuple[int, bytes]]:
    """Yield the segments that carry metadata, JFIF and EXIF first as both standards want."""
    unit, x, y = _density(metadata.resolution)
    yield _APP0, b"JFIF\x00\x01\x02" + struct.pack(">BHHBB", unit, x, y, 0, 0)
    if metadata.exif is not None:
        yield _APP1, PREFIX + metadata.exif
    if metadata.xmp is not None:
        yield _APP1, _XMP + metadata.xmp
    if metadata.icc is not None:
        room = _MAX_PAYLOAD - len(_ICC) - 2
        parts = [metadata.icc[start : start + room] for start in range(0, len(metadata.icc), room)]
        if len(parts) > 255:
            raise WriteError(f"a JPEG file can't hold an ICC profile of {len(metadata.icc)} bytes; write TIFF or PNG.")
        for number, part in enumerate(parts, start=1):
            yield _APP2, _ICC + bytes((number, len(parts))) + part
    yield from metadata.extras.get("jpeg_segments", ())
    if "jpeg_comment" in metadata.extras:
        yield _COM, metadata.extras["jpeg_comment"]


def _segment(marker: int, payload: bytes) -> bytes:
    """Return a segment with its marker and length."""
    if len(payload) > _MAX_PAYLOAD:
        what = {_APP1: "EXIF or XMP metadata"}.get(marker, "metadata")
        raise WriteError(
            f"a JPEG file holds at most {_MAX_PAYLOAD} bytes of {what} in one piece, the image has {len(payload)}; "
            "write TIFF or PNG, or leave the metadata out (strip_metadata=True, --strip-metadata)."
        )
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _sampling(frame: bytes) -> str | None:
    """Return the chroma subsampling of a colour frame, None where it has no usual name."""
    if frame[5] != 3 or len(frame) < 15:
        return None
    luma, *chroma = ((frame[at] >> 4, frame[at] & 15) for at in (7, 10, 13))
    return _SUBSAMPLING.get(luma) if all(factors == (1, 1) for factors in chroma) else None


def _resolution(unit: int, x: int, y: int) -> tuple[float, float] | None:
    """Return pixels per inch from a JFIF density; unit 0 states an aspect ratio only."""
    if unit not in (1, 2) or not (x and y):
        return None
    return (float(x), float(y)) if unit == 1 else (x * 2.54, y * 2.54)


def _density(resolution: tuple[float, float] | None) -> tuple[int, int, int]:
    """Return JFIF unit and whole densities, in the unit (inch or centimetre) that loses less."""
    if resolution is None:
        return 0, 1, 1

    def loss(densities: tuple[float, float]) -> float:
        return max(abs(value - round(value)) / value for value in densities)

    per_centimetre = (resolution[0] / 2.54, resolution[1] / 2.54)
    unit, densities = (1, resolution) if loss(resolution) <= loss(per_centimetre) + 1e-9 else (2, per_centimetre)
    x, y = (round(min(max(value, 1), 65_535)) for value in densities)
    return unit, x, y
