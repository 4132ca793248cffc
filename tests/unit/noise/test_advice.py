from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise
from limpid.noise.models import Gaussian, NoiseModel, PoissonGaussian
from limpid.noise.result import NoiseEstimate

CAMERA = data.camera().astype(np.float32)


def _estimate(values: np.ndarray) -> NoiseEstimate:
    return estimate_noise(Image.from_array(values, value_range=(0, 255)))


def _noisy(model: NoiseModel) -> np.ndarray:
    return model.sample(CAMERA, rng=np.random.default_rng(0))


def _codes(noise: NoiseEstimate) -> list[str]:
    return [one.code for one in noise.advice]


def test_white_noise_of_one_level_is_denoised_at_that_level() -> None:
    assert _codes(_estimate(_noisy(Gaussian(15.0)))) == ["level", "white"]


def test_picture_without_noise_is_left_alone() -> None:
    assert _codes(_estimate(CAMERA)) == ["clean"]


def test_noise_that_grows_with_the_signal_is_said_to() -> None:
    assert "signal-dependent" in _codes(_estimate(_noisy(PoissonGaussian(3.0, 20.0))))


def test_correlated_noise_rules_out_training_on_neighbours() -> None:
    (text,) = (one.text for one in _estimate(_blurred()).advice if one.code == "correlated")
    assert "Noise2Void and Neighbor2Neighbor are invalid" in text


def _blurred() -> np.ndarray:
    return ndimage.uniform_filter(_noisy(Gaussian(40.0)), 3)


def test_image_that_can_not_be_measured_gets_one_advice() -> None:
    assert _codes(_estimate(np.zeros((4, 4), np.float32) + np.eye(4, dtype=np.float32))) == ["unmeasured"]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("impulses", {"impulse_share": 0.01}),
        ("clipped", {"clipped_share": (0.0, 0.1)}),
        ("jpeg", {"jpeg_blocking": 0.5}),
    ],
)
def test_what_is_wrong_with_the_pixels_is_named(code: str, change: dict) -> None:
    noise = _estimate(_noisy(Gaussian(15.0)))
    assert code not in _codes(noise)
    assert code in _codes(dataclasses.replace(noise, **change))


def test_channels_that_differ_are_named() -> None:
    values = np.stack([_noisy(Gaussian(s)) for s in (5.0, 15.0, 5.0)], axis=-1)
    assert "channels-differ" in _codes(_estimate(values))
