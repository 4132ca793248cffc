r"""The error that clipping leaves: near an end of the range noise is cut off on one side, and the mean moves inwards.

A signal at a distance of :math:`\xi` sigma from the end has the mean distance

.. math:: m(\xi) = \xi \Phi(\xi) + \varphi(\xi)

once its Gaussian noise is clipped [1]_. A denoiser, which finds that mean, is off by :math:`m(\xi) - \xi`: at the end
itself by 0.4 sigma. The noise that is left has the variance :math:`(\xi^2 + 1) \Phi(\xi) + \xi \varphi(\xi) - m^2`.

References
----------
.. [1] A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal Processing 89(12), 2009,
   section 3. :doi:`10.1016/j.sigpro.2009.04.035`
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from limpid.core.image import FloatArray

_Doubles = npt.NDArray[np.float64]

__all__ = ["REACH", "Clipping", "clipped"]

#: Further from an end than this many sigma, clipping moves the mean by less than 0.003 sigma.
REACH: Final = 2.5

_KNOTS: Final = 256


@dataclass(frozen=True)
class Clipping:
    """What clipping does to denoised values, arrays of one shape.

    Attributes
    ----------
    bias : float32 array
        How far they are off, in units of the value range (by :func:`clipped`: of the noise).
    variance_share : float32 array
        Variance that is left of the noise, as a share of it.
    """

    bias: FloatArray
    variance_share: FloatArray


def clipped(distance: FloatArray) -> Clipping:
    """Return what clipping did to denoised values, by their distance from the clipped end.

    Parameters
    ----------
    distance : float32 array, any shape
        Inwards, in units of the noise. Where even a signal at the end would lie further in, all of it is bias.
    """
    means, signals, variances = _table()
    bias = np.where(distance < means[-1], np.maximum(distance - np.interp(distance, means, signals), 0), 0)
    return Clipping(bias.astype(np.float32), np.interp(distance, means, variances, right=1.0).astype(np.float32))


@cache
def _table() -> tuple[_Doubles, _Doubles, _Doubles]:
    """Return mean distances of clipped values, the signals they come from, and their variances."""
    from scipy.special import ndtr

    signals = np.linspace(0, REACH + 1, _KNOTS)
    density = np.exp(-(signals**2) / 2) / math.sqrt(2 * math.pi)
    means = signals * ndtr(signals) + density
    return means, signals, (signals**2 + 1) * ndtr(signals) + signals * density - means**2
