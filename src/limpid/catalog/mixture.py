"""A mixture of noises, fitted to measures whose errors are known.

An image belongs to a noise as far as its measures agree with it:

- the logarithm of its variance, at its own mean brightness, with ``gain * signal + floor`` there;
- its gain, with the noise's;
- its two correlations, with the noise's.

The first two hardly depend on each other: the slope of a line and its height at the mean of the points it was fitted to
never do. A difference counts in units of the measure's own error and of what pictures add to it by their texture, and
follows a Student's t of 4 degrees of freedom, as the errors do (:mod:`limpid.noise.result`), so that images that were
measured badly draw no noise towards them. The fit is by expectation maximisation, with weights for Student's t [1]_.
The number of noises grows by splitting one of them for as long as the Bayesian information criterion falls.

References
----------
.. [1] D. Peel, G. J. McLachlan, "Robust mixture modelling using the t distribution", Statistics and Computing 10, 2000,
   equations 16 to 21. :doi:`10.1023/A:1008981510081`
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Measures", "Noise", "agreement", "fit_noises"]

FloatArray = npt.NDArray[np.float64]

#: Degrees of freedom of the errors.
_DEGREES: Final = 4.0

#: What texture adds to the errors, as standard deviations: of the logarithm of the variance, of the gain as a share of
#: it, and of a correlation. Medians over 185 pictures of the training pool with five noises of known parameters.
_LOG_VARIANCE: Final = 0.06
_GAIN: Final = 0.1
_CORRELATION: Final = 0.08

#: A variance by the line is never taken for less than this share of the one that was measured.
_LEAST: Final = 0.02

#: A gain of less than this many standard errors is none, and so is one that makes less difference from black to white
#: than texture makes to the gain.
_SURE: Final = 3.0

#: Measures that images are told apart by.
_MEASURES: Final = 4

#: Numbers that a noise adds to the model: gain, floor, two correlations, and its share.
_PARAMETERS: Final = 5

#: Noises at most, rounds of the fit at most and those that tell which split is best, and the rise of the logarithm of
#: the likelihood that ends it.
_MOST: Final = 12
_ROUNDS: Final = 60
_TRIAL_ROUNDS: Final = 10
_SETTLED: Final = 0.1


@dataclass(frozen=True)
class Measures:
    """What was measured of some images, each array of shape (images,); NaN where it is not known.

    Attributes
    ----------
    mean, variance, gain : array
        Of values from 0 to 1.
    x, y : array
        Correlation between horizontal and between vertical neighbours.
    variance_error : array
        Of the logarithm.
    gain_error, correlation_error : array
        Standard deviations.
    """

    mean: FloatArray
    variance: FloatArray
    variance_error: FloatArray
    gain: FloatArray
    gain_error: FloatArray
    x: FloatArray
    y: FloatArray
    correlation_error: FloatArray

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Noise:
    """One noise of a mixture, in units of values from 0 to 1.

    Attributes
    ----------
    gain, floor : float
        ``variance = gain * signal + floor``.
    x, y : float
        Correlation between neighbours.
    share : float
        Of the images.
    """

    gain: float
    floor: float
    x: float
    y: float
    share: float


def fit_noises(measures: Measures) -> list[Noise]:
    """Return the noises that explain measures best, the one with the largest share first."""
    noises = _settled(measures, np.ones((len(measures), 1)))
    while len(noises) < _MOST:
        halves = (_halved(measures, noises, k, j) for k in range(len(noises)) for j in range(_MEASURES))
        trials = (_settled(measures, one, rounds=_TRIAL_ROUNDS) for one in halves)
        start = min(trials, key=lambda one: _criterion(measures, one))
        best = _settled(measures, agreement(measures, start)[0])
        if _criterion(measures, best) >= _criterion(measures, noises):
            break
        noises = best
    return sorted(noises, key=lambda one: -one.share)


def agreement(measures: Measures, noises: Sequence[Noise]) -> tuple[FloatArray, FloatArray]:
    """Return how likely each image has each noise, shape (images, noises), and how far it is from each.

    The distance is the root mean square of its differences, in units of their errors.
    """
    differences, scales, known = _differences(measures, noises)
    logs = _log_density(differences, scales, known) + np.log([one.share for one in noises])
    likely = np.exp(logs - logs.max(axis=1, keepdims=True))
    squares = np.where(known, (differences / scales) ** 2, 0).sum(axis=2)
    distance = np.sqrt(squares / np.maximum(known.sum(axis=2), 1))
    return likely / likely.sum(axis=1, keepdims=True), distance


def _differences(measures: Measures, noises: Sequence[Noise]) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Return differences between measures and noises, their scales, and which are known, shape (images, noises, 4)."""
    gain, floor, x, y = (np.array([getattr(one, name) for one in noises]) for name in ("gain", "floor", "x", "y"))
    one = {name: getattr(measures, name)[:, None] for name in measures.__dataclass_fields__}
    line = np.maximum(gain * one["mean"] + floor, _LEAST * one["variance"])
    steeper = np.maximum(gain, one["gain"])
    pairs = (
        (np.log(one["variance"] / line), np.hypot(one["variance_error"], _LOG_VARIANCE)),
        (one["gain"] - gain, np.hypot(one["gain_error"], _GAIN * steeper)),
        (one["x"] - x, np.hypot(one["correlation_error"], _CORRELATION)),
        (one["y"] - y, np.hypot(one["correlation_error"], _CORRELATION)),
    )
    shape = (len(measures), len(noises))
    differences, scales = (np.stack([np.broadcast_to(pair[i], shape) for pair in pairs], axis=2) for i in (0, 1))
    known = np.isfinite(differences) & np.isfinite(scales) & (scales > 0)
    return np.where(known, differences, 0.0), np.where(known, scales, 1.0), known


