from __future__ import annotations

import io
import json
import math

import numpy as np
import PIL.Image
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise
from limpid.noise.models import Gaussian, PoissonGaussian
from limpid.noise.result import ChannelNoise, NoiseEstimate

PICTURES = {name: getattr(data, name)() for name in ("camera", "moon", "coins")}


def _estimate(values: np.ndarray, axes: str = "YX") -> NoiseEstimate:
    return estimate_noise(Image.from_array(values, axes=axes, value_range=(0, 255)))


def _noisy(name: str, sigma: float, *, seed: int = 0) -> np.ndarray:
    clean = PICTURES[name].astype(np.float32)
    return clean + sigma * np.random.default_rng(seed).standard_normal(clean.shape, dtype=np.float32)


def _white(shape: tuple[int, ...], sigma: float = 1.0, *, seed: int = 0) -> np.ndarray:
    return sigma * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("sigma", "tolerance"), [(5, 0.15), (15, 0.05), (25, 0.03), (50, 0.03)])
def test_sigma_of_noise_on_photographs_is_found(name: str, sigma: float, tolerance: float) -> None:
    assert _estimate(_noisy(name, sigma)).sigma == pytest.approx(sigma, rel=tolerance)


def test_interval_holds_the_true_sigma_as_often_as_it_says() -> None:
    runs = 60
    held = 0
    for seed in range(runs):
        low, high = _estimate(_white((96, 96), seed=seed)).sigma_interval
        held += low <= 1 <= high
    # Three standard errors of a share of 0.95.
    assert held / runs >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize("sigma", [5, 15, 25, 50])
def test_rounding_and_clipping_do_not_mislead(sigma: float) -> None:
    stored = np.clip(np.rint(_noisy("camera", sigma)), 0, 255).astype(np.uint8)
    assert _estimate(stored).sigma == pytest.approx(sigma, rel=0.06)


def test_noise_clipped_at_both_ends_is_measured_where_it_is_not() -> None:
    stored = np.clip(np.rint(_noisy("camera", 50)), 0, 255).astype(np.uint8)
    assert _estimate(stored).sigma == pytest.approx(50, rel=0.03)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-6, 1e6))
@example(1e-30)
def test_scaling_the_image_scales_sigma(factor: float) -> None:
    picture = _noisy("camera", 20)[:96, :96]
    assert _estimate(picture * np.float32(factor)).sigma == pytest.approx(_estimate(picture).sigma * factor, rel=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.floats(-1000, 1000))
def test_added_constant_does_not_change_sigma(delta: float) -> None:
    picture = _noisy("camera", 20)[:96, :96]
    assert _estimate(picture + np.float32(delta)).sigma == pytest.approx(_estimate(picture).sigma, rel=1e-3)


@pytest.mark.parametrize("axis", [0, 1])
def test_flipping_does_not_change_sigma(axis: int) -> None:
    picture = _noisy("camera", 20)
    assert _estimate(np.flip(picture, axis)).sigma == pytest.approx(_estimate(picture).sigma, rel=1e-3)


def test_more_noise_gives_a_larger_sigma() -> None:
    found = [_estimate(_noisy("camera", sigma)).sigma for sigma in (0, 2, 4, 8, 16, 32)]
    assert found == sorted(found)


@pytest.mark.parametrize("name", PICTURES)
def test_photograph_without_added_noise_gives_a_small_sigma(name: str) -> None:
    assert _estimate(PICTURES[name]).sigma <= 2.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_constant_image_has_no_noise(dtype: type) -> None:
    estimate = _estimate(np.full((40, 50), 77, dtype))
    assert estimate.sigma == 0
    assert estimate.sigma_interval == (0, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (7, 7), (3, 90)])
def test_image_too_small_to_measure_is_left_alone_and_says_so(shape: tuple[int, int]) -> None:
    estimate = _estimate(_white(shape))
    assert not estimate.measured
    assert estimate.sigma == 0
    assert estimate.model == Gaussian(0)
    assert json.loads(json.dumps(estimate.to_dict()))["sigma_interval"] is None


