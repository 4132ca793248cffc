"""PNG: 1 to 16 bits, gray, RGB, palette, with or without alpha.

The container is read and written here, libpng (through imagecodecs) only sees pixels: Pillow would drop 16-bit
colour to 8 bits. Layout and chunk names: W3C, Portable Network Graphics (Third Edition), 2025.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from limpid.core.errors import ReadError
from limpid.core.image import Array, Image, Metadata
from limpid.io.formats.base import TRUNCATED, Decoded, ImageInfo, announced, interleaved, separated
from limpid.io.xmp import as_utf8

_log = logging.getLogger(__name__)

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_XMP_KEYWORD: Final = "XML:com.adobe.xmp"
#: Chunks that say what colours mean; kept byte for byte.
_COLOUR_CHUNKS: Final = ("cICP", "mDCV", "cLLI", "gAMA", "cHRM", "sRGB")
#: Colour type to colour channels and whether alpha is one more (PNG, table 11.1).
_COLOUR_TYPES: Final = {0: (1, False), 2: (3, False), 3: (3, False), 4: (1, True), 6: (3, True)}
_METRES_PER_INCH: Final = 0.0254
#: PNG, section 7.1.
_MAX_INTEGER: Final = 2**31 - 1
#: Texts, profile, EXIF and XMP together are small; more than this, once inflated, is an attack on memory.
_MAX_METADATA_BYTES: Final = 1 << 26
#: Of zlib, 1 to 9. On denoised photographs, a page of text and a drawing, with the strategy for filtered rows, files
#: are 0.90 to 1.03 times as large as at zlib's own choice (6), and written in half the time.
_EFFORT: Final = 4
_METADATA_CHUNKS: Final = ("eXIf", "iCCP", "pHYs", "tEXt", "zTXt", "iTXt", *_COLOUR_CHUNKS)


def probe(file: BinaryIO) -> ImageInfo:
    """Return what the chunks before the pixels announce."""
    return _info(dict(_chunks(file, until=b"IDAT")))


def read(file: BinaryIO) -> Decoded:
    """Decode pixels and metadata."""
    import imagecodecs

    chunks = list(_chunks(file))
    info = _info(dict(chunks))
    pixels = imagecodecs.png_decode(_pixel_stream(file))
    values, axes, alpha = separated(pixels, alpha=info.alpha)
    return Decoded(values, axes, alpha, metadata=_metadata(chunks, getattr(file, "name", "image bytes")))


def write(image: Image, file: BinaryIO, *, quality: int | None) -> None:  # noqa: ARG001 (PNG is lossless)
    """Encode pixels and metadata."""
    import imagecodecs

    pixels = interleaved(image)
    filtered = imagecodecs.PNG.STRATEGY.FILTERED
    encoded = imagecodecs.png_encode(pixels, level=_EFFORT, strategy=filtered, out=_most_bytes(pixels))
    header_end = len(_SIGNATURE) + 12 + 13
    file.write(encoded[:header_end])
    for name, payload in _metadata_chunks(image.metadata):
        file.write(_chunk(name, payload))
    file.write(memoryview(encoded)[header_end:])


def _most_bytes(pixels: Array) -> int:
    """Return what a file of incompressible pixels stays below; imagecodecs' own guess forgets a byte for each row.

    Deflate adds at most 1/8 + 1/64 (zlib's ``deflateBound``), and each 8192 bytes have a chunk of their own.
    """
    filtered: int = pixels.nbytes + pixels.shape[0]
    return filtered + filtered // 4 + 1024


def _chunks(file: BinaryIO, *, until: bytes = b"IEND") -> Iterator[tuple[bytes, bytes]]:
    """Yield names and payloads of chunks, of pixel chunks only the names, up to and with `until`."""
    file.seek(len(_SIGNATURE))
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise ReadError(TRUNCATED.format("a chunk header"))
        length, name = struct.unpack(">I4s", head)
        if name == until and name != b"IEND":
            return
        if name in (b"IDAT", b"fdAT"):
            file.seek(length, 1)
            payload = b""
        else:
            payload = file.read(length)
        crc = file.read(4)
        if len(crc) < 4 or (payload and len(payload) < length):
            raise ReadError(TRUNCATED.format(f"its {name.decode('latin-1')} chunk"))
        yield name, payload
        if name == b"IEND":
            return


def _pixel_stream(file: BinaryIO) -> bytes:
    """Return the file without metadata, of which libpng would write warnings to standard error."""
    file.seek(0)
    data = memoryview(file.read())
    parts, position = [data[: len(_SIGNATURE)]], len(_SIGNATURE)
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            parts.append(data[position:end])
        if name == b"IEND":
            break
        position = end
    return b"".join(parts)


def _info(chunks: dict[bytes, bytes]) -> ImageInfo:
    """Return what the header says, or refuse it."""
    if len(chunks.get(b"IHDR", b"")) != 13:
        raise ReadError("the PNG header (IHDR) is missing or damaged; restore the file from its origin.")
    width, height, bits, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    if colour not in _COLOUR_TYPES:
        raise ReadError(f"the PNG header states colour type {colour}, which does not exist; the file is damaged.")
    frames = struct.unpack(">I", chunks[b"acTL"][:4])[0] if len(chunks.get(b"acTL", b"")) >= 4 else 1
    if frames > 1:
        raise ReadError(f"this is an animated PNG of {frames} frames; extract the frames, for example as PNG files.")
    channels, alpha = _COLOUR_TYPES[colour]
    dtype = "uint16" if bits == 16 else "uint8"
    return announced("png", width, height, channels=channels, dtype=dtype, alpha=alpha or b"tRNS" in chunks)


def _metadata(chunks: list[tuple[bytes, bytes]], source: str) -> Metadata:
    """Gather metadata from the chunks around the pixels."""
    fields: dict[str, Any] = {}
    texts: list[tuple[str, str]] = []
    colours: list[tuple[str, bytes]] = []
    for name, keyword, content in _contents(chunks, source):
        if name == "eXIf":
            fields["exif"] = content
        elif name == "iCCP":
            fields["icc"] = content
        elif name == "pHYs" and len(content) == 9:
            fields["resolution"] = _resolution(*struct.unpack(">IIB", content))
        elif keyword == _XMP_KEYWORD:
            fields["xmp"] = content
        elif name in ("tEXt", "zTXt", "iTXt"):
            texts.append((keyword, content.decode("utf-8" if name == "iTXt" else "latin-1", "replace")))
        elif name in _COLOUR_CHUNKS:
            colours.append((name, content))
    extras = {"png_text": tuple(texts), "png_colour_chunks": tuple(colours)}
    return Metadata(**fields, extras={name: value for name, value in extras.items() if value})


def _metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks that carry metadata, in the order PNG asks for."""
    for name, payload in metadata.extras.get("png_colour_chunks", ()):
        yield name.encode("latin-1"), payload
    if metadata.icc is not None:
        yield b"iCCP", b"ICC profile\x00\x00" + zlib.compress(metadata.icc)
    if metadata.resolution is not None:
        x, y = (round(min(max(value / _METRES_PER_INCH, 1), _MAX_INTEGER)) for value in metadata.resolution)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if metadata.exif is not None:
        yield b"eXIf", metadata.exif
    if metadata.xmp is not None:
        yield b"iTXt", _XMP_KEYWORD.encode() + b"\x00\x00\x00\x00\x00" + as_utf8(metadata.xmp)
    for keyword, text in metadata.extras.get("png_text", ()):
        try:
            yield b"tEXt", keyword.encode("latin-1") + b"\x00" + text.encode("latin-1")
        except UnicodeEncodeError:
            yield b"iTXt", keyword.encode("latin-1") + b"\x00\x00\x00\x00\x00" + text.encode()


def _chunk(name: bytes, payload: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def _contents(chunks: list[tuple[bytes, bytes]], source: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, keyword and inflated content of each metadata chunk, up to a limit over all of them."""
    room = _MAX_METADATA_BYTES
    for raw_name, payload in chunks:
        name = raw_name.decode("latin-1")
        if name not in _METADATA_CHUNKS:
            continue
        try:
            keyword, content = _content(name, payload, room)
        except zlib.error as error:
            _log.warning("%s: read without its %s chunk, which is damaged (%s)", source, name, error)
            continue
        room -= len(content)
        if room < 0:
            raise ReadError(
                f"the metadata of this PNG takes more than {_MAX_METADATA_BYTES:,} bytes; remove it from the file."
            )
        yield name, keyword, content


def _content(name: str, payload: bytes, room: int) -> tuple[str, bytes]:
    """Return keyword (empty where a chunk has none) and content, of which hardly more than `room` is inflated."""
    if name not in ("iCCP", "tEXt", "zTXt", "iTXt"):
        return "", payload
    raw_keyword, _, rest = payload.partition(b"\x00")
    keyword = raw_keyword.decode("latin-1")
    if name in ("iCCP", "zTXt"):
        return keyword, _inflate(rest[1:], room)
    if name == "tEXt":
        return keyword, rest
    text = rest[2:].split(b"\x00", 2)[-1]
    return keyword, _inflate(text, room) if rest[:1] == b"\x01" else text


def _inflate(compressed: bytes, room: int) -> bytes:
    """Decompress up to one byte more than `room`: enough to see that it is too much."""
    stream = zlib.decompressobj()
    content = stream.decompress(compressed, room + 1)
    if not stream.eof and len(content) <= room:
        raise zlib.error("it ends early")
    return content


def _resolution(x: int, y: int, unit: int) -> tuple[float, float] | None:
    """Return pixels per inch from a pHYs chunk, which counts whole pixels per metre."""
    if unit != 1 or not (x and y):
        return None
    return _per_inch(x), _per_inch(y)


def _per_inch(per_metre: int) -> float:
    """Return the whole number of pixels per inch that `per_metre` stands for, or the exact one if there is none."""
    whole = round(per_metre * _METRES_PER_INCH)
    return float(whole) if round(whole / _METRES_PER_INCH) == per_metre else per_metre * _METRES_PER_INCH
