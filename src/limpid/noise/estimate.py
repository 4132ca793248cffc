"""How much noise is in an image, measured from that image alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from limpid.core.image import Array, FloatArray, Image
from limpid.noise.models import Gaussian, NoiseModel

__all__ = ["NoiseEstimate", "estimate_noise"]

#: Side of a block, and the sum of its two DCT frequencies from which a coefficient counts as high. This and the three
#: constants below were chosen together on pictures of the training pool, by ``benchmarks/noise_selection.py``.
_SIDE: Final = 8
_CUT: Final = 6

#: Shares of the blocks, smoothest first, that give the level and that tell how texture raises it.
_FEW: Final = 0.1
_MORE: Final = 0.2

#: Blocks never fewer than this (where there are as many), so that small images are not measured by one or two.
_LEAST_BLOCKS: Final = 64

#: How many times the variance of the mean over overlapping blocks exceeds that over separate ones, by the
#: distance of neighbouring blocks. Measured on white noise.
_OVERLAP: Final = {2: 8.0, 4: 2.5}

#: Share of the excess of the many over the few that is taken off, and the most of the variance that may go.
_CORRECTION: Final = 1.0
_CORRECTION_MOST: Final = 0.75

#: Relative standard deviation of the estimate beyond chance: what texture does that the comparison misses.
_METHOD_ERROR: Final = 0.01

#: Energy per coefficient (values in 0 to 1) below which a block is constant: far below one step of 16 bits.
_NO_CHANGE: Final = 1e-13

#: Pixels per channel that are looked at; larger images are sampled in tiles, spread evenly.
_BUDGET_PX: Final = 2**19
_TILE_PX: Final = 64
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
#: Below this many pixels, blocks are taken at every second place instead of every fourth.
_DENSE_PX: Final = 2**18
_PLANES: Final = 16

#: Share of the range next to a clipped end that is left out at most.
_REACH_MOST: Final = 0.4

#: Blocks transformed at a time.
_ROWS: Final = 64

_UNKNOWN: Final = (0.0, 0.0, math.inf)


@dataclass(frozen=True)
class NoiseEstimate:
    """What :func:`estimate_noise` found, in the image's own units.

    Attributes
    ----------
    sigma : float
        Standard deviation of the noise: root mean square over the channels. 0 where nothing could be
        measured, so that an image of which nothing is known is left as it is.
    sigma_interval : (float, float)
        95 % interval of `sigma`; ``(0, inf)`` where nothing could be measured.
    sigma_per_channel : tuple of float
        Standard deviation in each channel.
    model : NoiseModel
        The noise as a model, usable as it is.
    """

    sigma: float
    sigma_interval: tuple[float, float]
    sigma_per_channel: tuple[float, ...]
    model: NoiseModel

    @property
    def measured(self) -> bool:
        """Whether there were enough usable pixels to measure anything."""
        return math.isfinite(self.sigma_interval[1])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; the interval is None where nothing could be measured."""
        return {
            "sigma": self.sigma,
            "sigma_interval": list(self.sigma_interval) if self.measured else None,
            "sigma_per_channel": list(self.sigma_per_channel),
        }


def estimate_noise(image: Image) -> NoiseEstimate:
    """Return the level of the white Gaussian noise in an image, in the image's own units.

    Blocks of 8 x 8 pixels are taken to the DCT domain. Where white noise is all there is, low and high
    frequencies are independent: blocks chosen because their low frequencies are weak are smooth, but their
    high frequencies are no weaker for it, and give the variance without bias. What texture is left is taken
    off by comparing the smoothest blocks with more of them. Choosing smooth blocks by low frequencies and measuring in
    high ones follows [1]_; the correction is not from there.

    Blocks that touch non-finite pixels don't count, nor do those too near a clipped end, nor those with clipped
    pixels (unless the noise is so strong that most have some), nor constant ones where they are the minority.
    Images of more than half a megapixel are sampled.

    Parameters
    ----------
    image : Image
        Any axes; all planes of a stack are taken to have the same noise (at most 16 of them are looked at).
        Rounding to integers counts as noise.

    Returns
    -------
    NoiseEstimate
        Images of one value have sigma 0. A plane narrower than 8 pixels, or without a usable block, can't be
        measured: its sigma is 0 and its interval ``(0, inf)``. Where only some channels can be measured (the others
        being clipped nearly everywhere), the others are taken to have as much noise, from nothing up to twice that.

    References
    ----------
    .. [1] N. N. Ponomarenko, V. V. Lukin, M. S. Zriakhov, A. Kaarna, J. Astola, "An automatic approach to lossy
       compression of AVIRIS images", IEEE IGARSS 2007, section 3. :doi:`10.1109/IGARSS.2007.4422833`
    """
    planes = image.planes()
    if len(planes) > _PLANES:
        planes = planes[np.linspace(0, len(planes) - 1, _PLANES).round().astype(int)]
    found = _with_guesses([_measure(planes[..., c]) for c in range(planes.shape[-1])])
    rms = [math.sqrt(sum(one[i] ** 2 for one in found) / len(found)) for i in range(3)]
    return NoiseEstimate(
        sigma=rms[0],
        sigma_interval=(rms[1], rms[2]),
        sigma_per_channel=tuple(sigma for sigma, _, _ in found),
        model=Gaussian(rms[0]),
    )


