"""What noise is in an image, measured from that image alone."""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from limpid.core.arguments import check_number
from limpid.core.cores import usable_cores
from limpid.core.image import Array, Image
from limpid.noise import facts, impulses
from limpid.noise.affine import Line, fit_line
from limpid.noise.blocks import BAND_COUNTS, SIDE, Blocks, cut_blocks, sample_tiles, spectrum
from limpid.noise.correction import Level, line_reach
from limpid.noise.correlation import Correlation, correlate
from limpid.noise.result import NO_NOISE, UNKNOWN, ChannelNoise, NoiseEstimate, rms

__all__ = ["estimate_noise"]

#: Planes of a stack that are looked at, and from how many on a pattern that repeats in them is looked for.
_PLANES: Final = 16
_PATTERN_PLANES: Final = 4

#: Share of the range next to a clipped end that is left out at most.
_REACH_MOST: Final = 0.4

#: Share of the blocks, those in the smoothest surroundings, that correlation is measured on.
_SMOOTH_SHARE: Final = 0.05
_SMOOTH_LEAST: Final = 64

#: How many times the variance of a mean over overlapping blocks exceeds that over separate ones, by their distance.
_OVERLAP: Final = {2: 8.0, 4: 2.5}

#: Texture beyond which what is correlated may not be noise, and adds nothing to the variance.
_TEXTURE_MOST: Final = 0.5

#: Share by which the variance of correlated noise beyond what high frequencies show may be wrong.
_POWER_ERROR: Final = 0.3

#: Variance, of values from 0 to 1, that is float32's own rounding.
_ROUNDING: Final = 2.0**-48

#: Impulses are told from fine texture as if the noise were at least this share of the value range.
_IMPULSE_SIGMA: Final = 0.01
_IMPULSE_BUDGET_PX: Final = 2**19


def estimate_noise(image: Image, *, offset: float = 0.0, threads: int | None = None) -> NoiseEstimate:
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
    threads : int, optional
        Channels that are measured at a time; as many as there are cores where not told.

    Returns
    -------
    NoiseEstimate
        Images of one value have sigma 0. A plane narrower than 8 pixels, or without a usable block, can't be
        measured: its sigma is 0 and its interval ``(0, inf)``. Where only some channels can be measured (the others
        being clipped nearly everywhere), the others are taken to have as much noise, from nothing up to twice that.

    Raises
    ------
    OptionError
        If the offset is no finite number.
    """
    check_number("offset", offset)
    planes = image.planes()
    if len(planes) > _PLANES:
        planes = planes[np.linspace(0, len(planes) - 1, _PLANES).round().astype(int)]
    tiles = np.ascontiguousarray(np.moveaxis(sample_tiles(planes), -1, 0))
    with ThreadPoolExecutor(min(len(tiles), threads or usable_cores())) as pool:
        measured = list(pool.map(_measure, tiles))
    found = _with_guesses(measured)
    noise = NoiseEstimate(
        tuple(found),
        image.span,
        offset,
        clipped_share=facts.clipped_share(planes),
        jpeg_blocking=facts.jpeg_blocking(planes),
        bits=facts.bits_used(planes),
    )
    return dataclasses.replace(
        noise, impulse_share=_impulse_share(tiles, noise), fixed_pattern=_fixed_pattern(planes, found)
    )


def _fixed_pattern(planes: Array, single: list[ChannelNoise]) -> float | None:
    """Return what repeats in all planes of a stack: the noise of their mean, beyond what averaging leaves."""
    if len(planes) < _PATTERN_PLANES or not all(one.measured for one in single):
        return None
    mean = planes.mean(axis=0, dtype=np.float32)[None]
    together = [_measure(tiles) for tiles in np.moveaxis(sample_tiles(mean), -1, 0)]
    if not all(one.measured for one in together):
        return None
    # One plane holds noise + pattern, the mean of N holds noise / N + pattern, in variances.
    count = len(planes)
    variances = [
        max((count * both.sigma**2 - one.sigma**2) / (count - 1), 0.0)
        for both, one in zip(together, single, strict=True)
    ]
    return math.sqrt(sum(variances) / len(variances))


def _impulse_share(channels: Array, noise: NoiseEstimate) -> float:
    """Return the share in tiles of all channels, shape (C, N, Y, X)."""
    tiles = np.moveaxis(channels[:, :: max(1, channels[0].size // _IMPULSE_BUDGET_PX)], 0, -1)
    return impulses.impulse_share(tiles, np.maximum(noise.sigma_at(tiles), _IMPULSE_SIGMA * noise.span))


def _with_guesses(found: list[ChannelNoise]) -> list[ChannelNoise]:
    """Give channels that can't be measured the noise of those that can, with an interval that says it is a guess."""
    known = [one for one in found if one.measured]
    if not known or len(known) == len(found):
        return found
    sigma, most = rms([c.sigma for c in known]), 2 * rms([c.sigma_interval[1] for c in known])
    guess = dataclasses.replace(
        UNKNOWN, sigma=sigma, sigma_interval=(0.0, most), floor=sigma**2, floor_interval=(0.0, most**2)
    )
    return [one if one.measured else guess for one in found]


def _measure(tiles: Array) -> ChannelNoise:
    """Measure one channel, shape (N, Y, X)."""
    values = facts.finite_values(tiles)
    if not values.size or tiles.size == 1:
        return UNKNOWN
    low, high = float(values.min()), float(values.max())
    if low == high:
        return NO_NOISE
    if min(tiles.shape[1:]) < SIDE:
        return UNKNOWN
    low_counts, high_counts = facts.counts_at_ends(values)
    # Values are clipped at an end where more are there than at the next value inwards.
    clipped = (low_counts[0] > low_counts[1], high_counts[0] > high_counts[1])
    blocks = cut_blocks(tiles, low=low, high=high, clipped=clipped)
    usable = blocks.whole
    if 2 * int((blocks.constant & usable).sum()) < int(usable.sum()):
        usable = usable & ~blocks.near(blocks.constant)
    if not usable.any():
        return UNKNOWN
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
    which = np.flatnonzero(usable)
    return fit_line(blocks.mean[which], np.take(blocks.energy, which, axis=1), step=blocks.step)


def _correlation(
    tiles: Array, blocks: Blocks, usable: Array, line: Line, *, low: float, high: float
) -> Correlation | None:
    """Measure on blocks whose surroundings are smooth: what is in them had no part in choosing them."""
    variance = line.variance(np.where(np.isfinite(blocks.mean), blocks.mean, 0))
    if line.level.variance <= _ROUNDING or min(tiles.shape[1:]) < 2 * SIDE:
        return None
    energy = np.where(usable, blocks.energy.sum(axis=0) / variance, np.inf)
    around = np.where(usable, blocks.around(energy), np.inf)
    count = max(int(_SMOOTH_SHARE * usable.sum()), _SMOOTH_LEAST)
    if int(np.isfinite(around).sum()) < count:
        return None
    chosen = np.zeros(len(around), np.bool_)
    chosen[np.argpartition(around, count - 1)[:count]] = True
    found = spectrum(tiles, chosen, variance[chosen], low=low, high=high, step=blocks.step)
    if not (np.isfinite(found).all() and found.any()):
        return None  # the smoothest blocks hold nothing at all: that is no noise to measure
    total = BAND_COUNTS @ np.compress(chosen, blocks.energy, axis=1) / variance[chosen]
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