def test_synthetic_graphics_are_answered() -> None:
    checks = np.indices((64, 64)).sum(0) % 2
    for picture in (checks, np.tile([0, 0, 1, 1], (64, 16)), np.eye(64), np.tri(64)):
        estimate = _estimate((picture * 255).astype(np.uint8))
        assert math.isfinite(estimate.sigma)
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    assert _estimate(ramp).sigma < 0.5


@pytest.mark.parametrize("frame", [0, 100])
def test_constant_frame_does_not_hide_the_noise(frame: float) -> None:
    picture = np.full((200, 200), frame, np.float32)
    picture[40:, 30:] = 100 + _white((160, 170), 10)
    assert _estimate(picture).sigma == pytest.approx(10, rel=0.05)


def test_pixels_that_are_not_finite_do_not_count() -> None:
    picture = _white((128, 128), 10)
    picture[5, 7], picture[60:80, 90] = np.inf, np.nan
    assert _estimate(picture).sigma == pytest.approx(10, rel=0.05)
    assert not _estimate(np.full((30, 30), np.nan, np.float32)).measured


def test_each_channel_is_measured_and_sigma_is_their_root_mean_square() -> None:
    picture = np.stack([_white((128, 128), s, seed=s) for s in (3, 4, 12)], axis=-1)
    estimate = _estimate(picture, "YXC")
    assert estimate.sigma_per_channel == pytest.approx((3, 4, 12), rel=0.06)
    assert estimate.sigma == pytest.approx(math.sqrt(np.mean(np.square(estimate.sigma_per_channel))))


def test_large_images_and_stacks_are_sampled_and_still_right() -> None:
    assert _estimate(_white((1500, 1100), 7)).sigma == pytest.approx(7, rel=0.03)
    assert _estimate(_white((3, 20, 90, 100), 7), "TZYX").sigma == pytest.approx(7, rel=0.03)
    assert _estimate(_white((9, 100_000), 7)).sigma == pytest.approx(7, rel=0.03)


def test_input_is_unchanged() -> None:
    picture = _white((64, 64))
    before = picture.copy()
    _estimate(picture)
    np.testing.assert_array_equal(picture, before)


def test_a_channel_that_can_not_be_measured_is_taken_to_be_like_the_others() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.5, 0.1, (64, 64, 3)).astype(np.float32)
    values[..., 1] = np.nan

    estimate = estimate_noise(Image(values, "YXC", (0.0, 1.0)))

    assert estimate.sigma_per_channel[1] == pytest.approx(0.1, rel=0.1)
    assert estimate.measured
    assert estimate.sigma_interval[1] > 1.2 * estimate.sigma


@pytest.mark.parametrize("gain", [1.0, 5.0, 12.0])
@pytest.mark.parametrize("read_noise", [2.0, 8.0])
def test_gain_and_floor_of_noise_on_a_photograph_are_found(gain: float, read_noise: float) -> None:
    model = PoissonGaussian(gain, read_noise**2)
    clean = PICTURES["camera"].astype(np.float32)
    found = _estimate(model.sample(clean, rng=np.random.default_rng(1)).astype(np.float32))

    assert found.gain == pytest.approx(gain, rel=0.05)
    assert found.gain_interval[0] < gain < found.gain_interval[1]
    for signal in (25, 128, 230):
        assert found.model.variance(signal) == pytest.approx(float(model.variance(signal)), rel=0.1)
    assert found.sigma == pytest.approx(math.sqrt(float(model.variance(clean).mean())), rel=0.03)


def test_noise_of_one_level_has_no_gain_but_an_upper_bound() -> None:
    found = _estimate(_noisy("camera", 15))
    assert found.gain == 0
    assert found.gain_interval[0] == 0
    assert 0 < found.gain_interval[1] < 0.3
    assert found.model == Gaussian(found.sigma)
    assert found.read_noise == pytest.approx(found.sigma)