def _with_guesses(found: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Give channels that can't be measured the noise of those that can, with an interval that says it is a guess."""
    known = [one for one in found if one != _UNKNOWN]
    if not known:
        return found
    sigma, _, most = (math.sqrt(sum(one[i] ** 2 for one in known) / len(known)) for i in range(3))
    return [(sigma, 0.0, 2 * most) if one == _UNKNOWN else one for one in found]


def _measure(planes: Array) -> tuple[float, float, float]:
    """Return sigma and its interval for one channel, shape (N, Y, X)."""
    tiles = _sample(planes)
    values = tiles[np.isfinite(tiles)]
    if not values.size or planes.size == 1:
        return _UNKNOWN
    low, high = float(values.min()), float(values.max())
    if low == high:
        return 0.0, 0.0, 0.0
    if min(planes.shape[1:]) < _SIDE:
        return _UNKNOWN
    step = 2 if planes.size < _DENSE_PX else 4
    clipped = (_piles_up(values, low, 1), _piles_up(values, high, -1))
    mean, smooth, fine, whole = _energies(tiles, low, high, clipped, step)
    still = smooth + fine < _NO_CHANGE
    if 2 * int((still & whole).sum()) < int(whole.sum()):
        whole &= ~_touched(still, tiles.shape, step)
    if not whole.any():
        return _UNKNOWN
    level = _level(smooth[whole], fine[whole], step)
    if any(clipped):
        # Noise reaches an end from further away than the blocks that hold a clipped pixel: near it, those
        # that are left have lost their tails.
        reach = 3 * math.sqrt(level[0])
        if reach > _REACH_MOST:
            # Noise this strong is clipped somewhere in most blocks; those in the middle lose least, and
            # leaving out the ones that hold a clipped pixel would lose more.
            whole, reach = ~still & np.isfinite(mean), _REACH_MOST
        far = whole & (mean > clipped[0] * reach) & (mean < 1 - clipped[1] * reach)
        if far.any():
            level = _level(smooth[far], fine[far], step)
    sigma, least, most = (math.sqrt(variance) * (high - low) for variance in level)
    return sigma, least, most


def _touched(still: Array, shape: tuple[int, ...], step: int) -> Array:
    """Return which blocks overlap a constant one: at the edge of a frame, half a block may be noise."""
    if not still.any():
        return still
    from scipy import ndimage  # slow to import, rarely needed

    grid = still.reshape(shape[0], *((side - _SIDE) // step + 1 for side in shape[1:]))
    reach = 2 * (_SIDE // step) - 1
    near: Array = ndimage.maximum_filter(grid, size=(1, reach, reach))
    return near.ravel()


def _level(smooth: FloatArray, fine: FloatArray, step: int) -> tuple[float, float, float]:
    """Return the variance, and its interval, from the low and high frequencies' energies per coefficient."""
    few, more = (min(max(int(share * fine.size), _LEAST_BLOCKS), fine.size) for share in (_FEW, _MORE))
    by_texture = fine[np.argpartition(smooth, sorted({few - 1, more - 1}))]
    chosen = by_texture[:few].astype(np.float64)
    variance = float(chosen.mean())
    # With no texture, both means are the same but for chance; their difference tells what texture adds.
    texture = max(float(by_texture[:more].mean(dtype=np.float64)) - variance, 0.0)
    corrected = variance - min(_CORRECTION * texture, _CORRECTION_MOST * variance)
    # A block of white noise has `_FINE_COUNT` independent squares in its mean; more spread than that is texture.
    spread = max(float(chosen.std()), variance * math.sqrt(2 / _FINE_COUNT))
    error = spread * math.sqrt(_OVERLAP[step] / few)
    least = corrected - 1.96 * error - 2 * texture - 2 * _METHOD_ERROR * corrected
    most = corrected + 1.96 * error + (variance - corrected) + 2 * _METHOD_ERROR * corrected
    return corrected, max(least, 0.0), most


def _sample(planes: Array) -> Array:
    """Return the planes, or where they are large, tiles spread evenly over them: about `_BUDGET_PX` pixels."""
    height, width = planes.shape[1:]
    if planes.size <= _BUDGET_PX or min(height, width) < _SIDE:
        return planes
    tall, wide = min(_TILE_PX, height), min(_TILE_PX, width)
    rows, columns = -(-height // tall), -(-width // wide)
    total = len(planes) * rows * columns
    wanted = min(max(_BUDGET_PX // (tall * wide), 1), total)
    tiles = np.empty((wanted, tall, wide), planes.dtype)
    for k in range(wanted):
        # One tile from each of `wanted` equal runs of tiles in reading order; multiples of the golden ratio
        # say which, so that those taken don't line up in columns.
        n, place = divmod(int((k + k * _GOLDEN % 1) * total / wanted), rows * columns)
        top = min(place // columns * tall, height - tall)
        left = min(place % columns * wide, width - wide)
        tiles[k] = planes[n, top : top + tall, left : left + wide]
    return tiles


def _piles_up(values: Array, end: float, towards: int) -> bool:
    """Tell whether values are clipped at an end: more of them there than at the next value inwards."""
    inside = values[values != end]
    next_value = inside.min() if towards > 0 else inside.max()
    return int((values == end).sum()) > int((inside == next_value).sum())


def _energies(
    tiles: Array, low: float, high: float, clipped: tuple[bool, bool], step: int
) -> tuple[FloatArray, FloatArray, FloatArray, Array]:
    """Return each block's mean, energy per coefficient in low and high frequencies, and whether it is whole.

    Values are taken relative to `low` and `high`, which become 0 and 1. A block is whole if it holds no clipped
    and no bad pixel; with a bad one, its numbers are NaN.
    """
    unit = tiles.astype(np.float32)
    unit -= np.float32(low)
    unit /= np.float32(high - low)
    bad = ~np.isfinite(tiles)
    if bad.any():
        unit[bad] = np.nan
    for end, is_clipped in zip((low, high), clipped, strict=True):
        if is_clipped:
            bad |= tiles == end
    blocks = sliding_window_view(unit, (_SIDE, _SIDE), axis=(1, 2))[:, ::step, ::step]
    whole: Array = np.ones(blocks.shape[:3], dtype=np.bool_)
    if bad.any():
        touched = sliding_window_view(bad, (_SIDE, _SIDE), axis=(1, 2))[:, ::step, ::step]
        whole = np.logical_not(np.any(touched, axis=(-2, -1)))
    blocks = blocks.reshape(-1, _SIDE**2)
    mean = blocks.mean(axis=1)
    # Without the mean, single precision is enough however flat the block.
    energy = np.square(_transformed(blocks - mean[:, None]))
    smooth = energy[:, 1:_FINE_FROM].mean(axis=1)
    fine = energy[:, _FINE_FROM:].mean(axis=1)
    return mean, smooth, fine, whole.ravel()


def _transformed(blocks: FloatArray) -> FloatArray:
    """Return the DCT of each row, by products small enough for the matrix library to stay in this thread.

    Its threads go on spinning for a while after a large product, and would take the processor from the network that
    runs next: 50 ms of a 512 x 512 image's 70 on two cores.
    """
    out = np.empty_like(blocks)
    for start in range(0, len(blocks), _ROWS):
        np.matmul(blocks[start : start + _ROWS], _DCT.T, out=out[start : start + _ROWS])
    return out


def _dct_of_blocks() -> tuple[FloatArray, int]:
    """Return the orthonormal DCT-II of a flattened block, rows by rising frequency, and where high ones begin."""
    place = np.arange(_SIDE)
    one = np.cos(np.pi * (place + 0.5) * place[:, None] / _SIDE) * math.sqrt(2 / _SIDE)
    one[0] /= math.sqrt(2)
    frequency = np.add.outer(place, place).ravel()
    order = np.argsort(frequency, kind="stable")
    return np.kron(one, one)[order].astype(np.float32), int((frequency < _CUT).sum())


_DCT, _FINE_FROM = _dct_of_blocks()
_FINE_COUNT: Final = _SIDE**2 - _FINE_FROM