def _log_density(differences: FloatArray, scales: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the logarithm of Student's t, but for a constant of each image, summed over what is known."""
    each = -np.log(scales) - (_DEGREES + 1) / 2 * np.log1p((differences / scales) ** 2 / _DEGREES)
    total: FloatArray = np.where(known, each, 0).sum(axis=2)
    return total


def _log_likelihood(measures: Measures, noises: Sequence[Noise]) -> float:
    logs = _log_density(*_differences(measures, noises)) + np.log([one.share for one in noises])
    top = logs.max(axis=1)
    return float((top + np.log(np.exp(logs - top[:, None]).sum(axis=1))).sum())


def _criterion(measures: Measures, noises: Sequence[Noise]) -> float:
    return _PARAMETERS * len(noises) * math.log(len(measures)) - 2 * _log_likelihood(measures, noises)


def _settled(measures: Measures, belongs: FloatArray, *, rounds: int = _ROUNDS) -> list[Noise]:
    """Return the noises that a first guess of what belongs where leads to; those that nothing is left to vanish."""
    noises = _starting(measures, belongs)
    before = -math.inf
    for _ in range(rounds):
        belongs, _ = agreement(measures, noises)
        noises = [_fitted(measures, belongs[:, k], one) for k, one in enumerate(noises)]
        noises = [one for one in noises if one.share * len(measures) >= 1]
        now = _log_likelihood(measures, noises)
        if now - before < _SETTLED:
            break
        before = now
    return noises


def _starting(measures: Measures, belongs: FloatArray) -> list[Noise]:
    noises = []
    for column in belongs.T:
        if column.sum() >= 1:
            weights = np.maximum(column, 0)
            variance = math.exp(float(np.average(np.log(measures.variance), weights=weights)))
            x, y = (float(np.average(np.nan_to_num(values), weights=weights)) for values in (measures.x, measures.y))
            noises.append(_fitted(measures, column, Noise(0.0, variance, x, y, 1.0)))
    return noises


def _fitted(measures: Measures, belongs: FloatArray, before: Noise) -> Noise:
    """Return the noise that fits what belongs to it, each image weighed by its agreement with the noise before."""
    differences, scales, known = (part[:, 0] for part in _differences(measures, [before]))
    weights = belongs[:, None] * (_DEGREES + 1) / (_DEGREES + (differences / scales) ** 2) / scales**2
    weights = np.where(known, weights, 0)
    gain, floor = _line(measures, weights[:, 0], weights[:, 1], before)
    x, y = (
        float((weights[:, i] * np.nan_to_num(values)).sum() / max(weights[:, i].sum(), 1e-30))
        for i, values in ((2, measures.x), (3, measures.y))
    )
    return Noise(gain, floor, x, y, max(float(belongs.mean()), 1e-12))


def _line(measures: Measures, weights: FloatArray, gain_weights: FloatArray, before: Noise) -> tuple[float, float]:
    """Return gain and floor by a step of Gauss and Newton: the variance counts by its logarithm.

    The gain is 0 where the variance is not seen to depend on the signal.
    """
    mean, gain = measures.mean, np.nan_to_num(measures.gain)
    line = np.maximum(before.gain * mean + before.floor, _LEAST * measures.variance)
    target = line * (1 + np.log(measures.variance / line))
    weights = weights / line**2
    both = (weights * mean).sum()
    normal = np.array([[(weights * mean**2).sum() + gain_weights.sum(), both], [both, weights.sum()]])
    sums = np.array([(weights * mean * target).sum() + (gain_weights * gain).sum(), (weights * target).sum()])
    slope, floor = np.linalg.lstsq(normal, sums, rcond=None)[0]
    error = math.sqrt(max(np.linalg.pinv(normal)[0, 0], 0.0))
    if slope > max(_SURE * error, _GAIN * floor):
        return float(slope), float(floor)
    return 0.0, float(sums[1] / max(weights.sum(), 1e-30))


def _halved(measures: Measures, noises: Sequence[Noise], k: int, j: int) -> FloatArray:
    """Return what belongs where once a noise is split at the mean difference in one of the measures."""
    belongs, _ = agreement(measures, noises)
    differences, scales, _ = (part[:, 0, j] for part in _differences(measures, [noises[k]]))
    # Beyond a few errors, further away is no more different.
    away = np.tanh(differences / scales / _DEGREES)
    above = away > np.average(away, weights=belongs[:, k] + 1e-12)
    halves = np.stack([belongs[:, k] * above, belongs[:, k] * ~above], axis=1)
    return np.hstack([np.delete(belongs, k, axis=1), halves])
