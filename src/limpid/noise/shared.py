"""The noise that several images have in common, measured better than in any of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from limpid.core.image import Array, Image
from limpid.noise.correlation import Correlation
from limpid.noise.estimate import estimate_noise
from limpid.noise.result import NoiseEstimate

__all__ = ["estimate_shared_noise"]

#: Least error of the logarithm of a variance, however many images agree: fine texture counts as noise in all of them.
_LEAST_ERROR: Final = 0.05

#: Median absolute deviation to standard deviation, for a normal distribution: a few pictures are nothing but texture.
_MAD: Final = 1.4826

#: Planes that are looked at.
_PLANES: Final = 16

#: Images that have to agree before their agreement says more than the measurement itself does.
_AGREEING: Final = 3


def estimate_shared_noise(stack: Image) -> NoiseEstimate:
    """Measure noise that is the same in all planes of a stack of different pictures.

    One line is fitted through all of them, so that the smooth parts of some tell of the bright ones of others. How
    far its height may be wrong follows from how far the planes by themselves are from it. Where the noise is
    correlated, one picture can't tell it from its own texture, which is correlated too; several that agree can: its
    height and its correlation are then the medians of what the planes show by themselves.

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
    planes = stack.planes()
    if len(planes) > _PLANES:
        planes = planes[np.linspace(0, len(planes) - 1, _PLANES).round().astype(int)]
        stack = dataclasses.replace(stack, values=planes, axes="IYXC", alpha=None)
    together = dataclasses.replace(estimate_noise(stack), fixed_pattern=None)
    each = [estimate_noise(dataclasses.replace(stack, values=one, axes="YXC", alpha=None)) for one in planes]
    apart = [
        math.log(alone.sigma**2 / expected)
        for one, alone in zip(planes, each, strict=True)
        if alone.sigma > 0 and (expected := _variance(together, one)) > 0
    ]
    if len(apart) < _AGREEING or together.sigma == 0:
        return together
    middle = float(np.median(apart))
    spread = _MAD * float(np.median(np.abs(np.array(apart) - middle)))
    error = max(spread / math.sqrt(len(apart)), min(together.variance_error, _LEAST_ERROR))
    channels = list(together.channels)
    if 2 * sum(alone.white is False for alone in each) > len(each):
        by = math.exp(middle / 2)
        channels = [
            dataclasses.replace(one.times(by), correlation=_middle([alone.channels[c].correlation for alone in each]))
            for c, one in enumerate(channels)
        ]
    return dataclasses.replace(together, channels=tuple(one.surely(error) for one in channels))


def _variance(noise: NoiseEstimate, plane: Array) -> float:
    """Return the variance that noise has in a plane of mean brightness, mean over the channels; shape (Y, X, C)."""
    means = plane.mean(axis=(0, 1), dtype=np.float64, where=np.isfinite(plane))
    return float(np.mean([model.variance(mean) for model, mean in zip(noise.models, means, strict=True)]))


def _middle(found: Sequence[Correlation | None]) -> Correlation | None:
    """Return the median of each figure of several correlations."""
    known = [dataclasses.astuple(one) for one in found if one is not None]
    if not known:
        return None
    medians = [np.median(np.array(values), axis=0).tolist() for values in zip(*known, strict=True)]
    figures: list[Any] = [tuple(one) if isinstance(one, list) else one for one in medians]
    return Correlation(*figures)
