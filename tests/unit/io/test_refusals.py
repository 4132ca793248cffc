"""What can't be read or written without loss is refused by name."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from limpid.core.errors import (
    InputError,
    MissingExtraError,
    OptionError,
    ReadError,
    TooLargeError,
    WriteError,
)
from limpid.core.image import Image, Metadata
from limpid.io import probe, read_image, write_image
from limpid.io.formats import FORMATS, codec_for
from limpid.io.ifd import Directory, Entry, write_directory

NOISE = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)


def by_pillow(picture: PillowImage.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def by_tifffile(pixels: np.ndarray[Any, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def animation(name: str, frames: int = 3) -> bytes:
    pictures = [PillowImage.fromarray(np.roll(NOISE, shift, 0)) for shift in range(frames)]
    return by_pillow(pictures[0], name, save_all=True, append_images=pictures[1:], duration=40)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image_data = b"IDAT" + zlib.compress(b"")
    parts = [struct.pack(">I", len(b) - 4) + b + struct.pack(">I", zlib.crc32(b)) for b in (body, image_data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_chunks(encoded: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG with chunks put behind its header."""
    parts = [struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks]
    return encoded[:33] + b"".join(parts) + encoded[33:]


def jpeg_header(width: int, height: int) -> bytes:
    encoded = by_pillow(PillowImage.fromarray(NOISE), "JPEG")
    at = encoded.index(b"\xff\xc0") + 5
    return encoded[:at] + struct.pack(">HH", height, width) + encoded[at + 4 :]


def tiff_header(width: int, height: int, samples: int = 1) -> bytes:
    sizes = ((256, width), (257, height), (258, 8), (259, 1), (262, 1))
    tags = (*sizes, (273, 8), (277, samples), (278, height), (279, 4))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "zero bytes": (lambda: b"", "empty"),
    "text": (lambda: b"this is not an image\n", "this is text"),
    "random bytes": (lambda: bytes(range(255, 0, -1)), "not an image"),
    "GIF": (lambda: by_pillow(PillowImage.fromarray(NOISE), "GIF"), "GIF files are not read"),
    "BMP": (lambda: by_pillow(PillowImage.fromarray(NOISE), "BMP"), "BMP files are not read"),
    "DICOM": (lambda: bytes(128) + b"DICM" + bytes(100), "DICOM files are not read"),
    "animated GIF": (lambda: animation("GIF"), "animated GIF of 3 frames; extract the frames"),
    "animated PNG": (lambda: animation("PNG"), "animated PNG of 3 frames; extract the frames"),
    "animated WebP": (lambda: animation("WEBP"), "animated WebP of 3 frames; extract the frames"),
    "animated AVIF": (lambda: animation("AVIF"), "animated AVIF of 3 frames; extract the frames"),
    "CMYK JPEG": (lambda: by_pillow(PillowImage.new("CMYK", (8, 8)), "JPEG"), "CMYK"),
    "CMYK TIFF": (lambda: by_pillow(PillowImage.new("CMYK", (8, 8)), "TIFF"), "CMYK"),
    "Lab TIFF": (lambda: by_pillow(PillowImage.new("LAB", (8, 8)), "TIFF"), "Lab"),
    "10-bit AVIF": (lambda: imagecodecs.avif_encode(NOISE.astype(np.uint16), bitspersample=10), "10-bit AVIF"),
    "int8 TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.int8)), "int8"),
    "int16 TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.int16)), "int16"),
    "int32 TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.int32)), "int32"),
    "uint32 TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.uint32)), "uint32"),
    "uint64 TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.uint64)), "uint64"),
    "complex TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.complex64)), "complex64"),
    "raw TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.uint16), photometric="CFA"), "camera raw"),
    "DNG": (lambda: by_tifffile(NOISE, extratags=[(50706, 1, 4, bytes((1, 4, 0, 0)), True)]), "camera raw"),
    "float TIFF": (lambda: by_tifffile(np.zeros((4, 4), np.float32)), "--value-range LO HI"),
    "12-bit JPEG": (lambda: imagecodecs.jpeg8_encode(NOISE.astype(np.uint16), bitspersample=12), "12 bits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_would_lose_something_is_refused_by_name(tmp_path: Path, case: str) -> None:
    make, message = REFUSED[case]
    path = tmp_path / "named.png"
    path.write_bytes(make())
    with pytest.raises(ReadError, match=message) as caught:
        read_image(path)
    assert caught.value.source == str(path)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(ReadError, match=message):
        read_image(make())


def test_images_of_different_size_in_one_tiff_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.tif") as writer:
        writer.write(np.zeros((4, 4), np.uint8), metadata=None)
        writer.write(np.zeros((5, 6), np.uint8), metadata=None)
    with pytest.raises(ReadError, match="2 images of different layout"):
        read_image(tmp_path / "two.tif")


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    write_image(Image.from_array(NOISE), tmp_path / "whole", format=name)
    whole = (tmp_path / "whole").read_bytes()
    assert read_image(whole).values.shape == NOISE.shape
    for length in (*range(1, 64), *range(64, len(whole), 97), len(whole) - 20, len(whole) - 2, len(whole) - 1):
        with pytest.raises(ReadError):
            read_image(whole[:length])


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
@pytest.mark.parametrize("one_directory_at_a_time", [False, True])
def test_a_stack_cut_anywhere_is_refused_unless_nothing_refers_to_what_is_missing(
    compression: str | None, one_directory_at_a_time: bool
) -> None:
    page = NOISE[:20, :, 0] // 64
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for pages in [page] * 3 if one_directory_at_a_time else [np.stack([page] * 3)]:
            writer.write(pages, photometric="minisblack", compression=compression, metadata=None)
    whole = buffer.getvalue()
    expected = read_image(whole)
    assert expected.values.shape == (3, *page.shape)
    refused = 0
    for length in range(8, len(whole), 4):
        try:
            found = read_image(whole[:length])
        except ReadError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.values, expected.values)
            assert found.metadata == expected.metadata
    # tifffile ends a file of several pages with 16 bytes that no directory refers to.
    assert refused >= len(range(8, len(whole), 4)) - 4


