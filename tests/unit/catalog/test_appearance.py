"""Numbers that say how an image looks."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from limpid.catalog.appearance import perceptual_hash, sharpness
from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise

PICTURES = [data.camera(), data.moon(), data.coins(), data.brick(), data.grass(), data.page()]


def differing(one, other):
    return bin((one ^ other) & (2**64 - 1)).count("1")


def sharp(pixels):
    image = Image.from_array(np.rint(pixels).clip(0, 255).astype(np.uint8))
    return sharpness(image.planes()[0], estimate_noise(image))


@pytest.mark.parametrize("picture", PICTURES)
def test_a_copy_that_is_smaller_noisy_or_brighter_has_nearly_the_same_hash(picture):
    whole = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2].astype(np.float32)
    small = (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) / 4
    noisy = whole + np.random.default_rng(0).normal(0, 10, whole.shape)
    own = perceptual_hash(whole[..., None])
    for copy in (small, noisy, whole / 2 + 30):
        assert differing(own, perceptual_hash(copy[..., None])) <= 10


def test_different_pictures_have_different_hashes():
    hashes = [perceptual_hash(picture[..., None]) for picture in PICTURES]
    assert min(differing(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) >= 14


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 200, 3), (31, 33, 1)])
def test_an_image_of_any_size_has_a_hash_of_64_bits(shape):
    found = perceptual_hash(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8))
    assert -(2**63) <= found < 2**63


def test_blur_lowers_sharpness_and_noise_leaves_it():
    picture = data.camera().astype(np.float64)
    rng = np.random.default_rng(0)
    blurred = [sharp(ndimage.gaussian_filter(picture, sigma)) for sigma in (0, 0.7, 1.5, 3)]
    assert blurred == sorted(blurred, reverse=True)
    assert blurred[-1] < blurred[0] / 5
    assert sharp(picture + rng.normal(0, 10, picture.shape)) == pytest.approx(blurred[0], rel=0.1)


def test_correlated_noise_neither_adds_to_sharpness_nor_takes_from_it():
    picture = data.camera().astype(np.float64)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(picture.shape), 0.7)
    assert sharp(picture + 15 * noise / noise.std()) == pytest.approx(sharp(picture), rel=0.1)


def test_what_has_no_edges_to_tell_by_has_no_sharpness():
    for pixels in (np.full((40, 40), 9.0), np.zeros((2, 2))):
        assert sharp(pixels) is None
