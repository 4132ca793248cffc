"""A denoiser that learns from the one image it is given."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data as pictures

import limpid
from limpid.core.errors import ImageError
from limpid.training.zero_shot import ZeroShot

LEVEL = np.full(1, 25 / 255, np.float32)


@pytest.fixture(scope="module")
def clean():
    return pictures.camera()[200:296, 100:190].astype(np.float32)[..., None] / 255


@pytest.fixture(scope="module")
def noisy(clean):
    return clean + LEVEL * np.random.default_rng(0).standard_normal(clean.shape, dtype=np.float32)


def test_it_removes_noise_without_any_training_data(clean, noisy):
    kept = noisy.copy()
    made = ZeroShot(steps=60).denoise_plane(noisy, LEVEL)
    assert made.shape == clean.shape
    assert np.square(made - clean).mean() < 0.4 * np.square(noisy - clean).mean()
    assert np.array_equal(noisy, kept)


def test_the_same_image_gives_the_same_bytes(noisy):
    first, second = (ZeroShot(steps=3).denoise_plane(noisy, LEVEL) for _ in range(2))
    assert np.array_equal(first, second)


def test_an_image_too_small_to_learn_from_is_refused():
    with pytest.raises(ImageError, match="20 x 12 pixels are too few"):
        ZeroShot(steps=3).denoise_plane(np.zeros((12, 20, 1), np.float32), LEVEL)


def test_it_goes_by_its_name():
    assert limpid.load_model("zero-shot").identity["model"] == "zero-shot"
