"""Correlation of the noise between neighbouring pixels, and banding, from the spectrum of smooth blocks.

The mean square of a DCT coefficient of stationary noise is a weighted sum of its autocovariances; a handful of lags are
solved for by weighted least squares over the coefficients. The lowest frequencies are left out because that is where
texture is, and so are those that vary along one axis only: they hold what whole rows and columns share.
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
    """

    x: float
    y: float
    diagonal: float
    error: float
    power: float
    rows: float
    columns: float
    texture: float


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
    rows, columns = (math.sqrt(max(a / b - 1, 0.0) / SIDE) for a, b in zip(shared, single, strict=True))
    return Correlation(x, y, diagonal, math.sqrt(covariance[1, 1]), power, rows, columns, texture)


def _design() -> FloatArray:
    """Return what each lag's autocovariance adds to each squared coefficient, shape (8, 8, lags)."""
    place = np.arange(SIDE)
    basis = np.cos(np.pi * (place + 0.5) * place[:, None] / SIDE) * math.sqrt(2 / SIDE)
    basis[0] /= math.sqrt(2)
    along = [(basis[:, : SIDE - d] * basis[:, d:]).sum(axis=1) * (2 if d else 1) for d in range(3)]
    return np.stack([np.outer(along[down], along[right]) for down, right in _LAGS], axis=-1)


_DESIGN: Final = _design()
