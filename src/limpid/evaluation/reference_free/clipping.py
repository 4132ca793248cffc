r"""The error that clipping leaves: near an end of the range noise is cut off on one side, and the mean moves inwards.

A signal at a distance of :math:`\xi` sigma from the end has the mean distance

.. math:: m(\xi) = \xi \Phi(\xi) + \varphi(\xi)

once its Gaussian noise is clipped [1]_. A denoiser, which finds that mean, is off by :math:`m(\xi) - \xi`: at the end
itself by 0.4 sigma.

References
----------
.. [1] A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal Processing 89(12), 2009,
   section 3. :doi:`10.1016/j.sigpro.2009.04.035`
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from limpid.core.image import FloatArray

__all__ = ["REACH", "clipping_bias"]

#: Further from an end than this many sigma, clipping moves the mean by less than 0.003 sigma.
REACH: Final = 2.5

_KNOTS: Final = 256


def clipping_bias(distance: FloatArray) -> FloatArray:
    """Return how far denoised values are off by clipping, in units of the noise.

    Parameters
    ----------
    distance : float32 array, any shape
        Of the denoised value from the clipped end, inwards, in units of the noise.

    Returns
    -------
    float32 array, same shape
        ``>= 0``; where even a signal at the end would lie further in, all of the distance.
    """
    means, signals = _table()
    signal = np.interp(distance, means, signals, right=math.inf)
    bias: FloatArray = np.where(distance < means[-1], np.maximum(distance - signal, 0), 0).astype(np.float32)
    return bias


@cache
def _table() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean distances of clipped values, and the signals they come from."""
    from scipy.special import ndtr

    signals = np.linspace(0, REACH + 1, _KNOTS)
    means = signals * ndtr(signals) + np.exp(-(signals**2) / 2) / math.sqrt(2 * math.pi)
    return means, signals
