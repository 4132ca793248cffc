"""What noise is in an image, measured from that image alone."""

from __future__ import annotations

import dataclasses
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from limpid.core.image import Array, FloatArray, Image
from limpid.noise import facts, impulses
from limpid.noise.advice import Advice, advise
from limpid.noise.affine import Line, fit_line
from limpid.noise.blocks import BAND_COUNTS, SIDE, Blocks, cut_blocks, sample_tiles, spectrum
from limpid.noise.correction import Level, line_reach
from limpid.noise.correlation import Correlation, correlate
from limpid.noise.models import Gaussian, NoiseModel, PoissonGaussian

__all__ = ["ChannelNoise", "Interval", "NoiseEstimate", "estimate_noise"]

Interval = tuple[float, float]

#: Planes of a stack that are looked at.
_PLANES: Final = 16

#: Share of the range next to a clipped end that is left out at most.
_REACH_MOST: Final = 0.4

#: Share of the blocks, those in the smoothest surroundings, that correlation is measured on.
_SMOOTH_SHARE: Final = 0.05
_SMOOTH_LEAST: Final = 64

#: How many times the variance of a mean over overlapping blocks exceeds that over separate ones, by their distance.
_OVERLAP: Final = {2: 8.0, 4: 2.5}

#: Correlation beyond which noise isn't called white, at least; texture alone stays below. Chosen on pictures of the
#: training pool, by ``benchmarks/noise_selection.py``.
_WHITE_MOST: Final = 0.22
_WHITE_ERRORS: Final = 4.0

#: Texture beyond which what is correlated may not be noise, and adds nothing to the variance.
_TEXTURE_MOST: Final = 0.5

#: Share by which the variance of correlated noise beyond what high frequencies show may be wrong.
_POWER_ERROR: Final = 0.3

#: Impulses are told from fine texture as if the noise were at least this share of the value range.
_IMPULSE_SIGMA: Final = 0.01
_IMPULSE_BUDGET_PX: Final = 2**19


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

    def white(self) -> bool | None:
        """Return whether neighbouring pixels' noise is independent; None where that can't be told."""
        found = self.correlation
        if found is None:
            return None
        most = max(_WHITE_MOST, _WHITE_ERRORS * found.error)
        return max(abs(found.x), abs(found.y), abs(found.diagonal)) < most


_UNKNOWN: Final = ChannelNoise(0.0, (0.0, math.inf), 0.0, (0.0, math.inf), 0.0, (0.0, math.inf))
_NONE: Final = ChannelNoise(0.0, (0.0, 0.0), 0.0, (0.0, 0.0), 0.0, (0.0, 0.0))


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
    """

    channels: tuple[ChannelNoise, ...]
    span: float
    offset: float = 0.0
    clipped_share: Interval = (0.0, 0.0)
    impulse_share: float = 0.0
    jpeg_blocking: float = 0.0
    bits: int | None = None

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the keys of :meth:`to_dict`."""
        return tuple(cls((_UNKNOWN,), 1.0).to_dict())

    @property
    def measured(self) -> bool:
        """Whether any channel had enough usable pixels to measure anything."""
        return any(c.measured for c in self.channels)

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise: root mean square over pixels and channels.

        0 where nothing could be measured, so that an image of which nothing is known is left as it is.
        """
        return _rms(self.sigma_per_channel)

    @property
    def sigma_interval(self) -> Interval:
        """Interval of `sigma`; ``(0, inf)`` where nothing could be measured."""
        return _rms([c.sigma_interval[0] for c in self.channels]), _rms([c.sigma_interval[1] for c in self.channels])

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
        return dataclasses.replace(_UNKNOWN, gain=self.gain, floor=self.floor).model

    @property
    def models(self) -> tuple[NoiseModel, ...]:
        """The noise of each channel as a model."""
        return tuple(c.model for c in self.channels)

    def sigma_at(self, planes: Array) -> FloatArray:
        """Return the standard deviation at each noisy pixel of planes of this image, shape (N, Y, X, C).

        Never below half of a channel's `sigma`, so that a pixel that is dark by chance isn't taken for quiet.
        """
        least = [one.sigma**2 / 4 for one in self.channels]
        variances = [one.model.variance(planes[..., c]) for c, one in enumerate(self.channels)]
        level: FloatArray = np.sqrt(np.maximum(np.stack(variances, axis=-1), least)).astype(np.float32)
        return level

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; None where something could not be measured."""
        known = self.measured
        return {
            "sigma": self.sigma,
            "sigma_interval": _finite(self.sigma_interval),
            "sigma_per_channel": list(self.sigma_per_channel),
            "gain": self.gain if known else None,
            "gain_interval": _finite(self.gain_interval),
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
            "advice": [{"code": one.code, "text": one.text} for one in self.advice],
        }


