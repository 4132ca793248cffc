"""How many neighbours are hidden, by the noise that was measured."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from skimage import data as pictures

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise
from limpid.training.strategies.mask import mask_reach

SIGMA = 25


def estimate(spread, picture="camera", seed=0):
    """Return the measured noise of a picture whose noise is the mean of so many (rows, columns) of white noise."""
    clean = getattr(pictures, picture)()[:192, :192].astype(np.float32)
    white = np.random.default_rng(seed).standard_normal(clean.shape)
    noise = SIGMA * np.sqrt(np.prod(spread)) * ndimage.uniform_filter(white, spread, mode="wrap")
    return estimate_noise(Image.from_array((clean + noise).astype(np.float32), value_range=(0, 255)))


@pytest.mark.parametrize("picture", ["camera", "coins", "grass"])
@pytest.mark.parametrize(
    ("spread", "reach"),
    [((1, 1), (0, 0)), ((1, 3), (0, 2)), ((4, 1), (3, 0)), ((1, 4), (0, 3)), ((2, 2), (1, 1)), ((3, 3), (2, 2))],
)
def test_the_mask_reaches_as_far_as_the_noise_is_correlated(picture, spread, reach):
    """Means of n pixels go together up to n - 1 pixels apart; at that lag by 1 / n. Texture can add a pixel."""
    found = mask_reach([estimate(spread, picture)])
    assert found is not None
    assert all(abs(one - two) <= 1 for one, two in zip(found, reach, strict=True))
    if picture != "grass":
        assert found == reach


@pytest.mark.parametrize("spread", [(1, 20), (20, 1), (7, 7)])
def test_noise_that_goes_further_than_can_be_hidden_has_no_mask(spread):
    assert mask_reach([estimate(spread)]) is None


def test_jpeg_files_have_no_mask():
    assert mask_reach([dataclasses.replace(estimate((1, 1)), jpeg_blocking=1.0)]) is None


def test_one_image_in_three_that_is_unlike_does_not_matter():
    rows, white = estimate((1, 3), "coins"), estimate((1, 1), "coins")
    assert mask_reach([rows, white, rows]) == mask_reach([rows])
    assert mask_reach([white, rows, white]) == (0, 0)


def test_where_nothing_can_be_told_nothing_is_hidden():
    tiny = estimate_noise(Image.from_array(np.random.default_rng(0).random((12, 12), np.float32), value_range=(0, 1)))
    assert tiny.white is None
    assert mask_reach([tiny]) == (0, 0)
