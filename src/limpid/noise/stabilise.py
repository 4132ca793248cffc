"""Poisson-Gaussian noise made to have standard deviation 1, and back without bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from limpid.core.image import FloatArray
from limpid.noise.models import PoissonGaussian

__all__ = ["Stabiliser"]

_Doubles = npt.NDArray[np.float64]

#: Signal at which the table of the inverse ends, in quanta. What the asymptotic form beyond it leaves out is
#: below ``read**2 / (8 * (signal + read**2)**2) <= 1 / (32 * signal)`` quanta.
_TOP: Final = 200

#: Linear interpolation between so many values is off by less than 1e-4 quanta.
_KNOTS: Final = 1024


@dataclass(frozen=True)
class Stabiliser:
    r"""The generalised Anscombe transform of one noise model, and its exact unbiased inverse.

    With gain *g*, offset *o* and read noise *r*, and negative radicands counted as 0,

    .. math:: f(z) = 2 \sqrt{\frac{z - o}{g} + \frac{3}{8} + \frac{r^2}{g^2}}

    A denoiser that is told ``sigma = 1`` estimates :math:`E[f(z)]`, and because the root is concave that is
    less than :math:`f(E[z])`: the algebraic inverse of *f* would give an image that is too dark, by a quarter of
    a quantum where there are many. :meth:`inverse` maps :math:`E[f(z)]` to :math:`E[z]` instead.

    Attributes
    ----------
    model : PoissonGaussian
        Noise of the images, in their units.

    References
    ----------
    .. [1] M. Mäkitalo, A. Foi, "Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian
       noise", IEEE Trans. Image Process. 22(1), 2013. :doi:`10.1109/TIP.2012.2202675`
    .. [2] M. Mäkitalo, A. Foi, "A closed-form approximation of the exact unbiased inverse of the Anscombe
       variance-stabilizing transformation", IEEE Trans. Image Process. 20(9), 2011.
       :doi:`10.1109/TIP.2011.2121085`

    Examples
    --------
    >>> stabiliser = Stabiliser(PoissonGaussian(gain=2.0, floor=16.0))
    >>> stable = stabiliser.forward(np.float32([100, 1000]))
    >>> stabiliser.inverse(stable).round(2)  # taken for means of the root, they stand for gain / 4 more
    array([ 100.5, 1000.5], dtype=float32)
    """

    model: PoissonGaussian

    def forward(self, noisy: FloatArray) -> FloatArray:
        """Return the image with its noise stabilised.

        Parameters
        ----------
        noisy : float32 array, any shape
            Noisy pixels, in the units of the model.

        Returns
        -------
        float32 array, same shape
            Values ``>= 0`` whose noise has standard deviation 1, within 3 % from 5 quanta on. With less light, it
            is up to 10 % above where the read noise is about 2 quanta, and falls to ``2 * read_noise / gain /
            sqrt(1.5)`` where it is far below one.
        """
        gain, read = self.model.gain, self._read_quanta
        stable: FloatArray = np.sqrt(np.maximum((noisy - self.model.offset) * (4 / gain) + 4 * _lift(read), 0))
        return stable

    def inverse(self, stable: FloatArray) -> FloatArray:
        """Return the signal whose stabilised noisy pixels have the mean `stable`.

        Parameters
        ----------
        stable : float32 array, any shape
            Denoised values of :meth:`forward`.

        Returns
        -------
        float32 array, same shape
            Signal in the units of the model, never below the offset: a mean lower than that of no light means
            no light.
        """
        dark, step, corrections, slopes = _table(self._read_quanta)
        above = np.maximum(stable - dark, 0)
        # Unlike minimum, fmin gives NaN a place in the table; `above` carries it to the result.
        place = np.fmin(above * (1 / step), _KNOTS - 1)
        knot = place.astype(np.int16)  # a wider integer would turn the float32 it is taken from into float64
        quanta = above * (above + 2 * dark) / 4 + corrections[knot] + (place - knot) * slopes[knot]
        signal: FloatArray = quanta * self.model.gain + self.model.offset
        return signal

    @property
    def _read_quanta(self) -> float:
        return self.model.read_noise / self.model.gain


class _Table(NamedTuple):
    """Signal ``(stable**2 - dark**2) / 4 + correction``, all in quanta, at even steps of `stable` from `dark` on.

    A constant correction makes this the asymptotically unbiased inverse ``stable**2 / 4 - 1/8 - read**2`` of the
    literature. Beyond the table the last correction stays, so that the two join without a step.
    """

    dark: float
    step: float
    corrections: FloatArray
    slopes: FloatArray


@lru_cache(maxsize=64)
def _table(read: float) -> _Table:
    from scipy.special import gammaln, xlogy  # slow to import

    lift = _lift(read)
    # Even steps of the root are nearly even steps of its mean.
    light = np.maximum(np.linspace(math.sqrt(lift), math.sqrt(_TOP + lift), _KNOTS) ** 2 - lift, 0)
    counts = np.arange(_TOP + 10 * math.sqrt(_TOP))
    likely = np.exp(xlogy(counts, light[:, None]) - light[:, None] - gammaln(counts + 1))
    means: _Doubles = likely @ (2 * _mean_root(counts + lift, read))

    stable, step = np.linspace(means[0], means[-1], _KNOTS, retstep=True)
    corrections = np.interp(stable, means, light - (means**2 - means[0] ** 2) / 4).astype(np.float32)
    return _Table(float(means[0]), float(step), corrections, np.diff(corrections, append=corrections[-1]))


def _lift(read: float) -> float:
    return 3 / 8 + read**2


def _mean_root(mean: npt.NDArray[np.floating[Any]], sigma: float) -> _Doubles:
    """Return the mean of ``sqrt(max(x, 0))`` for normal x.

    With ``y = sqrt(x / sigma)`` the integrand is smooth, even and vanishes at both ends, where the plain sum over
    even steps converges faster than any power of the step.
    """
    sigma = max(sigma, 1e-3)  # the means of less noise differ by less than 1e-6
    centre = mean / sigma
    low, high = np.sqrt(np.maximum(centre - 9, 0)), np.sqrt(centre + 9)  # the density beyond 9 sigma is 1e-18
    y, step = np.linspace(low, high, 64, retstep=True)
    density = np.exp(-((y**2 - centre) ** 2) / 2) / math.sqrt(2 * math.pi)
    roots: _Doubles = math.sqrt(sigma) * np.sum(2 * y**2 * density, axis=0) * step
    return roots
