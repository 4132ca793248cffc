"""What is known of the noise of an image once it was measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from limpid.core.image import Array, FloatArray
from limpid.noise import facts
from limpid.noise.advice import IMPULSES_LEAST, Advice, advise
from limpid.noise.correlation import Correlation
from limpid.noise.models import Gaussian, NoiseModel, PoissonGaussian

__all__ = ["NO_NOISE", "UNKNOWN", "ChannelNoise", "Interval", "NoiseEstimate", "rms"]

Interval = tuple[float, float]

#: Correlation beyond which noise isn't called white, at least; texture alone stays below. Chosen on pictures of the
#: training pool.
_WHITE_MOST: Final = 0.22
_WHITE_ERRORS: Final = 4.0

#: 95 % of a Student's t of 4 degrees of freedom, which the errors of measured levels follow, lies within this.
_T4_REACH: Final = 2.776


@dataclass(frozen=True)
class ChannelNoise:
    """Noise of one channel, in the image's own units; intervals are of 95 %.

    Attributes
    ----------
    sigma : float
        Root mean square of the noise over the image's own pixels. 0 where nothing could be measured.
    sigma_interval : (float, float)
        ``(0, inf)`` where nothing could be measured.
    gain, floor : float
        ``variance = gain * signal + floor``; gain is 0 where the noise is not seen to depend on the signal.
    gain_interval, floor_interval : (float, float)
        The gain's upper end is infinite where there were too few pixels to tell.
    correlation : Correlation or None
        Between neighbouring pixels; None where it could not be measured.
    points : array, shape (bins, 3)
        What the line was fitted to: signal, variance, standard deviation of the variance.
    """

    sigma: float
    sigma_interval: Interval
    gain: float
    gain_interval: Interval
    floor: float
    floor_interval: Interval
    correlation: Correlation | None = None
    points: FloatArray = field(default_factory=lambda: np.empty((0, 3), np.float32), compare=False, repr=False)

    @property
    def measured(self) -> bool:
        """Whether there were enough usable pixels to measure anything."""
        return math.isfinite(self.sigma_interval[1])

    @property
    def model(self) -> NoiseModel:
        """The noise as a model: Gaussian where the gain is 0."""
        if self.gain == 0:
            return Gaussian(self.sigma)
        # Light ends where the line meets zero, if it does so above 0.
        return PoissonGaussian(self.gain, self.floor, max(-self.floor / self.gain, 0.0))

    def sigma_at(self, values: Array) -> FloatArray:
        """Return the standard deviation at each noisy pixel, never below half of `sigma`."""
        level: FloatArray = np.sqrt(np.maximum(self.model.variance(values), self.sigma**2 / 4)).astype(np.float32)
        return level

    def times(self, factor: float) -> ChannelNoise:
        """Return this noise times a factor on the same signal, as averaging leaves it of white noise."""
        squared = factor**2
        return dataclasses.replace(
            self,
            sigma=self.sigma * factor,
            sigma_interval=(self.sigma_interval[0] * factor, self.sigma_interval[1] * factor),
            gain=self.gain * squared,
            gain_interval=(self.gain_interval[0] * squared, self.gain_interval[1] * squared),
            floor=self.floor * squared,
            floor_interval=(self.floor_interval[0] * squared, self.floor_interval[1] * squared),
            points=self.points * np.array([1, squared, squared], np.float32),
        )

    def surely(self, error: float) -> ChannelNoise:
        """Return this noise with an interval of `sigma` for an error of the logarithm of its variance.

        The error is the scale of a Student's t of 4 degrees of freedom.
        """
        factor = math.exp(_T4_REACH * error / 2)
        return dataclasses.replace(self, sigma_interval=(self.sigma / factor, self.sigma * factor))

    def white(self) -> bool | None:
        """Return whether neighbouring pixels' noise is independent; None where that can't be told."""
        found = self.correlation
        if found is None:
            return None
        most = max(_WHITE_MOST, _WHITE_ERRORS * found.error)
        return max(abs(found.x), abs(found.y), abs(found.diagonal)) < most


UNKNOWN: Final = ChannelNoise(0.0, (0.0, math.inf), 0.0, (0.0, math.inf), 0.0, (0.0, math.inf))
NO_NOISE: Final = ChannelNoise(0.0, (0.0, 0.0), 0.0, (0.0, 0.0), 0.0, (0.0, 0.0))


@dataclass(frozen=True)
class NoiseEstimate:
    """What :func:`estimate_noise` found, in the image's own units; intervals are of 95 %.

    Attributes
    ----------
    channels : tuple of ChannelNoise
        Noise of each channel.
    span : float
        Width of the image's value range.
    offset : float
        Value of no light that was told; it can't be seen in the noise.
    clipped_share : (float, float)
        Share of pixels clipped at the lowest and at the highest value.
    impulse_share : float
        Share of pixels that are hot, dead or impulses.
    jpeg_blocking : float
        How clearly the blocks of a JPEG file show, 0 to 1.
    bits : int or None
        Bits the levels need; None for floats on no grid.
    fixed_pattern : float or None
        Standard deviation of what repeats in all planes of a stack as noise does not, in the image's own units; None
        for fewer than four planes.
    """

    channels: tuple[ChannelNoise, ...]
    span: float
    offset: float = 0.0
    clipped_share: Interval = (0.0, 0.0)
    impulse_share: float = 0.0
    jpeg_blocking: float = 0.0
    bits: int | None = None
    fixed_pattern: float | None = None

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the keys of :meth:`to_dict`."""
        return tuple(cls((UNKNOWN,), 1.0).to_dict())

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_dict` says of the level; the other facts are left out.

        Where the noise depends on the signal, the line is the mean over the channels.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is no such thing, or nothing was measured.
        """
        low, high = (float(end) / float(row["sigma"]) for end in row["sigma_interval"])
        gain, floor = float(row["gain"]), float(row["floor"])
        channels = []
        for each in row["sigma_per_channel"]:
            sigma = float(each)
            one = dataclasses.replace(UNKNOWN, sigma=sigma, sigma_interval=(low * sigma, high * sigma), floor=sigma**2)
            channels.append(dataclasses.replace(one, gain=gain, floor=floor) if gain > 0 else one)
        return cls(tuple(channels), 1.0, float(row["offset"]))

    @property
    def measured(self) -> bool:
        """Whether any channel had enough usable pixels to measure anything."""
        return any(c.measured for c in self.channels)

    @property
    def has_impulses(self) -> bool:
        """Whether impulses are to be repaired: there are some, and noise, so that this is no drawing or text."""
        return self.measured and self.sigma > 0 and self.impulse_share >= IMPULSES_LEAST

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise: root mean square over pixels and channels.

        0 where nothing could be measured, so that an image of which nothing is known is left as it is.
        """
        return rms(self.sigma_per_channel)

    @property
    def sigma_interval(self) -> Interval:
        """Interval of `sigma`; ``(0, inf)`` where nothing could be measured."""
        return rms([c.sigma_interval[0] for c in self.channels]), rms([c.sigma_interval[1] for c in self.channels])

    @property
    def variance_error(self) -> float:
        """How far the logarithm of the variance may be off, as the scale of a Student's t of 4 degrees of freedom.

        Infinite where nothing could be measured.
        """
        low, high = self.sigma_interval
        return math.log(high / low) / _T4_REACH if low > 0 and high < math.inf else math.inf

    @property
    def sigma_per_channel(self) -> tuple[float, ...]:
        """Standard deviation of the noise in each channel."""
        return tuple(c.sigma for c in self.channels)

    @property
    def gain(self) -> float:
        """How the variance grows with the signal, mean over the channels; 0 where it is not seen to."""
        return _mean([c.gain for c in self.channels])

    @property
    def gain_interval(self) -> Interval:
        """Interval of `gain`; its upper end is infinite where there were too few pixels to tell."""
        return _mean([c.gain_interval[0] for c in self.channels]), _mean([c.gain_interval[1] for c in self.channels])

    @property
    def floor(self) -> float:
        """Variance at signal 0 by the line, mean over the channels."""
        return _mean([c.floor for c in self.channels])

    @property
    def read_noise(self) -> float | None:
        """Standard deviation of the noise where there is no light; None where the line is below zero there."""
        return _root(self.floor + self.gain * self.offset)

    @property
    def read_noise_interval(self) -> Interval | None:
        """Interval of `read_noise`; None where its upper end is not positive."""
        low, high = (_mean([c.floor_interval[i] for c in self.channels]) + self.gain * self.offset for i in (0, 1))
        return None if high <= 0 else (math.sqrt(max(low, 0.0)), math.sqrt(high))

    @property
    def signal_dependent(self) -> bool:
        """Whether any channel's noise is seen to depend on the signal."""
        return any(c.gain > 0 for c in self.channels)

    @property
    def correlation(self) -> dict[str, float] | None:
        """Correlation coefficient between neighbours along ``x`` and ``y``, mean over the channels."""
        found = [c.correlation for c in self.channels if c.correlation is not None]
        return {"x": _mean([c.x for c in found]), "y": _mean([c.y for c in found])} if found else None

    @property
    def white(self) -> bool | None:
        """Whether the noise is independent from pixel to pixel in every channel; None where that can't be told."""
        if self.jpeg:
            return False
        told = [w for w in (c.white() for c in self.channels) if w is not None]
        return all(told) if told else None

    @property
    def jpeg(self) -> bool:
        """Whether the image was a JPEG file."""
        return self.jpeg_blocking >= facts.JPEG_LEAST

    @property
    def banding(self) -> Interval:
        """Offsets that whole rows, and whole columns, share, as multiples of sigma; mean over the channels."""
        found = [c.correlation for c in self.channels if c.correlation is not None]
        return (_mean([c.rows for c in found]), _mean([c.columns for c in found])) if found else (0.0, 0.0)

    @property
    def advice(self) -> tuple[Advice, ...]:
        """What to do about it, the most important first."""
        return advise(self)

    @property
    def model(self) -> NoiseModel:
        """The noise as one model for all channels; `models` where they differ."""
        if not self.signal_dependent:
            return Gaussian(self.sigma)
        return dataclasses.replace(UNKNOWN, gain=self.gain, floor=self.floor).model

    @property
    def models(self) -> tuple[NoiseModel, ...]:
        """The noise of each channel as a model."""
        return tuple(c.model for c in self.channels)

    def sigma_at(self, planes: Array) -> FloatArray:
        """Return the standard deviation at each noisy pixel of planes of this image, shape (N, Y, X, C).

        Never below half of a channel's `sigma`, so that a pixel that is dark by chance isn't taken for quiet.
        """
        if planes.dtype.kind == "f":
            levels = [one.sigma_at(planes[..., c]) for c, one in enumerate(self.channels)]
        else:
            every = np.arange(np.iinfo(planes.dtype).max + 1, dtype=planes.dtype)
            levels = [np.take(one.sigma_at(every), planes[..., c]) for c, one in enumerate(self.channels)]
        return np.moveaxis(np.stack(levels), 0, -1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; None where something could not be measured."""
        known = self.measured
        return {
            "sigma": self.sigma if known else None,
            "sigma_interval": _finite(self.sigma_interval),
            "sigma_per_channel": list(self.sigma_per_channel) if known else None,
            "gain": self.gain if known else None,
            "gain_interval": _finite(self.gain_interval),
            "floor": self.floor if known else None,
            "read_noise": self.read_noise if known else None,
            "read_noise_interval": _finite(self.read_noise_interval),
            "offset": self.offset,
            "offset_interval": [self.offset, self.offset],
            "correlation": self.correlation,
            "white": self.white,
            "impulse_share": self.impulse_share,
            "clipped_share": dict(zip(("low", "high"), self.clipped_share, strict=True)),
            "jpeg_blocking": self.jpeg_blocking,
            "bits": self.bits,
            "fixed_pattern": self.fixed_pattern,
            "advice": [{"code": one.code, "text": one.text} for one in self.advice],
        }


def rms(values: Sequence[float]) -> float:
    """Return the root mean square."""
    return math.sqrt(sum(v**2 for v in values) / len(values))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _root(variance: float) -> float | None:
    return math.sqrt(variance) if variance >= 0 else None


def _finite(interval: Interval | None) -> list[float] | None:
    return None if interval is None or not math.isfinite(interval[1]) else list(interval)
