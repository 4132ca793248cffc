"""Files by other programs are read right, and limpid's files are read right by other programs."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, ImageCms, TiffImagePlugin
from PIL import Image as PillowImage

from limpid.core.image import Image, Metadata
from limpid.io import (
    DEFAULT_MAX_PIXELS,
    FORMAT_NAMES,
    SUFFIXES,
    format_named,
    is_image_path,
    output_suffix_for,
    probe,
    read_image,
    write_image,
)
from limpid.io.exif import orientation
from limpid.io.formats import FORMATS

GENERATOR = np.random.default_rng(0)
GRAY = GENERATOR.integers(0, 255, (32, 48), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 255, (32, 48, 3), dtype=np.uint8)
DEEP = GENERATOR.integers(0, 65535, (32, 48, 3), dtype=np.uint16)


def by_pillow(picture: PillowImage.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def by_tifffile(pixels: np.ndarray[Any, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_bilevel_is_black_and_white(name: str) -> None:
    bits = GRAY > 100
    found = read_image(by_pillow(PillowImage.fromarray(bits), name))
    np.testing.assert_array_equal(found.values, bits * np.uint8(255))
    assert found.values.dtype == np.uint8


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_a_palette_is_expanded_to_its_colours(name: str) -> None:
    picture = PillowImage.fromarray(COLOUR).quantize(16)
    found = read_image(by_pillow(picture, name))
    np.testing.assert_array_equal(found.values, np.asarray(picture.convert("RGB")))
    assert found.alpha is None


def test_a_transparent_palette_gives_alpha() -> None:
    picture = PillowImage.fromarray(COLOUR).quantize(16)
    data = by_pillow(picture, "PNG", transparency=b"\x00\x80")
    found = read_image(data)
    with PillowImage.open(io.BytesIO(data)) as again:
        expected = np.asarray(again.convert("RGBA"))
    np.testing.assert_array_equal(found.values, expected[..., :3])
    np.testing.assert_array_equal(found.alpha, expected[..., 3])
    assert probe(data).alpha


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3)])
@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_pillows_files_are_read_as_pillow_reads_them(name: str, mode: str, channels: int) -> None:
    picture = PillowImage.fromarray(np.dstack((COLOUR, GRAY))).convert(mode)
    found = read_image(by_pillow(picture, name))
    expected = np.asarray(picture)
    assert found.channels == channels
    with_alpha = mode.endswith("A")
    assert (found.alpha is not None) == with_alpha
    if with_alpha:
        np.testing.assert_array_equal(found.alpha, expected[..., -1])
        expected = expected[..., :-1]
    np.testing.assert_array_equal(found.values, np.squeeze(expected))


@pytest.mark.parametrize("name", ["JPEG", "WEBP"])
def test_lossy_files_decode_to_pillows_pixels(name: str) -> None:
    data = by_pillow(PillowImage.fromarray(COLOUR), name, quality=80)
    with PillowImage.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(read_image(data).values, np.asarray(picture))


def test_a_progressive_jpeg_is_read_and_a_gray_one_has_no_channels() -> None:
    picture = PillowImage.fromarray(COLOUR)
    data = by_pillow(picture, "JPEG", progressive=True, quality=90)
    assert read_image(data).values.shape == COLOUR.shape
    assert read_image(by_pillow(picture.convert("L"), "JPEG")).axes == "YX"


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "tile": (16, 16), "compression": "lzw"},
        {"compression": "deflate", "predictor": True},
        {"compression": "lzw", "byteorder": ">", "predictor": True},
        {"compression": "zstd"},
        {"compression": "lzma"},
        {"compression": "packbits"},
        {"rowsperstrip": 3},
        {"bigtiff": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_layouts_do_not_change_pixels(options: dict[str, Any], dtype: str) -> None:
    if options.get("predictor") and dtype == "float32":
        options = {**options, "predictor": 3}
    pixels = DEEP.astype(dtype)
    separate = options.get("planarconfig") == "separate"
    data = by_tifffile(np.moveaxis(pixels, -1, 0) if separate else pixels, photometric="rgb", **options)
    found = read_image(data, value_range=(0, 65535) if dtype == "float32" else None)
    np.testing.assert_array_equal(found.values, pixels)
    assert found.axes == "YXC"
    assert found.values.dtype == np.dtype(dtype)
    assert found.values.dtype.isnative


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_become_float32(dtype: str) -> None:
    pixels = GENERATOR.random((8, 9)).astype(dtype)
    found = read_image(by_tifffile(pixels), value_range=(0, 1))
    np.testing.assert_array_equal(found.values, pixels.astype(np.float32))


def test_white_is_zero_is_turned_over() -> None:
    np.testing.assert_array_equal(read_image(by_tifffile(GRAY, photometric="miniswhite")).values, 255 - GRAY)


@pytest.mark.parametrize("bits", range(2, 8))
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_few_bits_are_spread_from_black_to_white(bits: int, white_is_zero: bool) -> None:
    """The linear scaling that PNG names for samples of few bits: round(v * 255 / (2**bits - 1))."""
    levels = np.arange(2**bits)
    row = "".join(f"{level:0{bits}b}" for level in levels)
    packed = int(row, 2).to_bytes(len(row) // 8, "big")
    sizes = ((256, len(levels)), (257, 1), (258, bits), (259, 1), (262, 0 if white_is_zero else 1))
    tags = (*sizes, (273, 122), (277, 1), (278, 1), (279, len(packed)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + packed
    expected = np.array([[round(level * 255 / (2**bits - 1)) for level in range(2**bits)]])
    np.testing.assert_array_equal(read_image(data).values, expected[:, ::-1] if white_is_zero else expected)


def test_twelve_bits_in_sixteen_have_their_own_range() -> None:
    pixels = (DEEP[..., 0] >> 4).copy()
    found = read_image(by_tifffile(pixels, bitspersample=12))
    np.testing.assert_array_equal(found.values, pixels)
    assert found.value_range == (0.0, 4095.0)


def test_a_float_tiff_that_states_its_sample_range_needs_no_argument() -> None:
    limits = [(340, 11, 1, 0.0, True), (341, 11, 1, 4.0, True)]
    data = by_tifffile(np.ones((4, 4), np.float32), extratags=limits)
    assert read_image(data).value_range == (0.0, 4.0)
    assert read_image(data, value_range=(0, 1)).value_range == (0.0, 1.0)


def test_an_imagej_float_stack_states_its_display_range() -> None:
    data = by_tifffile(np.ones((3, 4, 4), np.float32), imagej=True, metadata={"axes": "ZYX", "min": -1.0, "max": 2.0})
    found = read_image(data)
    assert (found.axes, found.value_range) == ("ZYX", (-1.0, 2.0))


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("ZYX", (4, 8, 9), "ZYX"),
        ("TYX", (4, 8, 9), "TYX"),
        ("TZYX", (2, 4, 8, 9), "TZYX"),
        ("CYX", (2, 8, 9), "YXC"),
        ("TZCYX", (2, 4, 3, 8, 9), "TZYXC"),
    ],
)
@pytest.mark.parametrize("program", ["imagej", "ome"])
def test_microscopy_stacks_keep_axes_and_description(
    tmp_path: Path, program: str, axes: str, shape: tuple[int, ...], expected: str
) -> None:
    pixels = GENERATOR.integers(0, 65535, shape, dtype=np.uint16)
    first, second = tmp_path / "first.tif", tmp_path / "second.tif"
    tifffile.imwrite(first, pixels, metadata={"axes": axes, "Description": "cells"}, **{program: True})
    found = read_image(first)
    assert found.axes == expected
    np.testing.assert_array_equal(found.values, np.transpose(pixels, [axes.index(letter) for letter in expected]))
    write_image(found, second)
    with tifffile.TiffFile(first) as old, tifffile.TiffFile(second) as new:
        assert new.pages[0].description == old.pages[0].description
        assert new.series[0].axes == axes
        np.testing.assert_array_equal(new.asarray(), pixels)


def test_pages_without_axes_are_pages() -> None:
    data = by_tifffile(GENERATOR.integers(0, 255, (4, 8, 9), dtype=np.uint8), photometric="minisblack", metadata=None)
    assert read_image(data).axes == "IYX"


def test_a_thumbnail_behind_the_image_is_passed_over(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "image.tif") as writer:
        writer.write(COLOUR, photometric="rgb", metadata=None)
        writer.write(COLOUR[::4, ::4].copy(), photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif").values, COLOUR)


@pytest.mark.parametrize("strip", [False, True])
def test_associated_alpha_stays_associated(tmp_path: Path, strip: bool) -> None:
    pixels = np.dstack((COLOUR, GRAY))
    (tmp_path / "a.tif").write_bytes(by_tifffile(pixels, photometric="rgb", extrasamples=["assocalpha"]))
    write_image(read_image(tmp_path / "a.tif"), tmp_path / "b.tif", strip_metadata=strip)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert [int(kind) for kind in tiff.pages.first.extrasamples] == [1]
        np.testing.assert_array_equal(tiff.asarray(), pixels)


def test_exif_of_a_tiff_by_pillow_is_gathered() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[ExifTags.Base.Make] = "Maker"
    tags[ExifTags.Base.Orientation] = 8
    found = read_image(by_pillow(PillowImage.fromarray(COLOUR), "TIFF", tiffinfo=tags, dpi=(300, 300)))
    exif = PillowImage.Exif()
    exif.load(found.metadata.exif or b"")
    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation]) == ("Maker", 8)
    assert found.metadata.resolution == (300.0, 300.0)


@pytest.mark.parametrize("source", ["AVIF", "WEBP"])
@pytest.mark.parametrize("name", FORMATS)
def test_an_exif_block_with_jpegs_prefix_keeps_its_orientation(tmp_path: Path, source: str, name: str) -> None:
    """Pillow moves the orientation into AVIF's own rotation and gives it back with the prefix on."""
    block = PillowImage.Exif()
    block[ExifTags.Base.Orientation] = 6
    if source == "AVIF":
        encoded = by_pillow(PillowImage.fromarray(COLOUR), source, exif=block)
    else:
        exif = b"Exif\x00\x00" + block.tobytes().removeprefix(b"Exif\x00\x00")
        write_image(Image(COLOUR, "YXC", (0, 255), metadata=Metadata(exif=exif)), tmp_path / "old.webp")
        encoded = (tmp_path / "old.webp").read_bytes()
        assert exif in encoded
    found = read_image(encoded)
    assert (found.metadata.exif or b"")[:2] in (b"II", b"MM")
    for strip in (False, True):
        write_image(found, tmp_path / "image", format=name, strip_metadata=strip)
        assert b"Exif\x00\x00Exif" not in (tmp_path / "image").read_bytes()
        with PillowImage.open(tmp_path / "image") as picture:
            assert picture.getexif()[ExifTags.Base.Orientation] == 6
        assert orientation(read_image(tmp_path / "image").metadata.exif) == 6