def estimate_noise(image: Image, *, offset: float = 0.0) -> NoiseEstimate:
    """Measure the noise of an image, in the image's own units.

    The variance is taken to follow ``gain * signal + floor``. It is measured on the high frequencies of smooth blocks,
    corrected for what texture adds (:mod:`limpid.noise.correction`); the line is fitted to its values at different
    signals (:mod:`limpid.noise.affine`); correlation between neighbours is read off the spectrum of
    smooth blocks (:mod:`limpid.noise.correlation`), and where there is any, the variance at all frequencies follows
    from it.

    Blocks that touch non-finite pixels don't count, nor do those too near a clipped end, nor those with clipped
    pixels (unless the noise is so strong that most have some), nor constant ones where they are the minority.
    Images of more than two megapixel are sampled.

    Parameters
    ----------
    image : Image
        Any axes; all planes of a stack are taken to have the same noise (at most 16 of them are looked at).
        Rounding to integers counts as noise.
    offset : float
        Value of no light, in the image's own units: needed for the read noise alone.

    Returns
    -------
    NoiseEstimate
        Images of one value have sigma 0. A plane narrower than 8 pixels, or without a usable block, can't be
        measured: its sigma is 0 and its interval ``(0, inf)``. Where only some channels can be measured (the others
        being clipped nearly everywhere), the others are taken to have as much noise, from nothing up to twice that.
    """
    planes = image.planes()
    if len(planes) > _PLANES:
        planes = planes[np.linspace(0, len(planes) - 1, _PLANES).round().astype(int)]
    with ThreadPoolExecutor(min(planes.shape[-1], os.cpu_count() or 1)) as threads:
        measured = list(threads.map(_measure, np.moveaxis(planes, -1, 0)))
    found = _with_guesses(measured)
    noise = NoiseEstimate(
        tuple(found),
        image.span,
        offset,
        clipped_share=facts.clipped_share(planes),
        jpeg_blocking=facts.jpeg_blocking(planes),
        bits=facts.bits_used(planes),
    )
    return dataclasses.replace(noise, impulse_share=_impulse_share(planes, noise))


