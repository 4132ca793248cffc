import numpy as np
import pytest
from scipy import ndimage

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise
from limpid.noise.shared import estimate_shared_noise

KERNEL = np.outer([1, 2, 1], [1, 2, 1]) / 6


def _scenes(count, side=160):
    """Pictures with shades, edges and some fine texture, each different."""
    for number in range(count):
        rng = np.random.default_rng(number)
        shades = ndimage.zoom(rng.uniform(60, 190, (6, 6)), side / 6, order=1)
        texture = 12 * ndimage.gaussian_filter(rng.standard_normal((side, side)), 1.0)
        yield shades + 25 * (ndimage.gaussian_filter(rng.standard_normal((side, side)), 12) > 0) + texture


def _stack(noise, count=6):
    planes = [scene + noise(scene, np.random.default_rng([1, n])) for n, scene in enumerate(_scenes(count))]
    return Image.from_array(np.stack(planes).clip(0, 255).astype(np.uint8), axes="IYX")


def _correlated(scene, rng):
    return 10 * ndimage.convolve(rng.standard_normal(scene.shape), KERNEL, mode="wrap")


def test_correlated_noise_is_surer_in_several_images_than_in_one():
    stack = _stack(_correlated)
    shared, alone = estimate_shared_noise(stack), estimate_noise(stack)
    assert shared.sigma == pytest.approx(10, rel=0.05)
    assert shared.variance_error < alone.variance_error / 3
    low, high = shared.sigma_interval
    assert low < 10 < high
    assert shared.white is False


def test_noise_that_depends_on_the_signal_is_one_line_through_all_images():
    shared = estimate_shared_noise(_stack(lambda s, rng: np.sqrt(0.8 * s + 9) * rng.standard_normal(s.shape)))
    assert shared.gain == pytest.approx(0.8, rel=0.15)
    assert shared.fixed_pattern is None


def test_images_that_do_not_agree_make_it_less_sure():
    levels = iter([3, 30, 3, 30, 3, 30])
    stack = _stack(lambda scene, rng: next(levels) * rng.standard_normal(scene.shape))
    assert estimate_shared_noise(stack).variance_error > 3 * estimate_noise(stack).variance_error


def test_two_images_are_too_few_to_agree():
    stack = _stack(_correlated, count=2)
    assert estimate_shared_noise(stack).sigma_interval == estimate_noise(stack).sigma_interval


def test_stacks_without_noise_have_none():
    stack = Image.from_array(np.zeros((4, 32, 32), np.uint8), axes="IYX")
    assert estimate_shared_noise(stack).sigma == 0