@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 4}, {"tile": (16, 16)}], ids=str)
def test_a_compressed_tiff_that_lacks_its_last_bytes_is_refused(options: dict[str, Any]) -> None:
    """LZW data decodes without its end mark, so the decoder does not notice."""
    whole = by_tifffile(NOISE[..., 0] // 64, compression="lzw", metadata=None, **options)
    for missing in (1, 2, 3):
        with pytest.raises(ReadError, match="truncated"):
            read_image(whole[:-missing])


def test_a_tiff_that_ends_inside_a_tag_value_is_refused() -> None:
    numbers = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: 16}
    entries = {tag: Entry(4, 1, struct.pack("<I", value)) for tag, value in numbers.items()}
    entries[315] = Entry(2, 12, b"the author\x00\x00")
    whole = b"II*\x00" + struct.pack("<I", 24) + bytes(16) + write_directory(Directory("<", entries), at=24)
    assert b"the author" in (read_image(whole).metadata.exif or b"")
    for missing in range(1, 12):
        with pytest.raises(ReadError, match="truncated"):
            read_image(whole[:-missing])


@pytest.mark.parametrize("make", [png_header, jpeg_header, tiff_header])
@pytest.mark.parametrize("side", [30_000, 65_000])
def test_a_header_that_announces_too_much_is_refused_before_decoding(
    make: Callable[[int, int], bytes], side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("decoding began")

    for decoder in ("png_decode", "jpeg8_decode"):
        monkeypatch.setattr(imagecodecs, decoder, never)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", never)
    with pytest.raises(TooLargeError) as caught:
        read_image(make(side, side))
    for part in (f"{side * side:,}", "500,000,000", "max_pixels=", "--max-pixels"):
        assert part in str(caught.value)


def test_few_pixels_of_very_many_channels_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("decoding began")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", never)
    with pytest.raises(TooLargeError) as caught:
        read_image(tiff_header(1000, 1000, samples=65_535))
    for part in ("65,535,000,000 bytes", "16 for each of 500,000,000", "max_pixels=", "--max-pixels to 4095937500"):
        assert part in str(caught.value)


def test_the_limit_that_the_refusal_names_is_enough() -> None:
    pixels = np.zeros((4, 5, 33), np.uint8)
    encoded = by_tifffile(pixels, photometric="minisblack", planarconfig="contig", metadata=None)
    with pytest.raises(TooLargeError, match="--max-pixels to 42"):
        read_image(encoded, max_pixels=41)
    assert read_image(encoded, max_pixels=42).values.shape == pixels.shape


@pytest.mark.parametrize("name", FORMATS)
def test_the_pixel_limit_is_the_callers(name: str, tmp_path: Path) -> None:
    write_image(Image.from_array(NOISE), tmp_path / "image", format=name)
    assert read_image(tmp_path / "image", max_pixels=2000).values.shape == NOISE.shape
    with pytest.raises(TooLargeError):
        read_image(tmp_path / "image", max_pixels=1999)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_metadata_is_limited_in_total(name: bytes) -> None:
    bomb = zlib.compress(bytes(40 << 20))
    head = b"key\x00\x01\x00\x00\x00" if name == b"iTXt" else b"key\x00\x00"
    encoded = by_pillow(PillowImage.fromarray(NOISE), "PNG")
    assert read_image(with_chunks(encoded, (name, head + bomb))).values.shape == NOISE.shape
    with pytest.raises(ReadError, match="more than 67,108,864 bytes"):
        read_image(with_chunks(encoded, *[(name, head + bomb)] * 2))


@pytest.mark.parametrize("name", FORMATS)
def test_pillows_own_limit_does_not_matter_and_is_not_touched(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 10)
    write_image(Image.from_array(NOISE), tmp_path / "image", format=name)
    assert read_image(tmp_path / "image").values.shape == NOISE.shape
    assert PillowImage.MAX_IMAGE_PIXELS == 10


def test_paths_that_are_no_readable_file_are_refused_by_reason(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = {tmp_path: "folder", tmp_path / "none.png": "no such file", tmp_path / "loop": "symbolic links"}
    for path, reason in cases.items():
        for function in (read_image, probe):
            with pytest.raises(ReadError, match=reason) as caught:
                function(path)
            assert caught.value.source == str(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_refused_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(png_header(1, 1))
    path.chmod(0)
    with pytest.raises(ReadError, match="permission"):
        read_image(path)


@pytest.mark.parametrize(
    ("image", "name", "lost", "instead"),
    [
        (Image.from_array(np.zeros((4, 4), np.uint16)), "jpeg", "uint16 pixels", "PNG or TIFF"),
        (Image.from_array(np.zeros((4, 4), np.uint16)), "webp", "uint16 pixels", "PNG or TIFF"),
        (Image.from_array(np.zeros((4, 4), np.uint16)), "avif", "uint16 pixels", "PNG or TIFF"),
        (Image.from_array(np.zeros((4, 4), np.float32), value_range=(0, 1)), "png", "float32 pixels", "TIFF"),
        (Image.from_array(np.zeros((3, 4, 4), np.uint8), axes="ZYX"), "png", "a stack of 3 planes", "TIFF"),
        (Image.from_array(np.zeros((4, 4, 4), np.uint8), axes="YXC"), "png", "4 channels", "TIFF"),
        (
            Image(np.zeros((4, 4), np.uint8), "YX", (0, 255), alpha=np.zeros((4, 4), np.uint8)),
            "jpeg",
            "alpha channel",
            "PNG or TIFF or WebP or AVIF",
        ),
        (Image.from_array(np.zeros((1, 20_000), np.uint8)), "webp", "20000 x 1 pixels", "PNG or JPEG or TIFF"),
    ],
)
def test_what_a_format_would_lose_is_refused_with_one_that_would_not(
    tmp_path: Path, image: Image, name: str, lost: str, instead: str
) -> None:
    path = tmp_path / "out"
    with pytest.raises(WriteError, match=f"can't hold .*{lost}.*; write {instead} instead") as caught:
        write_image(image, path, format=name)
    assert caught.value.source == str(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["png", "tiff", "webp", "avif"])
def test_alpha_of_another_type_than_the_pixels_is_refused(tmp_path: Path, name: str) -> None:
    image = Image(NOISE, "YXC", (0, 255), alpha=np.zeros(NOISE.shape[:2], np.uint16))
    with pytest.raises(WriteError, match=r"alpha is uint16, pixels are uint8; .*convert alpha"):
        write_image(image, tmp_path / "out", format=name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "start"),
    [(b"zTXt", b"words\x00\x00"), (b"iTXt", b"words\x00\x01\x00\x00\x00"), (b"iCCP", b"ICC profile\x00\x00")],
)
@pytest.mark.parametrize("damage", [lambda whole: b"\xff" + whole[1:], lambda whole: whole[: len(whole) // 2]])
def test_a_damaged_text_or_profile_is_left_out_of_an_image(caplog, name: bytes, start: bytes, damage) -> None:
    encoded = by_pillow(PillowImage.fromarray(NOISE), "PNG")
    found = read_image(with_chunks(encoded, (name, start + damage(zlib.compress(bytes(range(256)))))))
    np.testing.assert_array_equal(found.values, NOISE)
    assert found.metadata == Metadata()
    assert f"without its {name.decode()} chunk" in caplog.text


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_exif_without_a_header_is_left_out_of_an_image(caplog, tmp_path: Path, name: str) -> None:
    found = read_image(by_pillow(PillowImage.fromarray(NOISE), name, exif=b"Exif\x00\x00garbage"))
    assert found.metadata.exif is None
    assert "without its EXIF block" in caplog.text
    write_image(found, tmp_path / "a.avif")


def test_metadata_too_large_for_jpeg_is_refused(tmp_path: Path) -> None:
    image = dataclasses.replace(Image.from_array(NOISE), metadata=Metadata(exif=b"II*\x00" + bytes(70_000)))
    with pytest.raises(WriteError, match=r"at most 65533 bytes .*strip_metadata=True, --strip-metadata"):
        write_image(image, tmp_path / "out.jpg")
    assert list(tmp_path.iterdir()) == []


def test_wrong_options_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    image = Image.from_array(NOISE)
    for name, options in (("a.xyz", {}), ("a", {}), ("a.png", {"format": "bmp"}), ("a.jpg", {"quality": 101})):
        with pytest.raises(OptionError):
            write_image(image, tmp_path / name, **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_value_range_is_refused_before_the_file_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="low < high"):
        read_image(tmp_path / "a.png", value_range=(1, 1))


def test_a_missing_extra_is_reported_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = MissingExtraError.of("codec", extra="all", purpose="reading")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise missing

    image = Image.from_array(NOISE)
    write_image(image, tmp_path / "a.png")
    monkeypatch.setattr(codec_for("png"), "read", refuse)
    monkeypatch.setattr(codec_for("png"), "write", refuse)
    for call in (lambda: read_image(tmp_path / "a.png"), lambda: write_image(image, tmp_path / "b.png")):
        with pytest.raises(MissingExtraError) as caught:
            call()
        assert caught.value is missing


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path: Path, name: str) -> None:
    write_image(Image.from_array(NOISE), tmp_path / "image", format=name)
    whole = (tmp_path / "image").read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in generator.integers(0, min(len(whole), 400), 3):
            damaged[at] = generator.integers(0, 256)
        with contextlib.suppress(InputError):
            read_image(bytes(damaged), max_pixels=10**6)