def test_a_unitless_calibration_is_kept(tmp_path: Path) -> None:
    data = by_tifffile(DEEP[..., 0], imagej=True, resolution=(9.25, 9.25), metadata={"unit": "um"})
    write_image(read_image(data), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert tiff.pages.first.resolution == (9.25, 9.25)
        assert (tiff.imagej_metadata or {})["unit"] == "um"


@pytest.mark.parametrize("name", FORMATS)
def test_pillow_reads_what_limpid_writes(tmp_path: Path, name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    block = PillowImage.Exif()
    block[ExifTags.Base.Make] = "Maker"
    block[ExifTags.Base.Orientation] = 3
    metadata = Metadata(
        exif=block.tobytes().removeprefix(b"Exif\x00\x00"), icc=profile, xmp=None, resolution=(300.0, 300.0)
    )
    smooth = np.dstack([np.add.outer(np.arange(40), np.arange(56)).astype(np.uint8)] * 3)
    write_image(Image(smooth, "YXC", (0, 255), metadata=metadata), tmp_path / "image", format=name)
    with PillowImage.open(tmp_path / "image") as picture:
        exif = picture.getexif()
        assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation]) == ("Maker", 3)
        assert picture.info["icc_profile"] == profile
        if name not in ("webp", "avif"):
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        if name != "tiff":  # Pillow turns TIFF pixels while loading them
            assert np.abs(np.asarray(picture).astype(int) - smooth).max() <= 4


