from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage
from skimage import data

from limpid.noise.facts import JPEG_LEAST, bits_used, clipped_share, jpeg_blocking, jpeg_grid

PICTURES = {name: getattr(data, name)() for name in ("camera", "astronaut", "coffee", "moon", "brick")}


def _planes(values: np.ndarray) -> np.ndarray:
    return values[None] if values.ndim == 3 else values[None, ..., None]


def _stored(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _noisy(name: str, sigma: float) -> np.ndarray:
    clean = PICTURES[name]
    return _stored(clean + sigma * np.random.default_rng(0).standard_normal(clean.shape))


def _jpeg(values: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    PillowImage.fromarray(values).save(buffer, "JPEG", quality=quality)
    return np.asarray(PillowImage.open(buffer))


# Clipping.


def _bell(mean: float, *, sigma: float = 20, size: int = 200) -> np.ndarray:
    return np.random.default_rng(0).normal(mean, sigma, (1, size, size))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("mean", "low", "high"), [(128, 0, 0), (20, 0.16, 0), (235, 0, 0.16), (0, 0.51, 0)])
def test_share_clipped_is_what_lay_beyond_the_end(dtype: type, mean: float, low: float, high: float) -> None:
    values = _bell(mean)
    clipped = _stored(values) if dtype == np.uint8 else np.clip(values, 0, 255).astype(np.float32)
    assert clipped_share(clipped) == pytest.approx((low, high), abs=0.01)


@pytest.mark.parametrize("mean", [0.05, 0.4, 2, 30])
def test_counts_of_photons_are_not_clipped_at_zero(mean: float) -> None:
    counts = np.random.default_rng(0).poisson(mean, (1, 300, 300)).astype(np.uint16)
    assert clipped_share(counts) == (0, 0)


def test_share_is_the_mean_over_channels_each_with_its_own_ends() -> None:
    channels = [np.clip(_bell(100), 0, 100), np.clip(_bell(100), 0, 120), _bell(100), _bell(100)]
    assert clipped_share(np.rint(np.stack(channels, axis=-1)).astype(np.uint8)) == pytest.approx((0, 0.17), abs=0.01)


@pytest.mark.parametrize("values", [[7.0], [0.0, 1.0], [np.nan], [np.nan, 3.0]])
def test_too_few_values_tell_nothing(values: list[float]) -> None:
    assert clipped_share(np.resize(np.float32(values), (1, 40, 40))) == (0, 0)


def test_bad_pixels_do_not_count() -> None:
    values = np.clip(_bell(20), 0, None).astype(np.float32)
    expected = clipped_share(values[:, 100:])
    values[:, :50], values[:, 50:100] = np.nan, np.inf
    assert clipped_share(values) == expected
    assert expected[0] > 0.1


def test_large_stacks_are_sampled_fairly() -> None:
    values = _stored(np.tile(_bell(20), (60, 1, 1)))
    assert clipped_share(values)[0] == pytest.approx(clipped_share(values[:1])[0], rel=0.03)


# Bits.


def _levels(bits: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**bits, (1, 100, 100))


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        (_levels(8).astype(np.uint8), 8),
        (_levels(6).astype(np.uint8) * np.uint8(4), 6),
        (_levels(8).astype(np.uint16) * np.uint16(257), 8),
        (_levels(8).astype(np.uint16) << 8, 8),
        (_levels(12).astype(np.uint16) << 4, 12),
        (_levels(10).astype(np.uint16) << 6 | _levels(10).astype(np.uint16) >> 4, 10),
        (np.rint(_levels(12) * (65535 / 4095)).astype(np.uint16), 12),
        (np.rint(_levels(14) * (65535 / 16383)).astype(np.uint16), 14),
        (_levels(12).astype(np.uint16), 16),
        (_levels(16).astype(np.uint16), 16),
        (_levels(12).astype(np.uint16) * np.uint16(16) + np.uint16(5), 12),
        (_levels(1).astype(np.uint8) * np.uint8(255), 1),
        (np.full((1, 9, 9), 8, np.uint16), None),
    ],
)
def test_bits_of_integers_are_those_of_the_grid(values: np.ndarray, bits: int | None) -> None:
    assert bits_used(values) == bits


@pytest.mark.parametrize("offset", [0, -0.5])
@pytest.mark.parametrize("bits", [1, 8, 12, 16])
def test_floats_made_of_integers_are_on_their_grid(bits: int, offset: float) -> None:
    assert bits_used((_levels(bits) / (2**bits - 1) + offset).astype(np.float32)) == bits


@pytest.mark.parametrize("size", [3, 10, 100])
def test_floats_on_no_grid_have_no_bits(size: int) -> None:
    assert bits_used(_bell(100, size=size).astype(np.float32)) is None


