"""PSNR, SSIM and the mean they are summed in."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import metrics as skimage_metrics

from limpid.core.errors import ImageError, OptionError
from limpid.evaluation.metrics import Mean, mse, psnr, ssim

_BYTES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])))
# A busy machine is no failure.
_law = settings(deadline=None)
_SCORES = st.lists(st.floats(-200, 200), max_size=30)


def _pair(shape, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 256, shape).astype(np.float64)
    test = np.clip(reference + rng.normal(0, 20, shape), 0, 255)
    return test.astype(dtype), reference.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(24, 31), (24, 31, 3)])
def test_psnr_equals_that_of_scikit_image(shape, dtype):
    test, reference = _pair(shape, dtype)
    expected = skimage_metrics.peak_signal_noise_ratio(
        reference.astype(np.float64), test.astype(np.float64), data_range=255
    )
    assert psnr(test, reference, data_range=255) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("shape", "channel_axis"), [((24, 31), None), ((24, 31, 3), -1), ((3, 24, 31), 0)])
def test_ssim_equals_that_of_scikit_image_in_float64(shape, channel_axis, dtype):
    test, reference = _pair(shape, dtype)
    expected = skimage_metrics.structural_similarity(
        test.astype(np.float64),
        reference.astype(np.float64),
        data_range=255,
        channel_axis=channel_axis,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    assert ssim(test, reference, data_range=255, channel_axis=channel_axis) == pytest.approx(expected, abs=1e-12)


def test_ssim_uses_the_window_and_constants_of_wang_et_al():
    """One window, so the formula can be written out: the independent reference for the settings themselves."""
    test, reference = (values.astype(np.float64) for values in _pair((11, 11)))
    offset = np.arange(-5, 6)
    weights = np.exp(-(offset**2) / (2 * 1.5**2))
    window = np.outer(weights, weights) / weights.sum() ** 2
    mean_a, mean_b = (window * test).sum(), (window * reference).sum()
    var_a, var_b = (window * test**2).sum() - mean_a**2, (window * reference**2).sum() - mean_b**2
    covariance = (window * test * reference).sum() - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    expected /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    assert ssim(test, reference, data_range=255) == pytest.approx(expected, abs=1e-12)


@_law
@given(_BYTES)
def test_identical_images_have_infinite_psnr(image):
    assert psnr(image, image.copy(), data_range=255) == math.inf


def test_identical_images_have_ssim_one():
    image, _ = _pair((16, 16))
    assert ssim(image, image, data_range=255) == pytest.approx(1, abs=1e-12)


@_law
@given(_BYTES, st.data())
def test_mse_is_symmetric_and_does_not_wrap_round(image, data):
    other = data.draw(hnp.arrays(np.uint8, image.shape))
    expected = np.mean((image.astype(np.int64) - other.astype(np.int64)) ** 2)
    assert mse(image, other) == mse(other, image) == pytest.approx(expected, rel=1e-12)


@_law
@given(_BYTES, st.floats(0.01, 1000))
def test_psnr_does_not_change_when_images_and_range_are_scaled_together(image, factor):
    other = 255.0 - image
    if mse(image, other) == 0:
        return
    scaled = psnr(image * factor, other * factor, data_range=255 * factor)
    assert scaled == pytest.approx(psnr(image, other, data_range=255), abs=1e-9)


def test_mse_of_float32_is_accumulated_in_float64():
    # In float32 the squares near 2^24 would swallow the ones.
    test = np.ones(5000, np.float32)
    test[0] = 4096
    assert mse(test, np.zeros_like(test)) == (4096**2 + 4999) / 5000


def test_an_infinite_error_is_minus_infinite_psnr():
    assert psnr([np.inf], [0.0], data_range=1) == -math.inf


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_different_shapes_are_refused_and_both_named(metric):
    with pytest.raises(ImageError, match=r"\(12, 13\).*\(13, 12\)"):
        metric(np.zeros((12, 13)), np.zeros((13, 12)), data_range=1)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("data_range", [0, -1, math.nan])
def test_a_range_that_is_not_positive_is_refused(metric, data_range):
    with pytest.raises(OptionError, match="data_range"):
        metric(np.zeros((12, 12)), np.zeros((12, 12)), data_range=data_range)


def test_images_without_values_are_refused():
    with pytest.raises(ImageError, match="no values"):
        mse(np.zeros((0, 3)), np.zeros((0, 3)))


@pytest.mark.parametrize(("shape", "channel_axis"), [((10, 64), None), ((64, 10, 3), -1), ((12,), 0)])
def test_ssim_refuses_images_smaller_than_its_window(shape, channel_axis):
    with pytest.raises(ImageError, match="11x11"):
        ssim(np.zeros(shape), np.zeros(shape), data_range=1, channel_axis=channel_axis)


def test_metrics_leave_their_inputs_unchanged_and_take_read_only_ones():
    test, reference = _pair((16, 16), np.float64)
    kept = test.copy(), reference.copy()
    for values in (test, reference):
        values.flags.writeable = False
    psnr(test, reference, data_range=255)
    ssim(test, reference, data_range=255)
    assert np.array_equal(test, kept[0])
    assert np.array_equal(reference, kept[1])


def _mean(values):
    mean = Mean()
    for value in values:
        mean = mean.add(value)
    return mean


@_law
@given(_SCORES, st.data())
def test_merging_the_means_of_any_split_equals_one_pass_to_the_bit(values, data):
    shuffled = data.draw(st.permutations(values))
    cut = data.draw(st.integers(0, len(values)))
    merged = _mean(shuffled[:cut]).merge(_mean(shuffled[cut:]))
    assert merged == _mean(values)
    assert merged.count == len(values)


@_law
@given(st.lists(st.floats(-200, 200), min_size=1))
def test_the_mean_is_the_exactly_rounded_sum_over_the_count(values):
    # fsum rounds once, and the division rounds again: two roundings against the one of Mean.
    assert _mean(values).value == pytest.approx(
        math.fsum(values) / len(values), rel=4 * sys.float_info.epsilon, abs=sys.float_info.min
    )


def test_an_infinite_score_makes_the_mean_infinite_and_not_a_number_spoils_it():
    infinite, finite = _mean([1.0, math.inf]), _mean([2.0])
    assert infinite.merge(finite).value == finite.merge(infinite).value == math.inf
    assert math.isnan(_mean([1.0, math.nan]).value)
    assert math.isnan(Mean().value)