def _impulse_share(planes: Array, noise: NoiseEstimate) -> float:
    tiles = np.stack([sample_tiles(planes[..., c]) for c in range(planes.shape[-1])], axis=-1)
    tiles = tiles[:: max(1, tiles[..., 0].size // _IMPULSE_BUDGET_PX)]
    return impulses.impulse_share(tiles, np.maximum(noise.sigma_at(tiles), _IMPULSE_SIGMA * noise.span))


def _with_guesses(found: list[ChannelNoise]) -> list[ChannelNoise]:
    """Give channels that can't be measured the noise of those that can, with an interval that says it is a guess."""
    known = [one for one in found if one.measured]
    if not known or len(known) == len(found):
        return found
    sigma, most = _rms([c.sigma for c in known]), 2 * _rms([c.sigma_interval[1] for c in known])
    guess = dataclasses.replace(
        _UNKNOWN, sigma=sigma, sigma_interval=(0.0, most), floor=sigma**2, floor_interval=(0.0, most**2)
    )
    return [one if one.measured else guess for one in found]


def _measure(planes: Array) -> ChannelNoise:
    """Measure one channel, shape (N, Y, X)."""
    tiles = sample_tiles(planes)
    values = tiles[np.isfinite(tiles)] if tiles.dtype.kind == "f" else tiles
    if not values.size or planes.size == 1:
        return _UNKNOWN
    low, high = float(values.min()), float(values.max())
    if low == high:
        return _NONE
    if min(planes.shape[1:]) < SIDE:
        return _UNKNOWN
    clipped = (_piles_up(values, low, 1), _piles_up(values, high, -1))
    blocks = cut_blocks(tiles, low=low, high=high, clipped=clipped)
    usable = blocks.whole
    if 2 * int((blocks.constant & usable).sum()) < int(usable.sum()):
        usable = usable & ~blocks.near(blocks.constant)
    if not usable.any():
        return _UNKNOWN
    line = _line(blocks, usable)
    if any(clipped):
        # Noise reaches an end from further away than the blocks that hold a clipped pixel: near it, those
        # that are left have lost their tails.
        reach = 3 * np.sqrt(line.variance(np.where(np.isfinite(blocks.mean), blocks.mean, 0)))
        if float(np.median(reach)) > _REACH_MOST:
            # Noise this strong is clipped somewhere in most blocks; those in the middle lose least, and
            # leaving out the ones that hold a clipped pixel would lose more.
            usable, reach = ~blocks.constant & np.isfinite(blocks.mean), np.full_like(blocks.mean, _REACH_MOST)
        far = usable & (blocks.mean > clipped[0] * reach) & (blocks.mean < 1 - clipped[1] * reach)
        if far.any():
            usable, line = far, _line(blocks, far)
    correlation = _correlation(tiles, blocks, usable, line, low=low, high=high)
    return _in_units(line, correlation, float(blocks.mean[np.isfinite(blocks.mean)].mean()), low, high - low)


def _line(blocks: Blocks, usable: Array) -> Line:
    return fit_line(blocks.mean[usable], blocks.energy[usable], step=blocks.step)


def _correlation(
    tiles: Array, blocks: Blocks, usable: Array, line: Line, *, low: float, high: float
) -> Correlation | None:
    """Measure on blocks whose surroundings are smooth: what is in them had no part in choosing them."""
    variance = line.variance(np.where(np.isfinite(blocks.mean), blocks.mean, 0))
    if line.level.variance <= 0 or min(tiles.shape[1:]) < 2 * SIDE:
        return None
    energy = np.where(usable, blocks.energy.sum(axis=1) / variance, np.inf)
    around = np.where(usable, blocks.around(energy), np.inf)
    count = max(int(_SMOOTH_SHARE * usable.sum()), _SMOOTH_LEAST)
    if int(np.isfinite(around).sum()) < count:
        return None
    chosen = np.zeros(len(around), np.bool_)
    chosen[np.argpartition(around, count - 1)[:count]] = True
    found = spectrum(tiles, chosen, variance[chosen], low=low, high=high, step=blocks.step)
    total = blocks.energy[chosen] @ BAND_COUNTS / variance[chosen]
    texture = float(total.var() / max(float(total.mean()) ** 2, 1e-30))
    return correlate(found, independent=count / _OVERLAP[blocks.step], texture=texture)


def _in_units(line: Line, correlation: Correlation | None, signal: float, low: float, span: float) -> ChannelNoise:
    """Return the line in the image's own units; `signal` is the mean over all pixels, of values from 0 to 1."""
    power, more = 1.0, 0.0
    channel = ChannelNoise(0, (0, 0), 0, (0, 0), 0, (0, 0), correlation)
    if correlation is not None and not channel.white() and correlation.texture < _TEXTURE_MOST:
        power = max(correlation.power, 1.0)
        more = _POWER_ERROR * abs(power - 1) / power
    level = Level(float(line.variance(np.array(signal))) * power, line.level.error, line.level.reach)
    # Where the blocks measured are darker or brighter than the picture, the slope's error counts as well.
    lever = (line.gain_error if line.gain > 0 else 0.0) * (signal - line.signal) * power
    error = math.hypot(level.error, lever / max(level.variance, 1e-30), more)
    least, most = Level(level.variance, error, level.reach).interval
    reach = line_reach()
    gain, gain_error = line.gain * power * span, line.gain_error * power * span
    floor = line.floor * power * span**2 - gain * low
    floor_error = line.floor_error * power * span**2
    if math.isfinite(gain_error):
        floor_error = math.hypot(floor_error, gain_error * low if line.gain > 0 else 0.0)
    else:
        floor_error = reach * error * floor
    scale = np.array([span, span**2 * power, span**2 * power])
    return ChannelNoise(
        sigma=math.sqrt(level.variance) * span,
        sigma_interval=(math.sqrt(least) * span, math.sqrt(most) * span),
        gain=gain,
        gain_interval=(max(gain - reach * gain_error, 0.0), gain + reach * gain_error),
        floor=floor,
        floor_interval=(floor - reach * floor_error, floor + reach * floor_error),
        correlation=correlation,
        points=(line.points * scale + np.array([low, 0.0, 0.0])).astype(np.float32),
    )


def _piles_up(values: Array, end: float, towards: int) -> bool:
    """Tell whether values are clipped at an end: more of them there than at the next value inwards."""
    inside = values[values != end]
    next_value = inside.min() if towards > 0 else inside.max()
    return int((values == end).sum()) > int((inside == next_value).sum())


def _rms(values: list[float] | tuple[float, ...]) -> float:
    return math.sqrt(sum(v**2 for v in values) / len(values))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _root(variance: float) -> float | None:
    return math.sqrt(variance) if variance >= 0 else None


def _finite(interval: Interval | None) -> list[float] | None:
    return None if interval is None or not math.isfinite(interval[1]) else list(interval)
