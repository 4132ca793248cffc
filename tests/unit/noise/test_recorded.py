"""Estimates of a few seeded images, as they once were: making the estimate faster must not change it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise
from limpid.noise.result import NoiseEstimate

RECORDED: Final = {
    "colour": {
        "sigma": 11.4394,
        "sigma_low": 11.255,
        "sigma_high": 11.6268,
        "gain": 0.994488,
        "gain_high": 1.0877,
        "read_noise": 5.85331,
        "x": 0.000495244,
        "y": -0.00943365,
        "rows": 0.0574296,
        "clipped": 0.0006,
        "impulses": 0,
        "jpeg": 0.00204105,
        "bits": 8,
        "pattern": 0,
    },
    "gray_16_bits": {
        "sigma": 2113.37,
        "sigma_low": 2084.59,
        "sigma_high": 2142.56,
        "gain": 122.815,
        "gain_high": 130.157,
        "read_noise": 751.138,
        "x": -0.00730454,
        "y": -0.00609611,
        "rows": 0.0496618,
        "clipped": 0,
        "impulses": 0,
        "jpeg": 0,
        "bits": 16,
        "pattern": 0,
    },
    "float_with_gaps": {
        "sigma": 7.86648,
        "sigma_low": 7.70059,
        "sigma_high": 8.03595,
        "gain": 0,
        "gain_high": 0.0671471,
        "read_noise": 7.86648,
        "x": -0.032393,
        "y": -0.0270817,
        "rows": 0.083863,
        "clipped": 0,
        "impulses": 0,
        "jpeg": 0,
        "bits": 0,
        "pattern": 0,
    },
    "blurred": {
        "sigma": 7.9811,
        "sigma_low": 0.895822,
        "sigma_high": 71.1055,
        "gain": 0,
        "gain_high": 2.79103,
        "read_noise": 7.9811,
        "x": 0.564427,
        "y": 0.56589,
        "rows": 0.495579,
        "clipped": 0,
        "impulses": 0,
        "jpeg": 0.00205801,
        "bits": 0,
        "pattern": 0,
    },
    "stack": {
        "sigma": 10.1441,
        "sigma_low": 9.96098,
        "sigma_high": 10.3307,
        "gain": 0,
        "gain_high": 0.074215,
        "read_noise": 10.1441,
        "x": 0.0498768,
        "y": 0.0100847,
        "rows": 0.152826,
        "clipped": 0,
        "impulses": 0,
        "jpeg": 0.0110247,
        "bits": 0,
        "pattern": 4.72462,
    },
    "large": {
        "sigma": 622.316,
        "sigma_low": 614.758,
        "sigma_high": 629.967,
        "gain": 31.7563,
        "gain_high": 34.0396,
        "read_noise": 163.959,
        "x": 0.103082,
        "y": 0.0959774,
        "rows": 0.0496186,
        "clipped": 0,
        "impulses": 0,
        "jpeg": 0,
        "bits": 16,
        "pattern": 0,
    },
    "jpeg_with_salt": {
        "sigma": 13.3117,
        "sigma_low": 13.0429,
        "sigma_high": 13.586,
        "gain": 0,
        "gain_high": 0.123589,
        "read_noise": 13.3117,
        "x": -0.012894,
        "y": -0.0524966,
        "rows": 0.0389025,
        "clipped": 0.00253296,
        "impulses": 0.0014801,
        "jpeg": 0.476324,
        "bits": 8,
        "pattern": 0,
    },
}


def _scene(*shape: int) -> np.ndarray:
    """Return smooth parts of all brightnesses between 10 and 240, with edges and a little texture."""
    rng = np.random.default_rng(7)
    coarse = ndimage.zoom(rng.uniform(10, 240, (9, 9)), (shape[0] / 9, shape[1] / 9), order=1)
    y, x = np.indices(shape[:2])
    scene = np.where((x // 37 + y // 53) % 3 == 0, coarse, 250 - coarse) + 4 * np.sin(x * y / 900)
    return scene if len(shape) == 2 else np.stack([scene * share for share in (1, 0.8, 0.5)[: shape[2]]], axis=-1)


def _noisy(*shape: int, gain: float = 0.0, sigma: float = 0.0) -> np.ndarray:
    scene = _scene(*shape)
    return scene + np.sqrt(gain * scene.clip(0) + sigma**2) * np.random.default_rng(8).standard_normal(shape)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _colour() -> Image:
    return Image.from_array(_bytes(_noisy(300, 400, 3, gain=1, sigma=6)))


def _gray_16_bits() -> Image:
    return Image.from_array(np.clip(np.rint(_noisy(512, 640, gain=0.5, sigma=3) * 250), 0, 65535).astype(np.uint16))


def _float_with_gaps() -> Image:
    values = _noisy(200, 260, sigma=8).astype(np.float32)
    values[50:60, 40], values[7, 9] = np.nan, np.inf
    return Image.from_array(values, value_range=(0, 255))


def _blurred() -> Image:
    return Image.from_array(ndimage.gaussian_filter(_noisy(300, 300, sigma=20), 0.7), value_range=(0, 255))


def _stack() -> Image:
    rng = np.random.default_rng(9)
    plane = _scene(160, 150) + 5 * rng.standard_normal((160, 150))
    return Image.from_array(plane + 9 * rng.standard_normal((6, 160, 150)), axes="ZYX", value_range=(0, 255))


def _large() -> Image:
    return Image.from_array((_noisy(1500, 1600, 2, gain=0.3, sigma=2) * 100).clip(0).astype(np.uint16), axes="YXC")


def _jpeg_with_salt() -> Image:
    file = io.BytesIO()
    PIL.Image.fromarray(_bytes(_noisy(256, 256, sigma=12))).save(file, "JPEG", quality=85)
    values = np.array(PIL.Image.open(file))
    values[np.random.default_rng(10).random(values.shape) < 2e-3] = 255
    return Image.from_array(values)


MADE: Final[dict[str, Callable[[], Image]]] = {
    make.__name__.removeprefix("_"): make
    for make in (_colour, _gray_16_bits, _float_with_gaps, _blurred, _stack, _large, _jpeg_with_salt)
}


def _told(noise: NoiseEstimate) -> dict[str, float]:
    """Return what an estimate says, as numbers."""
    assert noise.correlation is not None
    assert noise.read_noise is not None
    return {
        "sigma": noise.sigma,
        "sigma_low": noise.sigma_interval[0],
        "sigma_high": noise.sigma_interval[1],
        "gain": noise.gain,
        "gain_high": noise.gain_interval[1],
        "read_noise": noise.read_noise,
        "x": noise.correlation["x"],
        "y": noise.correlation["y"],
        "rows": noise.banding[0],
        "clipped": sum(noise.clipped_share),
        "impulses": noise.impulse_share,
        "jpeg": noise.jpeg_blocking,
        "bits": noise.bits or 0,
        "pattern": noise.fixed_pattern or 0.0,
    }


@pytest.mark.parametrize("name", MADE)
def test_estimate_is_what_it_was(name: str) -> None:
    """The line least closely: blocks of equal mean may go into either of two bins."""
    told, recorded = _told(estimate_noise(MADE[name]())), RECORDED[name]
    assert told == pytest.approx(recorded, rel=3e-3, abs=2e-4)
    for key in ("sigma", "sigma_low", "sigma_high", "clipped", "impulses", "jpeg", "bits", "pattern"):
        assert told[key] == pytest.approx(recorded[key], rel=1e-5, abs=1e-12)
