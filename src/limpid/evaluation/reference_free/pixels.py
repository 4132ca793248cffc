"""What an assessment looks at: the pixels of one channel, before and after, and the noise they are taken to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from limpid.core.image import Array, FloatArray
from limpid.noise.levels import level_map
from limpid.noise.models import NoiseModel

__all__ = ["ChannelPixels", "split_channels"]

#: Least standard deviation of noise at a pixel, as a share of the value range: less than a tenth of 16 bits' rounding.
_LEAST_SIGMA: Final = 1e-6


@dataclass(frozen=True)
class ChannelPixels:
    """One channel, shape (N, Y, X), in units of the value range.

    Attributes
    ----------
    noisy, denoised : float32 array
        Before and after. Where `usable` is false they may hold anything finite.
    variance : float32 array
        Variance of the noise at each pixel.
    weight : float32 array
        What the derivative of the output by its own input counts with: the variance half-way between the noisy and the
        denoised value. For counting noise, that takes its skewness into account: the covariance of noise and output is
        ``E[v(y) D'] - g^2 E[y D''] / 2``, and ``g^2 E[y D'']`` is the difference between weights that follow the noisy
        values and weights that follow the clean ones, for which the denoised stand [1]_.
    mean_variance : float
        Mean variance of the noise, without the bias that a local estimate may have.
    usable : bool array
        Pixels whose noise follows the model: finite, not clipped, not repaired.

    References
    ----------
    .. [1] F. Luisier, T. Blu, M. Unser, "Image denoising in mixed Poisson-Gaussian noise", IEEE Trans. Image Process.
       20(3), 2011: theorem 1, to the second order. :doi:`10.1109/TIP.2010.2073477`
    """

    noisy: FloatArray
    denoised: FloatArray
    variance: FloatArray
    weight: FloatArray
    mean_variance: float
    usable: Array

    @cached_property
    def sigma(self) -> FloatArray:
        """Standard deviation of the noise at each pixel."""
        sigma: FloatArray = np.sqrt(self.variance)
        return sigma

    @cached_property
    def removed(self) -> FloatArray:
        """What was removed, in units of the noise at each pixel; 0 where a pixel isn't usable."""
        removed: FloatArray = np.where(self.usable, (self.noisy - self.denoised) / self.sigma, np.float32(0))
        return removed

    @cached_property
    def count(self) -> int:
        """Usable pixels."""
        return int(self.usable.sum())

    def mean(self, values: FloatArray) -> float:
        """Return the mean over the usable pixels."""
        return float(values.mean(dtype=np.float64, where=self.usable))


def split_channels(
    noisy: FloatArray, denoised: FloatArray, usable: Array, models: Sequence[NoiseModel]
) -> list[ChannelPixels]:
    """Return the channels of planes before and after.

    Parameters
    ----------
    noisy, denoised : float32 array, shape (N, Y, X, C)
        Before and after, in units of the value range.
    usable : bool array, same shape
        See :class:`ChannelPixels`; true somewhere in each channel.
    models : sequence of NoiseModel
        Of each channel, in the same units.
    """
    return [_channel(noisy[..., c], denoised[..., c], usable[..., c], model) for c, model in enumerate(models)]


def _channel(noisy: FloatArray, denoised: FloatArray, usable: Array, model: NoiseModel) -> ChannelPixels:
    level = np.stack([level_map(plane[..., None], model)[..., 0] for plane in noisy])
    # The variance is linear in the signal, so that of the mean signal is the mean without bias.
    mean = float(model.variance(noisy.mean(dtype=np.float64, where=usable)))
    return ChannelPixels(
        noisy,
        denoised,
        variance=np.square(np.maximum(level, np.float32(_LEAST_SIGMA))),
        weight=np.asarray(model.variance((noisy + denoised) / 2), dtype=np.float32),
        mean_variance=max(mean, _LEAST_SIGMA**2),
        usable=usable,
    )
