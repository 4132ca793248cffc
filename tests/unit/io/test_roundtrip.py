"""Write then read is the identity, for every format, pixel type, mode and kind of metadata it holds."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ExifTags, ImageCms
from PIL import Image as PillowImage

from limpid.core.image import Image, Metadata, Provenance
from limpid.io import probe, read_image, write_image
from limpid.io.formats import FORMATS

RANGES = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0), "float32": (-0.5, 2.0)}
LOSSLESS = ("png", "tiff")
STEPS = (
    Provenance("limpid 0.1.0", "denoise", {"sigma": 12.5, "model": "fast", "levels": [1, 2], "note": "ä <&\"' ]]>"}),
    Provenance("limpid 0.1.0", "assess"),
)
PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n  <rdf:Description rdf:about=""'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a/b"/>\n </rdf:RDF>\n</x:xmpmeta>\n'
    b'                    \n<?xpacket end="w"?>'
)


def exif_block(orientation: int = 6) -> bytes:
    block = PillowImage.Exif()
    block[ExifTags.Base.Make] = "Maker"
    block[ExifTags.Base.Orientation] = orientation
    block[ExifTags.Base.ImageDescription] = "words"
    block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 6400
    block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return block.tobytes().removeprefix(b"Exif\x00\x00")


ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "exif": {"exif": exif_block()},
    "icc": {"icc": ICC},
    "xmp": {"xmp": PACKET},
    "provenance": {"provenance": STEPS},
    "xmp and provenance": {"xmp": PACKET, "provenance": STEPS},
    "all": {"exif": exif_block(), "icc": ICC, "xmp": PACKET, "provenance": STEPS},
}


def random_pixels(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(seed)
    if dtype == "float32":
        return generator.random(shape, dtype=np.float32)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def make_image(axes: str, shape: tuple[int, ...], dtype: str, *, alpha: bool = False, **metadata: Any) -> Image:
    opacity = random_pixels(shape[: len(axes.removesuffix("C"))], dtype, 1) if alpha else None
    return Image(random_pixels(shape, dtype), axes, RANGES[dtype], alpha=opacity, metadata=Metadata(**metadata))


def smooth_image(channels: int, *, alpha: bool = False, **metadata: Any) -> Image:
    """Return an image that lossy codecs hardly change."""
    ramp = np.add.outer(np.arange(40), np.arange(56)).astype(np.uint8)
    values = ramp if channels == 1 else np.dstack((ramp, ramp + 60, 120 - ramp))
    axes = "YX" if channels == 1 else "YXC"
    return Image(values, axes, (0, 255), alpha=ramp + 10 if alpha else None, metadata=Metadata(**metadata))


def assert_same_pixels(found: Image, expected: Image) -> None:
    assert found.axes == expected.axes
    assert found.values.dtype == expected.values.dtype
    np.testing.assert_array_equal(found.values, expected.values)
    assert (found.alpha is None) == (expected.alpha is None)
    if expected.alpha is not None:
        np.testing.assert_array_equal(found.alpha, expected.alpha)
    assert found.value_range == expected.value_range


LOSSLESS_CASES = [
    (name, dtype, axes, shape, alpha)
    for name, axes_shape, alpha in itertools.product(
        LOSSLESS, [("YX", (5, 7)), ("YXC", (5, 7, 3)), ("YX", (1, 1)), ("ZYX", (3, 5, 7)), ("YXC", (5, 7, 4)),
                   ("YXC", (5, 7, 2)), ("TYX", (3, 5, 7)), ("IYX", (3, 5, 7)), ("TZYX", (2, 3, 5, 7)),
                   ("IYXC", (3, 5, 7, 3)), ("TIYX", (2, 3, 5, 7)), ("TZYXC", (2, 3, 5, 7, 3))], (False, True))
    for axes, shape in [axes_shape]
    for dtype in FORMATS[name].dtypes
    if name == "tiff" or axes == "YX" or (shape[-1] == 3 and axes == "YXC")
]  # fmt: skip


@pytest.mark.parametrize(("name", "dtype", "axes", "shape", "alpha"), LOSSLESS_CASES)
def test_lossless_formats_keep_every_pixel_type_and_axis(
    tmp_path: Path, name: str, dtype: str, axes: str, shape: tuple[int, ...], alpha: bool
) -> None:
    image = make_image(axes, shape, dtype, alpha=alpha, provenance=STEPS)
    path = tmp_path / f"image.{name}"
    write_image(image, path, format=name)
    found = read_image(path)
    assert_same_pixels(found, image)
    assert found.metadata.provenance == STEPS
    info = probe(path)
    assert (info.shape, info.axes, info.dtype, info.alpha) == (shape, axes, dtype, alpha)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_narrow_noise_that_can_not_be_compressed_is_written(
    tmp_path: Path, name: str, colours: tuple[int, ...], alpha: bool
) -> None:
    if alpha and not FORMATS[name].alpha:
        pytest.skip(f"{name} holds no alpha")
    path = tmp_path / "image"
    for dtype in FORMATS[name].dtypes:
        for size in itertools.product((1, 2, 3, 9, 1000), (1, 2, 3, 4, 9)):
            image = make_image("YXC" if colours else "YX", (*size, *colours), dtype, alpha=alpha)
            write_image(image, path, format=name)
            found = read_image(path, value_range=RANGES[dtype])
            if name in LOSSLESS:
                assert_same_pixels(found, image)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_keeps_every_kind_of_metadata(tmp_path: Path, name: str, kind: str, channels: int) -> None:
    image = smooth_image(channels, **KINDS[kind])
    first, second = tmp_path / "first", tmp_path / "second"
    write_image(image, first, format=name)
    found = read_image(first)
    for field in ("icc", "xmp", "provenance"):
        assert getattr(found.metadata, field) == getattr(image.metadata, field), field
    if name != "tiff":  # where EXIF tags are spread over the file and gathered in another layout
        assert found.metadata.exif == image.metadata.exif
    write_image(found, second, format=name)
    assert read_image(second).metadata == found.metadata
    if name in LOSSLESS:
        assert second.read_bytes() == first.read_bytes()


def test_tiff_keeps_every_exif_value(tmp_path: Path) -> None:
    image = smooth_image(3, exif=exif_block())
    path = tmp_path / "image.tif"
    write_image(image, path)
    expected, found = PillowImage.Exif(), PillowImage.Exif()
    expected.load(exif_block())
    found.load(read_image(path).metadata.exif or b"")
    assert found[ExifTags.Base.Orientation] == 6
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        assert found.get_ifd(ifd) == expected.get_ifd(ifd) != {}
    pointers = {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}
    assert {k: v for k, v in found.items() if k not in pointers} == {
        k: v for k, v in expected.items() if k not in pointers
    }


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff"])
@pytest.mark.parametrize("resolution", [(300.0, 300.0), (72.0, 96.0), (1200.0, 1.0)])
def test_whole_resolutions_are_kept(tmp_path: Path, name: str, resolution: tuple[float, float]) -> None:
    write_image(smooth_image(3, resolution=resolution), tmp_path / "image", format=name)
    assert read_image(tmp_path / "image").metadata.resolution == resolution


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff"])
@pytest.mark.parametrize("resolution", [(1e-6, 1e-6), (1e9, 1e9), (1e-3, 1e8)])
def test_an_extreme_resolution_does_not_fail_the_image(
    tmp_path: Path, name: str, resolution: tuple[float, float]
) -> None:
    write_image(smooth_image(3, resolution=resolution), tmp_path / "image", format=name)
    found = read_image(tmp_path / "image").metadata.resolution
    assert found is not None
    assert (found[0] < found[1]) == (resolution[0] < resolution[1])


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_stay_within_a_few_levels_of_a_smooth_image(
    tmp_path: Path, name: str, channels: int, alpha: bool
) -> None:
    if alpha and not FORMATS[name].alpha:
        pytest.skip("refused, as tested among the refusals")
    image = smooth_image(channels, alpha=alpha)
    write_image(image, tmp_path / "image", format=name)
    found = read_image(tmp_path / "image")
    expected = image.values if found.values.ndim == image.values.ndim else image.values[..., None]
    # Quality 95 and 90 quantise chroma and luma by a few levels; measured 6 at most.
    assert np.abs(found.values.astype(int) - expected).max() <= 8
    if alpha:
        assert found.alpha is not None
        assert np.abs(found.alpha.astype(int) - image.alpha).max() <= 8


def test_lossless_webp_stays_lossless_and_keeps_colours_under_transparency(tmp_path: Path) -> None:
    image = make_image("YXC", (9, 11, 3), "uint8", alpha=True, extras={"webp_lossless": True})
    write_image(image, tmp_path / "first.webp")
    found = read_image(tmp_path / "first.webp")
    assert_same_pixels(found, image)
    write_image(found, tmp_path / "second.webp")
    assert (tmp_path / "first.webp").read_bytes() == (tmp_path / "second.webp").read_bytes()


def test_webp_keeps_an_alpha_channel_that_is_opaque_everywhere(tmp_path: Path) -> None:
    opaque = np.full((40, 56), 255, np.uint8)
    write_image(dataclasses.replace(smooth_image(3), alpha=opaque), tmp_path / "image.webp")
    np.testing.assert_array_equal(read_image(tmp_path / "image.webp").alpha, opaque)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0"])
def test_jpeg_keeps_its_chroma_subsampling(tmp_path: Path, subsampling: str) -> None:
    image = smooth_image(3, extras={"jpeg_subsampling": subsampling})
    write_image(image, tmp_path / "first.jpg")
    assert read_image(tmp_path / "first.jpg").metadata.extras["jpeg_subsampling"] == subsampling


@pytest.mark.parametrize("compression", ["NONE", "LZW", "ADOBE_DEFLATE", "PACKBITS", "ZSTD", "LZMA"])
def test_tiff_keeps_its_lossless_compression(tmp_path: Path, compression: str) -> None:
    image = make_image("YXC", (20, 30, 3), "uint16", extras={"tiff_compression": compression})
    write_image(image, tmp_path / "image.tif")
    found = read_image(tmp_path / "image.tif")
    assert_same_pixels(found, image)
    assert found.metadata.extras["tiff_compression"] == compression


def test_png_keeps_texts_and_colour_chunks(tmp_path: Path) -> None:
    extras = {
        "png_text": (("Title", "Köln"), ("Title", "twice"), ("Author", "日本語")),
        "png_colour_chunks": (("gAMA", b"\x00\x00\xb1\x8f"),),
    }
    write_image(smooth_image(3, extras=extras), tmp_path / "image.png")
    assert read_image(tmp_path / "image.png").metadata.extras == extras


def test_jpeg_keeps_comment_and_iptc(tmp_path: Path) -> None:
    iptc = (0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x00")
    extras = {"jpeg_comment": b"hello", "jpeg_segments": (iptc,), "jpeg_subsampling": "4:2:0"}
    write_image(smooth_image(3, extras=extras), tmp_path / "image.jpg")
    assert read_image(tmp_path / "image.jpg").metadata.extras == extras


def test_a_large_colour_profile_is_split_over_jpeg_segments_and_joined_again(tmp_path: Path) -> None:
    profile = bytes(range(256)) * 600
    write_image(smooth_image(3, icc=profile), tmp_path / "image.jpg")
    assert read_image(tmp_path / "image.jpg").metadata.icc == profile


@pytest.mark.parametrize("name", FORMATS)
def test_a_packet_without_place_is_kept_and_provenance_left_out_with_a_warning(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image"
    write_image(smooth_image(3, xmp=b"<other/>", provenance=STEPS), path, format=name)
    found = read_image(path).metadata
    assert (found.xmp, found.provenance) == (b"<other/>", ())
    assert caplog.messages == [f"{path}: written without provenance: the image's XMP packet has no rdf:RDF element."]


@pytest.mark.parametrize("spare", [0, 100])
def test_a_packet_that_grows_too_large_for_jpeg_is_kept(
    tmp_path: Path, spare: int, caplog: pytest.LogCaptureFixture
) -> None:
    packet = PACKET + b" " * (65_504 - len(PACKET) - spare)
    image = dataclasses.replace(smooth_image(3, xmp=packet, provenance=STEPS), value_range=(0, 200))
    write_image(image, tmp_path / "image.jpg")
    found = read_image(tmp_path / "image.jpg").metadata
    assert (found.xmp, found.provenance) == (packet, ())
    assert "written without provenance and the value range: JPEG holds at most 65504 bytes" in caplog.text


def test_a_wide_packet_is_read_right_from_a_png(tmp_path: Path) -> None:
    write_image(smooth_image(3, xmp=PACKET.decode().encode("utf-16")), tmp_path / "image.png")
    assert read_image(tmp_path / "image.png").metadata.xmp == PACKET


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_a_gray_profile_goes_only_with_gray_pixels(
    tmp_path: Path, name: str, alpha: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if alpha and not FORMATS[name].alpha:
        pytest.skip("refused, as tested among the refusals")
    profile = ICC[:16] + b"GRAY" + ICC[20:]
    path = tmp_path / "image"
    write_image(smooth_image(1, alpha=alpha, icc=profile), path, format=name)
    with PillowImage.open(path) as picture:
        as_rgb = picture.mode.startswith("RGB")
    assert as_rgb == (name == "webp" or (name == "avif" and alpha))
    assert read_image(path).metadata.icc == (None if as_rgb else profile)
    assert len(caplog.messages) == as_rgb
    if as_rgb:
        assert f"{path}: written without its gray colour profile" in caplog.text
        assert "write PNG or TIFF to keep it" in caplog.text


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_value_range_other_than_the_dtypes_is_kept(tmp_path: Path, name: str) -> None:
    image = dataclasses.replace(make_image("YX", (4, 5), "uint16"), value_range=(64.0, 4095.0))
    write_image(image, tmp_path / "image", format=name)
    found = read_image(tmp_path / "image")
    assert found.value_range == (64.0, 4095.0)
    assert found.metadata.xmp is None
    assert read_image(tmp_path / "image", value_range=(0, 1)).value_range == (0.0, 1.0)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_image_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    image = smooth_image(3, **KINDS["all"])
    write_image(image, tmp_path / "first", format=name)
    write_image(image, tmp_path / "second", format=name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_stripping_keeps_the_look_and_drops_the_rest(tmp_path: Path, name: str) -> None:
    extras = {"png_text": (("Author", "me"),), "jpeg_comment": b"me"}
    image = smooth_image(3, **KINDS["all"], resolution=(300.0, 300.0), extras=extras)
    write_image(image, tmp_path / "image", format=name, strip_metadata=True)
    raw = (tmp_path / "image").read_bytes()
    for secret in (b"Maker", b"words", b"limpid", b"Author", b"xpacket"):
        assert secret not in raw
    found = read_image(tmp_path / "image").metadata
    assert (found.icc, found.xmp, found.provenance, found.resolution) == (ICC, None, (), None)
    exif = PillowImage.Exif()
    exif.load(found.exif or b"")
    assert dict(exif) == {ExifTags.Base.Orientation: 6}


def test_stripping_an_upright_image_leaves_no_exif(tmp_path: Path) -> None:
    write_image(smooth_image(3, exif=exif_block(1)), tmp_path / "image.png", strip_metadata=True)
    assert read_image(tmp_path / "image.png").metadata.exif is None


def test_writing_leaves_the_image_unchanged(tmp_path: Path) -> None:
    image = make_image("YXC", (5, 7, 3), "uint8", alpha=True, **KINDS["all"])
    before, metadata = image.values.copy(), image.metadata
    for name in ("png", "tiff", "webp", "avif"):
        write_image(image, tmp_path / "image", format=name)
    np.testing.assert_array_equal(image.values, before)
    assert image.metadata is metadata


def test_non_contiguous_pixels_are_written_right(tmp_path: Path) -> None:
    values = random_pixels((10, 14, 3), "uint16")[::2, ::-2]
    image = Image(values, "YXC", (0, 65535))
    for name in LOSSLESS:
        write_image(image, tmp_path / "image", format=name)
        np.testing.assert_array_equal(read_image(tmp_path / "image").values, values)


@pytest.mark.parametrize("name", LOSSLESS)
def test_any_pixels_survive(tmp_path: Path, name: str) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def law(data: st.DataObject) -> None:
        dtype = data.draw(st.sampled_from(FORMATS[name].dtypes))
        shape = (data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
        colour = data.draw(st.booleans())
        values = data.draw(hnp.arrays(dtype, (*shape, 3) if colour else shape))
        alpha = data.draw(st.none() | hnp.arrays(dtype, shape))
        image = Image(values, "YXC" if colour else "YX", RANGES[dtype], alpha=alpha)
        write_image(image, tmp_path / "image", format=name)
        assert_same_pixels(read_image(tmp_path / "image"), image)

    law()
