"""The error of a denoised image from other noisy exposures of the same scene: no model of the noise is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from limpid.core.image import Array, FloatArray
from limpid.evaluation.reference_free.residual import REGION_PX, block_means
from limpid.evaluation.reference_free.risk import Risk

__all__ = ["held_out_risk"]

#: 90 % of a normal distribution lies within this many standard deviations.
_REACH: Final = 1.645


def held_out_risk(noisy: FloatArray, denoised: FloatArray, repeats: Sequence[FloatArray], usable: Array) -> Risk:
    r"""Return the mean squared error, over the channels.

    An exposure :math:`z` with noise of its own, which the denoiser did not see, gives

    .. math:: \mathrm{MSE} = E (D(y) - z)^2 - E (y - z)^2 / 2

    whatever the noise is like, as long as it has zero mean, is as strong in both, and does not repeat. The interval is
    that of the mean over regions of 32 x 32 pixels, which are taken to be independent.

    Parameters
    ----------
    noisy, denoised : float32 array, shape (N, Y, X, C)
        Before and after, in units of the value range.
    repeats : sequence of float32 array, same shape
        The other exposures.
    usable : bool array, same shape
        Pixels that count.
    """
    regions = []
    for c in range(noisy.shape[-1]):
        y, d, use = noisy[..., c], denoised[..., c], usable[..., c]
        each = [np.square(d - z[..., c]) - np.square(y - z[..., c]) / 2 for z in repeats]
        mean: FloatArray = np.where(use, np.mean(each, axis=0, dtype=np.float32), np.float32(0))
        regions.append(block_means(mean, use, REGION_PX))
    found = np.concatenate(regions).astype(np.float64)
    mse = float(found.mean())
    half = _REACH * float(found.std(ddof=1)) / math.sqrt(len(found)) if len(found) > 1 else math.inf
    return Risk(mse=mse, interval=(max(mse - half, 0.0), mse + half))
