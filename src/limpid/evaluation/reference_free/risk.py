r"""The mean squared error of a denoised image, with an interval, without the clean image.

Two estimates are joined. Stein's unbiased one [1]_, for noise of variance *v* and denoiser *D* with divergence *g*
(weighted by the variance, as a share of it),

.. math:: \mathrm{MSE} = \overline{(D(y) - y)^2} - v (1 - 2 g)

needs nothing else, but subtracts two large numbers: at sigma 50, an error of 1 % in sigma moves it by 0.6 dB. The other
one subtracts nothing. The best denoiser there can be has :math:`\mathrm{MSE} = v g`, for any picture (its error has
the covariance :math:`v \partial D / \partial y`, [2]_), and what real ones have beyond that is read off statistics of
what they removed by a small network (``recipes/risk_prior.py``), which says how far it may be wrong. It was trained on
networks and classical methods at right and wrong levels, and knows no denoiser by name. Both, and what is known of the
variance, are joined by Bayes' rule on a grid.

References
----------
.. [1] C. M. Stein, "Estimation of the mean of a multivariate normal distribution", Ann. Statist. 9(6), 1981,
   theorem 1. :doi:`10.1214/aos/1176345632`
.. [2] R. Gribonval, "Should penalized least squares regression be interpreted as maximum a posteriori estimation?",
   IEEE Trans. Signal Process. 59(5), 2011, lemma II.1. :doi:`10.1109/TSP.2011.2107908`
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from limpid.core.ensemble import Ensemble
from limpid.evaluation.reference_free.residual import Residual

__all__ = ["Calibration", "Evidence", "Risk", "measure", "posterior", "prior"]

#: Freedom of Student's t, which the errors of the prior and of measured variances follow (both were fitted so).
_FREEDOM: Final = 4.0

#: Divergence below which a denoiser is taken to ignore its input.
_LEAST_DIVERGENCE: Final = 1e-4

#: Grids: standard deviations of the variance looked at on either side, and how fine; range of the error.
_VARIANCES: Final = np.linspace(-8, 8, 241)
_ERRORS: Final = np.linspace(math.log(1e-5), math.log(1e2), 801)

#: Noise at which errors of measured variances are stated, as a share of the value range.
_TENTH: Final = 0.1

#: Ends of the 90 % interval.
_TAILS: Final = (0.05, 0.5, 0.95)

#: Error of the prior where noise is correlated, which it was not trained on.
_CORRELATED_ERROR: Final = 0.7

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What was measured of one channel, or of several together.

    Attributes
    ----------
    variance : float
        Of the noise, in squared units of the value range.
    energy : float
        Mean square of what was removed, as a share of the variance.
    divergence : float
        Weighted by the variance, as a share of it.
    chance : float
        Standard deviation of Stein's estimate, as a share of the variance.
    features : array
        What the prior reads.
    """

    variance: float
    energy: float
    divergence: float
    chance: float
    features: _Doubles


@dataclass(frozen=True)
class Risk:
    """Mean squared error and its 90 % interval, in squared units of the value range."""

    mse: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """Factors by which errors are larger than they say.

    Attributes
    ----------
    prior, chance : float
        The prior's and Stein's estimate's.
    variance, fading : float
        A measured variance's: `variance` where the noise is a tenth of the value range, and more by the variance to the
        power of ``-fading`` where it is fainter, since then more of it may be texture.
    """

    prior: float
    chance: float
    variance: float
    fading: float = 0.0


def measure(channels: Sequence[Residual]) -> Evidence:
    """Return what channels tell together, each with its response."""
    variances = [c.pixels.mean_variance for c in channels]
    total = sum(variances)
    divergence = sum(v * c.divergence for v, c in zip(variances, channels, strict=True)) / total
    return Evidence(
        variance=total / len(channels),
        energy=sum(v * c.energy for v, c in zip(variances, channels, strict=True)) / total,
        divergence=max(divergence, _LEAST_DIVERGENCE),
        chance=math.sqrt(sum((v * _chance(c)) ** 2 for v, c in zip(variances, channels, strict=True))) / total,
        features=np.mean([c.features() for c in channels], axis=0),
    )


def prior(found: Evidence, *, correlated: bool = False) -> tuple[float, float]:
    """Return the logarithm of the error as a multiple of ``variance * divergence``, and how far it may be wrong.

    Where the noise is correlated, the prior, which was not trained on it, says little.
    """
    excess, error = (float(one) for one in _networks().predict(found.features))
    return excess, max(error, _CORRELATED_ERROR) if correlated else error


def posterior(
    found: Evidence, *, prior: tuple[float, float], variance_error: float, calibration: Calibration | None = None
) -> Risk:
    """Return the error that all that is known speaks for.

    Parameters
    ----------
    found : Evidence
        What was measured.
    prior : (float, float)
        As returned by :func:`prior`.
    variance_error : float
        Scale of the error of the logarithm of the variance; 0 where it is known.
    calibration : Calibration, optional
        Factors on the errors of the three; those of the recipe where not given.
    """
    factor = calibration or _calibration()
    excess, excess_error = prior[0], prior[1] * factor.prior
    variance_error *= factor.variance * (found.variance / _TENTH**2) ** -factor.fading
    shift = _VARIANCES * variance_error if variance_error > 0 else np.zeros(1)
    variance = np.exp(shift)[:, None]
    error = np.exp(_ERRORS)[None, :]  # in units of the variance as measured
    stein = found.energy - variance * (1 - 2 * found.divergence)
    expected = shift[:, None] + math.log(found.divergence) + excess
    log_weight = _log_t((_ERRORS - expected) / excess_error)
    # No finer than the grid of variances, or the truth could fall between two of its lines.
    spacing = (_VARIANCES[1] - _VARIANCES[0]) * variance_error
    fineness = variance * math.hypot(found.chance * factor.chance, spacing)
    log_weight += -0.5 * np.square((error - stein) / fineness) - np.log(fineness)
    if variance_error > 0:
        log_weight += _log_t(_VARIANCES)[:, None]
    below = np.cumsum(np.exp(log_weight - log_weight.max()).sum(axis=0))
    low, middle, high = (math.exp(float(np.interp(share, below / below[-1], _ERRORS))) for share in _TAILS)
    return Risk(mse=middle * found.variance, interval=(low * found.variance, high * found.variance))


def _chance(channel: Residual) -> float:
    """Return the standard deviation of Stein's estimate: that of the energy of Gaussian noise, and of the probe."""
    variance = channel.pixels.variance
    fourth = channel.pixels.mean(np.square(variance)) / channel.pixels.mean_variance**2
    probe = 4 * channel.passed * fourth
    return math.sqrt((2 * fourth + probe) / channel.pixels.count)


def _log_t(z: _Doubles) -> _Doubles:
    density: _Doubles = -(_FREEDOM + 1) / 2 * np.log1p(np.square(z) / _FREEDOM)
    return density


@cache
def _calibration() -> Calibration:
    return Calibration(*(_networks().constant(name) for name in ("prior", "chance", "variance", "fading")))


@cache
def _networks() -> Ensemble:
    return Ensemble.load("limpid.evaluation.reference_free", "risk_prior.npz")
