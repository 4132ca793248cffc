"""Statistics of what a denoiser removed: how much, how white, how much like the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from limpid.core.image import Array, FloatArray
from limpid.evaluation.reference_free.pixels import ChannelPixels
from limpid.evaluation.reference_free.response import Response

__all__ = ["BLOCK_PX", "REGION_PX", "Residual", "block_means"]

#: Side of the blocks whose energies are compared, and of the regions whose means are.
BLOCK_PX: Final = 8
REGION_PX: Final = 32

#: Box that separates detail from what is smooth.
_DETAIL_PX: Final = 5

#: Distance to pixels that do not count at which means are taken: at 4, those of clipped pictures are as steady as those
#: of others.
_CLEAR_PX: Final = 4

#: Numbers below are taken to be this in logarithms.
_TINY: Final = 1e-6

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Residual:
    """What was removed from one channel, in units of the noise, and how the denoiser answers to a probe.

    Attributes
    ----------
    pixels : ChannelPixels
        Before and after.
    response : Response or None
        Of this channel, shape (N, Y, X); None where the denoiser can't be run.
    """

    pixels: ChannelPixels
    response: Response | None = None

    @cached_property
    def energy(self) -> float:
        """Energy removed, as a share of that of the noise."""
        difference = np.square(self.pixels.noisy - self.pixels.denoised)
        return self.pixels.mean(difference) / self.pixels.mean_variance

    @cached_property
    def share(self) -> float:
        """Energy removed, each pixel in units of its own noise; what correlations are divided by."""
        return max(self._mean(np.square(self.pixels.removed)), _TINY)

    @cached_property
    def divergence(self) -> float:
        """Mean derivative of the output by its own input pixel, each weighted by the variance of its noise."""
        response = self._answered
        weighted = self.pixels.weight * response.probe * response.answer
        return self.pixels.mean(weighted) / self.pixels.mean_variance

    @cached_property
    def passed(self) -> float:
        """Variance of the noise that is left in the output, to first order, as a share of that of the noise."""
        return self.pixels.mean(self.pixels.variance * np.square(self._answered.answer)) / self.pixels.mean_variance

    def correlation(self, down: int, right: int) -> float:
        """Return the autocorrelation of what was removed at a lag of rows and columns."""
        return _lagged(self.pixels.removed, self.pixels.usable, down, right) / self.share

    @cached_property
    def neighbours(self) -> tuple[float, float, float]:
        """Autocorrelation between horizontal, vertical and diagonal neighbours."""
        diagonal = (self.correlation(1, 1) + self.correlation(1, -1)) / 2
        return self.correlation(0, 1), self.correlation(1, 0), diagonal

    @cached_property
    def likeness(self) -> float:
        """Correlation of what was removed with the detail of what is left."""
        detail = self._detail
        return self._mean(self.pixels.removed * detail) / math.sqrt(self.contrast * self.share)

    @cached_property
    def contrast(self) -> float:
        """Energy of the detail of the output, in units of the noise."""
        return max(self._mean(np.square(self._detail)), _TINY)

    @cached_property
    def in_detail(self) -> float:
        """Energy removed, each pixel in units of its own noise, in the tenth of the blocks that hold most detail."""
        energies = block_means(np.square(self.pixels.removed), self.pixels.usable, BLOCK_PX)
        details = block_means(np.square(self._detail), self.pixels.usable, BLOCK_PX)
        most = np.argsort(details)[-max(len(details) // 10, 1) :]
        return float(energies[most].mean(dtype=np.float64))

    @cached_property
    def drift(self) -> float:
        """Spread of the mean of 32 x 32 regions of what was removed, as a multiple of what the noise alone has.

        Pixels near those that don't count are left out: clipping moves the mean of what lies around it.
        """
        usable = self.pixels.usable
        if not usable.all():
            side = 2 * _CLEAR_PX + 1
            usable = ndimage.minimum_filter(usable, size=(1, side, side), mode="nearest")
        means = block_means(np.where(usable, self.pixels.removed, np.float32(0)), usable, REGION_PX)
        return math.sqrt(float(np.mean(np.square(means)))) * REGION_PX if means.size else 0.0

    def features(self) -> _Doubles:
        """Return what the error of a denoiser is read off: ratios that don't change with the unit."""
        response, usable = self._answered, self.pixels.usable
        answer = np.where(usable, response.answer, np.float32(0))
        energies = block_means(np.square(self.pixels.removed), usable, BLOCK_PX)
        lows = block_means(self.pixels.removed, usable, BLOCK_PX)
        passed = block_means(np.square(answer), usable, BLOCK_PX)
        kept = block_means(response.probe * answer, usable, BLOCK_PX)
        gain = max(self._mean(np.square(answer)), _TINY)
        variance = self.pixels.mean(np.square(self.pixels.variance)) / self.pixels.mean_variance**2
        fourth = self._mean(self.pixels.removed**4) / self.share**2
        quarters = np.array_split(np.argsort(passed), 4)
        logarithms = [
            self.divergence,
            self.passed / max(self.divergence, _TINY),
            fourth,
            _relative_variance(energies),
            float(np.mean(np.square(lows))) * BLOCK_PX**2 / self.share,
            self.contrast,
            variance,
            self.pixels.count,
            _relative_variance(passed),
            *(float(energies[q].mean()) / self.share for q in quarters),
            *(float(passed[q].mean()) / gain for q in quarters),
            *(float(kept[q].mean()) / max(float(passed[q].mean()), _TINY) for q in quarters),
        ]
        plain = [
            *self.neighbours,
            self.correlation(0, 2),
            self.correlation(2, 0),
            self.likeness,
            _lagged(answer, usable, 0, 1) / gain,
            _lagged(answer, usable, 1, 0) / gain,
            _correlation(energies, passed),
        ]
        return np.array([*np.log(np.maximum(logarithms, _TINY)), *plain])

    @property
    def _answered(self) -> Response:
        assert self.response is not None, "asked for the answer of a denoiser that was not run"
        return self.response

    @cached_property
    def _detail(self) -> FloatArray:
        after = self.pixels.denoised
        smooth = ndimage.uniform_filter(after, (0, _DETAIL_PX, _DETAIL_PX))
        detail: FloatArray = np.where(self.pixels.usable, (after - smooth) / self.pixels.sigma, np.float32(0))
        return detail

    def _mean(self, values: FloatArray) -> float:
        return self.pixels.mean(values)


