"""The line that the variance of noise follows: ``variance = gain * signal + floor``, fitted to blocks.

Blocks are sorted by their mean into bins; the level in each bin is measured with the correction for texture, and a
line is fitted through the levels, each weighted by its own error, outliers bounded (Huber). Its shape comes
from the bins, its height from all blocks together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from limpid.core.image import FloatArray
from limpid.noise.correction import Level, measure_level, measure_levels
from limpid.noise.order import rising, taken

__all__ = ["Line", "fit_line"]

#: Pixels that a bin of signals should have, and how many bins there may be.
_BIN_PX: Final = 12_000
_BINS_LEAST, _BINS_MOST = 3, 12
#: Fewer blocks than this don't make a bin.
_BLOCKS_LEAST: Final = 64

#: Errors of a variance below this are rounding: nothing there is noise.
_NO_ERROR: Final = 1e-18

_ROUNDS: Final = 3
_HUBER: Final = 1.5

#: A gain that many standard deviations above 0 is one; below, the noise is taken to be the same everywhere.
_SIGNIFICANT: Final = 3.0

#: Least variance anywhere, as a share of the mean variance.
_LEAST: Final = 0.02


@dataclass(frozen=True)
class Line:
    """Variance against signal.

    Attributes
    ----------
    gain, floor : float
        Of the line; gain is 0 where it is not significant.
    gain_error, floor_error : float
        Their standard deviations; infinite where there were too few pixels to tell.
    level : Level
        Variance, averaged over the blocks, and its error.
    signal : float
        Mean signal of the blocks.
    points : array, shape (bins, 3)
        Signal, variance and standard deviation of the variance of each bin.
    """

    gain: float
    floor: float
    gain_error: float
    floor_error: float
    level: Level
    signal: float
    points: npt.NDArray[np.floating[Any]]

    def variance(self, signal: FloatArray) -> FloatArray:
        """Return the variance at a signal, never below a fiftieth of the mean variance."""
        line: FloatArray = np.maximum(self.gain * signal + self.floor, _LEAST * self.level.variance)
        return line


def fit_line(mean: FloatArray, energy: FloatArray, *, step: int) -> Line:
    """Fit the line to blocks; parameters as in :class:`limpid.noise.blocks.Blocks`, all of them usable."""
    level = measure_level(energy, step=step)
    signal = float(mean.mean(dtype=np.float64))
    line = Line(0.0, level.variance, math.inf, math.inf, level, signal, np.empty((0, 3), np.float32))
    bins = min(len(mean) * step**2 // _BIN_PX, _BINS_MOST, len(mean) // _BLOCKS_LEAST)
    if max(bins, _BINS_LEAST) * _BLOCKS_LEAST > len(mean) or level.variance <= 0:
        return line
    members = _binned(mean, energy, max(bins, _BINS_LEAST))
    for _ in range(2):
        points = np.concatenate([_points(signals, energies, line, step) for signals, energies in members])
        line = _through(points, level, signal)
    # Blocks divided by one variance all the same show what they showed before.
    one = level._replace(variance=1.0)
    return _scaled(line, measure_level(energy / line.variance(mean), step=step) if line.gain > 0 else one, mean)


def _binned(mean: FloatArray, energy: FloatArray, bins: int) -> list[tuple[FloatArray, FloatArray]]:
    """Return bins of equal length, shapes (bins, N) and (7, bins, N): first those that have one block more, if any."""
    order = rising(mean[None])[0]
    length, longer = divmod(len(mean), bins)
    parts = (longer, order[: longer * (length + 1)]), (bins - longer, order[longer * (length + 1) :])
    return [
        (mean[which].reshape(count, -1), np.take(energy, which, axis=1).reshape(len(energy), count, -1))
        for count, which in parts
        if count
    ]


def _points(mean: FloatArray, energy: FloatArray, line: Line, step: int) -> npt.NDArray[np.float64]:
    """Return signal, variance and its error in each bin, shape (bins, 3)."""
    scaled = energy / line.variance(mean)
    levels = measure_levels(scaled, step=step)
    share = mean.shape[1] // 5
    few = np.argpartition(scaled[0], share, axis=1)[:, : share + 1]
    signal = taken(mean, few).mean(axis=1, dtype=np.float64)
    variance = line.variance(signal) * [level.variance for level in levels]
    return np.stack([signal, variance, variance * [level.error for level in levels]], axis=1)


def _through(points: npt.NDArray[np.floating[Any]], level: Level, signal: float) -> Line:
    x, y, error = points.T
    weight = 1 / np.maximum(np.maximum(error, 1e-3 * y), _NO_ERROR) ** 2
    robust = np.ones_like(weight)
    for _ in range(_ROUNDS):
        w = weight * robust
        middle = (w @ x) / w.sum()
        spread = w @ (x - middle) ** 2
        gain = (w @ ((x - middle) * y)) / max(spread, 1e-30)
        height = (w @ y) / w.sum()
        z = np.abs(y - height - gain * (x - middle)) * np.sqrt(weight)
        robust = np.minimum(1, _HUBER / np.maximum(z, 1e-9))
    misfit = max(1.0, float((robust * z**2).sum()) / max(len(x) - 2, 1))
    gain_error = math.sqrt(misfit / max(spread, 1e-30))
    if gain < _SIGNIFICANT * gain_error:
        floor_error = math.sqrt(misfit / w.sum())
        return Line(0.0, level.variance, gain_error, floor_error, level, signal, points)
    floor_error = math.sqrt(misfit / w.sum() + (gain_error * middle) ** 2)
    return Line(float(gain), float(height - gain * middle), gain_error, floor_error, level, signal, points)


def _scaled(line: Line, scale: Level, mean: FloatArray) -> Line:
    """Return the line at the height that all blocks together show."""
    by = scale.variance
    variance = by * float(line.variance(mean).mean(dtype=np.float64))
    return Line(
        line.gain * by,
        line.floor * by,
        math.hypot(line.gain_error * by, line.gain * by * scale.error),
        math.hypot(line.floor_error * by, line.floor * by * scale.error),
        Level(variance, scale.error, scale.reach),
        line.signal,
        line.points,
    )