def test_adding_a_constant_shifts_the_line_and_the_offset_brings_the_read_noise_back() -> None:
    clean = PICTURES["camera"].astype(np.float32)
    noisy = PoissonGaussian(4.0, 36.0).sample(clean, rng=np.random.default_rng(2)).astype(np.float32)
    image = Image.from_array(noisy, value_range=(0, 255))
    lifted = Image.from_array(noisy + 500, value_range=(0, 1000))

    plain, moved = estimate_noise(image), estimate_noise(lifted, offset=500)

    assert moved.gain == pytest.approx(plain.gain, rel=1e-3)
    assert moved.read_noise == pytest.approx(plain.read_noise, rel=0.02)
    assert estimate_noise(lifted).read_noise is None


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("sigma", [10, 25])
def test_blurred_and_demosaicked_noise_is_called_correlated_and_white_noise_is_not(name: str, sigma: float) -> None:
    noisy = _noisy(name, sigma)
    kept = np.indices(noisy.shape).sum(axis=0) % 2 == 0
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    demosaicked = np.where(kept, noisy, ndimage.convolve(noisy * kept, cross / 4, mode="mirror"))

    assert _estimate(noisy).white is True
    assert _estimate(ndimage.uniform_filter(noisy, 3)).white is False
    assert _estimate(demosaicked).white is False


def test_correlation_of_a_box_blur_is_that_of_theory() -> None:
    found = _estimate(100 + ndimage.uniform_filter(_white((300, 300), 30), 3)).correlation
    assert found == {"x": pytest.approx(2 / 3, abs=0.05), "y": pytest.approx(2 / 3, abs=0.05)}


def test_sigma_of_correlated_noise_counts_all_frequencies() -> None:
    blurred = 100 + ndimage.uniform_filter(_white((400, 400), 30), 3)
    assert _estimate(blurred).sigma == pytest.approx(10, rel=0.3)


def test_rows_that_are_shifted_are_banding() -> None:
    picture = 100 + _white((256, 256), 5) + _white((256, 1), 5, seed=1)
    rows, columns = _estimate(picture).banding
    assert rows == pytest.approx(1, abs=0.4)
    assert columns < 0.2


def test_jpeg_of_a_noisy_picture_is_not_white() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(np.clip(_noisy("camera", 10), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
    found = _estimate(np.asarray(PIL.Image.open(file)))
    assert found.jpeg
    assert found.white is False


def test_json_has_the_same_keys_whatever_was_measured() -> None:
    for values in (_noisy("camera", 10), np.zeros((3, 3)), np.full((64, 64), 5.0), np.full((30, 30), np.nan)):
        answer = json.loads(json.dumps(_estimate(values.astype(np.float32)).to_dict(), allow_nan=False))
        assert tuple(answer) == NoiseEstimate.keys()


def test_a_pattern_that_repeats_in_a_stack_is_found() -> None:
    rng = np.random.default_rng(0)
    pattern = 8 * rng.standard_normal(PICTURES["camera"].shape, dtype=np.float32)
    stack = np.stack([_noisy("camera", 10, seed=k) for k in range(8)])
    clean, dirty = (_estimate(values, axes="ZYX") for values in (stack, stack + pattern))
    # The mean of eight planes is measured as any picture is: within 15 % at this level.
    assert dirty.fixed_pattern == pytest.approx(8, rel=0.2)
    assert clean.fixed_pattern is not None
    assert clean.fixed_pattern < 0.3 * clean.sigma
    assert "fixed-pattern" in [one.code for one in dirty.advice]
    assert "fixed-pattern" not in [one.code for one in clean.advice]
    assert _estimate(stack[:3], axes="ZYX").fixed_pattern is None


@pytest.mark.parametrize("gain", [0.0, 2.0])
def test_noise_times_a_factor_has_the_variance_times_its_square_at_every_signal(gain):
    noise = ChannelNoise(3.0, (2.5, 3.5), gain, (gain, gain), 9.0, (8.0, 10.0))
    signal = np.linspace(0, 100, 5)
    assert noise.times(0.5).model.variance(signal) == pytest.approx(noise.model.variance(signal) / 4)
    assert noise.times(0.5).sigma_interval == (1.25, 1.75)


def test_the_rounding_of_even_parts_has_no_correlation() -> None:
    """A drawing: parts of one value each, whose energy is what a transform in float32 leaves of nothing."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-256:256, -256:256]
    inside, angle = y**2 + x**2 < 150**2, np.arctan2(y, x)
    values = np.where(inside, 133, 77).astype(np.uint8)
    for part in range(12):
        values[inside & (angle > -3 + part / 2)] = rng.integers(40, 220)
    found = estimate_noise(Image.from_array(values))
    assert found.channels[0].correlation is None
    assert found.sigma < 1e-6