def block_means(values: FloatArray, usable: Array, side: int) -> FloatArray:
    """Return the means over square blocks of which at least half is usable; `values` are 0 where they aren't."""
    height, width = (length // side * side for length in values.shape[1:])
    if not height or not width:
        return np.array([values.sum() / max(int(usable.sum()), 1)], np.float32)

    def totals(a: Array) -> FloatArray:
        cut = a[:, :height, :width].reshape(len(a), height // side, side, width // side, side)
        total: FloatArray = cut.sum(axis=(2, 4), dtype=np.float32).ravel()
        return total

    counts = totals(usable)
    enough = counts >= side**2 / 2
    means: FloatArray = totals(values)[enough] / counts[enough]
    return means


def _lagged(values: FloatArray, usable: Array, down: int, right: int) -> float:
    """Return the mean product of values that lie `down` rows and `right` columns apart; both 0 where not usable."""
    rows, height = slice(down, None), values.shape[1] - down
    ahead, behind = slice(max(right, 0), None), slice(max(-right, 0), None)
    columns = values.shape[2] - abs(right)
    one = (slice(None), rows, slice(ahead.start, ahead.start + columns))
    two = (slice(None), slice(0, height), slice(behind.start, behind.start + columns))
    count = int((usable[one] & usable[two]).sum())
    return float(np.sum(values[one] * values[two], dtype=np.float64)) / max(count, 1)


def _relative_variance(values: FloatArray) -> float:
    return float(values.var() / max(float(values.mean()) ** 2, _TINY)) if values.size else _TINY


def _correlation(one: FloatArray, two: FloatArray) -> float:
    spread = float(one.std() * two.std())
    return float(np.mean((one - one.mean()) * (two - two.mean()))) / spread if spread > _TINY else 0.0