def test_tifffile_reads_axes_and_pixels_of_what_limpid_writes(tmp_path: Path) -> None:
    pixels = GENERATOR.random((2, 3, 8, 9), dtype=np.float32)
    write_image(Image(pixels, "TZYX", (0, 1)), tmp_path / "image.tif")
    with tifffile.TiffFile(tmp_path / "image.tif") as tiff:
        assert tiff.series[0].axes == "TZYX"
        np.testing.assert_array_equal(tiff.asarray(), pixels)
        assert "DateTime" not in tiff.pages.first.tags
        assert "Software" not in tiff.pages.first.tags


def test_probe_needs_only_the_header(tmp_path: Path) -> None:
    for name in ("png", "jpeg", "tiff"):
        write_image(Image.from_array(COLOUR), tmp_path / "image", format=name)
        info = probe((tmp_path / "image").read_bytes()[:-40] if name != "tiff" else tmp_path / "image")
        assert (info.format, info.shape, info.channels, info.pixels) == (name, COLOUR.shape, 3, 32 * 48)
        assert info.nbytes == COLOUR.nbytes


def test_importing_io_loads_no_codec() -> None:
    code = "import limpid.io, sys, json; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"PIL", "imagecodecs", "tifffile", "torch"} & {name.split(".")[0] for name in loaded}


def test_names_are_judged_by_suffix_in_any_case() -> None:
    assert all(is_image_path(f"a{suffix.upper()}") for suffix in SUFFIXES)
    assert not is_image_path("a.txt")
    assert not is_image_path("png")
    assert output_suffix_for("a.txt") == ".png"
    assert output_suffix_for("a.JPEG", format="jpeg") == ".JPEG"
    assert output_suffix_for("a.jpeg", format="webp") == ".webp"
    assert output_suffix_for("a.jpeg", format="JPG") == ".jpeg"
    assert output_suffix_for("a.png", format="tif") == ".tif"
    assert DEFAULT_MAX_PIXELS == 500_000_000


@pytest.mark.parametrize(("spelled", "name"), [*FORMAT_NAMES.items(), ("JPG", "jpeg"), (".TIF", "tiff")])
def test_a_format_may_be_called_by_its_suffix(tmp_path: Path, spelled: str, name: str) -> None:
    assert format_named(spelled) == name
    write_image(Image.from_array(COLOUR), tmp_path / "image", format=spelled)
    assert probe(tmp_path / "image").format == name
