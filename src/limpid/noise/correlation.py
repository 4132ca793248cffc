"""Correlation of the noise between neighbouring pixels, and banding, from the spectrum of smooth blocks.

The mean square of a DCT coefficient of stationary noise is a weighted sum of its autocovariances; a handful of lags are
solved for by weighted least squares over the coefficients. The lowest frequencies are left out because that is where
texture is, and so are those that vary along one axis only: they hold what whole rows and columns share.

How far the correlation reaches along an axis is read apart from that: from the coefficients of high frequency along the
other axis, where there is hardly any texture, with the lowest ones along this axis, which tell long lags from short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from limpid.core.image import FloatArray
from limpid.noise.blocks import SIDE

__all__ = ["Correlation", "correlate"]

#: Lags (down, right) solved for; a lag and its mirror images count as one.
_LAGS: Final = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))

#: Coefficients whose two frequencies sum to less hold texture and are left out.
_LOWEST: Final = 4

#: Rounds of reweighting by the fitted spectrum.
_ROUNDS: Final = 3

#: Where coefficients hold less, in units of the noise's variance, they hold nothing: a drawing's straight edges.
_NOTHING: Final = 1e-12


@dataclass(frozen=True)
class Correlation:
    """Correlation coefficients of the noise.

    Attributes
    ----------
    x, y : float
        Between horizontal and vertical neighbours, ``[-1, 1]``.
    diagonal : float
        Between diagonal neighbours.
    error : float
        Standard deviation of these under white noise.
    power : float
        Variance of the noise, all frequencies together, as a multiple of what its high frequencies show:
        1 for white noise, more where neighbours go along with each other.
    rows, columns : float
        Standard deviation of an offset that whole rows (columns) share, as a multiple of that of the noise.
    texture : float
        Relative variance of the energy from block to block: near 0 for noise, large where the blocks hold texture,
        whose neighbours go along with each other too.
    along_x, along_y : tuple of 7 floats
        Correlation coefficients at 1, 2, ... 7 pixels along rows and along columns. What whole rows (columns) share is
        part of them.
    """

    x: float
    y: float
    diagonal: float
    error: float
    power: float
    rows: float
    columns: float
    texture: float
    along_x: tuple[float, ...]
    along_y: tuple[float, ...]

    @property
    def neighbours(self) -> tuple[float, float, float]:
        """Correlation of horizontal, vertical and diagonal neighbours."""
        return self.x, self.y, self.diagonal


def correlate(spectrum: FloatArray, *, independent: float, texture: float) -> Correlation:
    """Return the correlation that a spectrum shows.

    Parameters
    ----------
    spectrum : array, shape (8, 8)
        Mean squared DCT coefficients of smooth blocks, vertical frequency first, in units of the variance
        that high frequencies show.
    independent : float
        How many non-overlapping blocks the mean is worth.
    texture : float
        Relative variance of the blocks' energies.
    """
    inside = np.add.outer(np.arange(SIDE), np.arange(SIDE)) >= _LOWEST
    inside[0] = inside[:, 0] = False
    design, target = _DESIGN[inside], spectrum[inside].astype(np.float64)
    fitted = target
    for _ in range(_ROUNDS):
        weights = 1 / np.maximum(fitted, 0.05 * target.mean())
        solution, *_ = np.linalg.lstsq(design * weights[:, None], target * weights, rcond=None)
        fitted = design @ solution
    covariance = np.linalg.inv(design.T @ design) * 2 / max(independent, 1)
    power = max(float(solution[0]), 1e-6)
    x, y, diagonal = (float(np.clip(solution[i] / power, -1, 1)) for i in (1, 2, 3))
    high = slice(_LOWEST, None)
    shared = float(spectrum[high, 0].mean()), float(spectrum[0, high].mean())
    single = float(spectrum[high, 1:].mean()), float(spectrum[1:, high].mean())
    rows, columns = (math.sqrt(max(a / max(b, _NOTHING) - 1, 0.0) / SIDE) for a, b in zip(shared, single, strict=True))
    error = math.sqrt(covariance[1, 1])
    along_x, along_y = (_along(mean) for mean in (spectrum[high].mean(axis=0), spectrum[:, high].mean(axis=1)))
    return Correlation(x, y, diagonal, error, power, rows, columns, texture, along_x, along_y)


def _along(spectrum: FloatArray) -> tuple[float, ...]:
    """Return the correlation at lags 1 to 7 of rows whose squared coefficients have these means, shape (8,)."""
    # As many lags as coefficients: their autocovariances follow exactly.
    solution = np.linalg.solve(_ALONG, spectrum.astype(np.float64))
    power = max(float(solution[0]), 1e-6)
    return tuple(float(np.clip(one / power, -1, 1)) for one in solution[1:])


def _design() -> FloatArray:
    """Return what each lag's autocovariance adds to each squared coefficient, shape (8, 8, lags)."""
    along = _along_design(3).T
    return np.stack([np.outer(along[down], along[right]) for down, right in _LAGS], axis=-1)


def _along_design(lags: int) -> FloatArray:
    """Return the same of rows alone, shape (8, lags)."""
    place = np.arange(SIDE)
    basis = np.cos(np.pi * (place + 0.5) * place[:, None] / SIDE) * math.sqrt(2 / SIDE)
    basis[0] /= math.sqrt(2)
    return np.stack([(basis[:, : SIDE - d] * basis[:, d:]).sum(axis=1) * (2 if d else 1) for d in range(lags)], axis=-1)


_DESIGN: Final = _design()
_ALONG: Final = _along_design(SIDE)