def test_bits_of_floats_without_a_finite_value_or_with_only_one() -> None:
    assert bits_used(np.full((1, 9, 9), np.nan, np.float32)) is None
    assert bits_used(np.full((1, 9, 9), 0.3, np.float32)) is None
    assert bits_used(np.resize(np.nextafter(np.float32(0.3), np.float32([0, 0.3])), (1, 9, 9))) is None


def test_bad_pixels_leave_the_grid_as_it_is() -> None:
    values = (_levels(8) / 255).astype(np.float32)
    values[0, 3, :3] = np.nan, np.inf, -np.inf
    assert bits_used(values) == 8


# JPEG.


@pytest.mark.parametrize("sigma", [0, 5, 10, 25])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_that_were_no_jpeg_show_no_blocks(name: str, sigma: float) -> None:
    assert 0 <= jpeg_blocking(_planes(_noisy(name, sigma))) < JPEG_LEAST


@pytest.mark.parametrize("quality", [30, 60, 80, 90])
@pytest.mark.parametrize("sigma", [0, 10, 25])
@pytest.mark.parametrize("name", PICTURES)
def test_jpeg_files_show_their_blocks(name: str, sigma: float, quality: int) -> None:
    assert jpeg_blocking(_planes(_jpeg(_noisy(name, sigma), quality))) > JPEG_LEAST


@pytest.mark.parametrize("name", ["rocket", "retina", "hubble_deep_field"])
def test_pictures_shipped_as_jpeg_show_their_blocks(name: str) -> None:
    strength, origin = jpeg_grid(_planes(getattr(data, name)()))
    assert strength > JPEG_LEAST
    assert origin == (0, 0)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (3, 5), (8, 1)])
def test_cropping_moves_the_grid(y: int, x: int) -> None:
    strength, origin = jpeg_grid(_planes(_jpeg(_noisy("camera", 10), 80)[y:, x:]))
    assert strength > 3 * JPEG_LEAST
    assert origin == (-y % 8, -x % 8)


@pytest.mark.parametrize(("scale", "offset"), [(257, 0), (1 / 255, 0), (1e-20, 0), (1e30, 0), (-3, 1000)])
def test_scale_of_the_values_does_not_matter(scale: float, offset: float) -> None:
    values = _planes(_jpeg(_noisy("camera", 10), 80))
    scaled = (values.astype(np.float64) * scale + offset).astype(np.float32)
    assert jpeg_blocking(scaled) == pytest.approx(jpeg_blocking(values), abs=0.01)


def test_turning_and_flipping_does_not_matter() -> None:
    values = _planes(_jpeg(_noisy("camera", 10), 80))
    for turned in (values.swapaxes(1, 2), values[:, ::-1], values[:, :, ::-1]):
        assert jpeg_blocking(turned) == pytest.approx(jpeg_blocking(values), rel=0.1)


def test_tiles_with_bad_pixels_leave_the_others() -> None:
    values = _planes(_jpeg(_noisy("camera", 10), 80)).astype(np.float32)
    values[0, :200, ::20], values[0, 200:300, ::20] = np.nan, np.inf
    assert jpeg_blocking(values) > 3 * JPEG_LEAST


@pytest.mark.parametrize("shape", [(1, 1), (31, 400), (400, 31), (32, 32), (40, 300)])
@pytest.mark.parametrize("fill", [0, 200, np.nan, np.inf])
def test_images_with_nothing_in_them_show_no_blocks(shape: tuple[int, int], fill: float) -> None:
    colour = fill * np.float32([1, 0.5, 0.3])
    assert jpeg_grid(np.full((2, *shape, 3), colour, np.float32)) == (0, (0, 0))


@pytest.mark.parametrize("side", [32, 33, 47, 64, 71, 72, 120])
def test_small_and_odd_sizes_are_judged_too(side: int) -> None:
    noise = _stored(np.random.default_rng(0).normal(128, 25, (side, side + 3)))
    assert jpeg_blocking(_planes(noise)) < JPEG_LEAST
    assert jpeg_blocking(_planes(_jpeg(noise, 60))) > 2 * JPEG_LEAST
    assert jpeg_grid(_planes(_jpeg(noise, 60)))[1] == (0, 0)


def test_chance_in_few_blocks_is_not_taken_for_jpeg() -> None:
    noise = np.random.default_rng(0).normal(128, 25, (200, 32, 32)).astype(np.float32)
    assert np.mean([jpeg_blocking(one[None]) >= JPEG_LEAST for one in noise]) < 0.03


def test_images_below_the_least_side_are_not_judged() -> None:
    assert jpeg_blocking(_planes(_jpeg(_noisy("camera", 10), 60)[:31])) == 0
