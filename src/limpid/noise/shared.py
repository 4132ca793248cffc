"""The noise that several images have in common, measured better than in any of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import numpy as np

from limpid.core.image import Array, Image
from limpid.noise.estimate import estimate_noise
from limpid.noise.result import NoiseEstimate

__all__ = ["estimate_shared_noise"]

#: Least error of the logarithm of a variance, however many images agree: fine texture counts as noise in all of them.
_LEAST_ERROR: Final = 0.03

#: Images that have to agree before their agreement says more than the measurement itself does.
_AGREEING: Final = 3


def estimate_shared_noise(stack: Image) -> NoiseEstimate:
    """Measure noise that is the same in all planes of a stack of different pictures.

    One line is fitted through all of them, so that the smooth parts of some tell of the bright ones of others. How
    far its height may be wrong follows from how far the planes by themselves are from it: what one picture can't tell
    of correlated noise, since its texture is correlated too, several that agree can.

    Parameters
    ----------
    stack : Image
        At most 16 of its planes are looked at.

    Returns
    -------
    NoiseEstimate
        As :func:`~limpid.noise.estimate.estimate_noise` gives it, with another ``sigma_interval``. What repeats in all
        planes is not looked for.
    """
    together = dataclasses.replace(estimate_noise(stack), fixed_pattern=None)
    planes = stack.planes()
    apart = [
        math.log(alone.sigma**2 / expected)
        for one in planes
        if (alone := estimate_noise(dataclasses.replace(stack, values=one, axes="YXC", alpha=None))).sigma > 0
        and (expected := _variance(together, one)) > 0
    ]
    if len(apart) < _AGREEING or together.sigma == 0:
        return together
    error = max(float(np.std(apart, ddof=1)) / math.sqrt(len(apart)), min(together.variance_error, _LEAST_ERROR))
    return dataclasses.replace(together, channels=tuple(one.surely(error) for one in together.channels))


def _variance(noise: NoiseEstimate, plane: Array) -> float:
    """Return the variance that noise has in a plane of mean brightness, mean over the channels; shape (Y, X, C)."""
    means = plane.mean(axis=(0, 1), dtype=np.float64, where=np.isfinite(plane))
    return float(np.mean([model.variance(mean) for model, mean in zip(noise.models, means, strict=True)]))
