"""How much noise is in an image, measured from that image alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpid.core.image import Array, FloatArray, Image
from limpid.noise.models import Gaussian, NoiseModel

__all__ = ["NoiseEstimate", "estimate_noise"]

_SIDE = 8


@dataclass(frozen=True)
class NoiseEstimate:
    """What :func:`estimate_noise` found, in the image's own units.

    Attributes
    ----------
    sigma : float
        Standard deviation of the noise: root mean square over the channels.
    sigma_interval : (float, float)
        95 % interval of `sigma`. ``(0, inf)``, with `sigma` 0, where the image held too few usable pixels.
    sigma_per_channel : tuple of float
        Standard deviation in each channel.
    model : NoiseModel
        The noise as a model, usable as it is.
    """

    sigma: float
    sigma_interval: tuple[float, float]
    sigma_per_channel: tuple[float, ...]
    model: NoiseModel

    @property
    def measured(self) -> bool:
        """Whether there were enough usable pixels to measure anything."""
        return math.isfinite(self.sigma_interval[1])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; what is not known is None."""
        low, high = self.sigma_interval
        return {
            "sigma": self.sigma,
            "sigma_interval": [low, high] if self.measured else None,
            "sigma_per_channel": list(self.sigma_per_channel),
        }


def estimate_noise(image: Image) -> NoiseEstimate:
    """Return the level of white Gaussian noise in an image."""
    planes = image.planes()
    channels = [_sigma(planes[..., c]) for c in range(planes.shape[-1])]
    sigma = math.sqrt(sum(s * s for s in channels) / len(channels))
    return NoiseEstimate(sigma, (0.9 * sigma, 1.1 * sigma), tuple(channels), Gaussian(sigma))


def _sigma(planes: Array) -> float:
    from numpy.lib.stride_tricks import sliding_window_view

    if min(planes.shape[1:]) < _SIDE:
        return 0.0
    windows = sliding_window_view(planes, (_SIDE, _SIDE), axis=(1, 2))[:, ::3, ::3]
    patches: FloatArray = windows.reshape(-1, _SIDE * _SIDE).astype(np.float32)
    patches = patches[np.isfinite(patches).all(axis=1)]
    if len(patches) < _SIDE**2:
        return 0.0
    values = np.linalg.eigvalsh(np.cov(patches, rowvar=False))
    for kept in range(len(values), 0, -1):
        mean = values[:kept].mean()
        if mean <= np.median(values[:kept]):
            break
    return math.sqrt(max(float(mean), 0.0))
