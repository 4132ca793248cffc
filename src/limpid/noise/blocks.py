"""Overlapping 8 x 8 blocks of an image and the energy of their frequencies: what noise is measured on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from limpid.core.image import Array, FloatArray

__all__ = ["BAND_COUNTS", "SIDE", "SMOOTH_BANDS", "Blocks", "cut_blocks", "sample_tiles", "spectrum"]

#: Side of a block in pixels.
SIDE: Final = 8

#: Bands by the sum of the two DCT frequencies; the first `SMOOTH_BANDS` tell how smooth a block
#: is, the others how noisy.
_BAND_STARTS: Final = (1, 3, 5, 6, 7, 8, 10, 15)
SMOOTH_BANDS: Final = 3

#: Pixels per channel that are looked at; larger images are sampled in tiles, spread evenly.
_BUDGET_PX: Final = 2**21
_TILE_PX: Final = 64
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
#: Below this many pixels, blocks are taken at every second place instead of every fourth.
_DENSE_PX: Final = 2**18

#: Energy per coefficient (values in 0 to 1) below which a block is constant: far below one step of 16 bits.
_NO_CHANGE: Final = 1e-13

#: Blocks transformed at a time.
_ROWS: Final = 64


@dataclass(frozen=True)
class Blocks:
    """Blocks of one channel, its values taken relative to their lowest and highest, which become 0 and 1.

    Attributes
    ----------
    mean : array, shape (N,)
        Mean of each block; NaN where it holds a pixel that is not finite.
    energy : array, shape (N, 7)
        Mean square per DCT coefficient in each band, lowest frequencies first. White noise of variance v
        has v in every band.
    whole : bool array, shape (N,)
        Whether the block holds neither a clipped nor a bad pixel.
    constant : bool array, shape (N,)
        Whether all its pixels are equal.
    step : int
        Distance of neighbouring blocks in pixels.
    grid : (int, int, int)
        Tiles, rows and columns of blocks; their product is N.
    """

    mean: FloatArray
    energy: FloatArray
    whole: Array
    constant: Array
    step: int
    grid: tuple[int, int, int]

    def near(self, chosen: Array) -> Array:
        """Return which blocks overlap a chosen one."""
        if not chosen.any():
            return chosen
        from scipy import ndimage  # slow to import, rarely needed

        reach = 2 * (SIDE // self.step) - 1
        near: Array = ndimage.maximum_filter(chosen.reshape(self.grid), size=(1, reach, reach))
        return near.ravel()

    def around(self, values: FloatArray) -> FloatArray:
        """Return the mean of a block quantity over the (up to four) blocks that adjoin each without overlapping it."""
        apart = SIDE // self.step
        grid = values.reshape(self.grid)
        total, count = np.zeros(self.grid, np.float32), np.zeros(self.grid, np.float32)
        for axis in (1, 2):
            if grid.shape[axis] <= apart:
                continue
            ahead = tuple(slice(apart, None) if a == axis else slice(None) for a in range(3))
            behind = tuple(slice(None, -apart) if a == axis else slice(None) for a in range(3))
            for to, source in ((ahead, behind), (behind, ahead)):
                total[to] += grid[source]
                count[to] += 1
        mean: FloatArray = (total / np.maximum(count, np.float32(1))).ravel().astype(np.float32)
        return mean


def cut_blocks(tiles: Array, *, low: float, high: float, clipped: tuple[bool, bool]) -> Blocks:
    """Cut tiles, shape (N, Y, X), into blocks; `low` and `high` become 0 and 1, `clipped` ends count as such."""
    unit = _unit(tiles, low, high)
    bad = ~np.isfinite(unit)
    for end, is_clipped in zip((low, high), clipped, strict=True):
        if is_clipped:
            bad |= tiles == end
    step = 2 if tiles.size < _DENSE_PX else 4
    windows = _windows(unit, step)
    grid = windows.shape[:3]
    blocks = windows.reshape(-1, SIDE**2)
    mean = blocks.mean(axis=1)
    energy = _energies(blocks, mean)
    whole: Array = np.ones(len(mean), dtype=np.bool_)
    if bad.any():
        whole = np.logical_not(_windows(bad, step).any(axis=(-2, -1))).ravel()
    constant: Array = energy @ BAND_COUNTS < _NO_CHANGE * SIDE**2
    return Blocks(mean, energy, whole, constant, step, (grid[0], grid[1], grid[2]))


def spectrum(tiles: Array, chosen: Array, variance: FloatArray, *, low: float, high: float, step: int) -> FloatArray:
    """Return the mean squared DCT coefficients, shape (8, 8), of chosen blocks, each divided by its `variance`."""
    windows = _windows(_unit(tiles, low, high), step)
    blocks = windows[np.nonzero(chosen.reshape(windows.shape[:3]))].reshape(-1, SIDE**2)
    scaled: FloatArray = (blocks / np.sqrt(variance)[:, None]).astype(np.float32)
    scaled -= scaled.mean(axis=1, keepdims=True)
    mean: FloatArray = np.square(_transformed(scaled)).mean(axis=0)
    out = np.empty_like(mean)
    out[_ORDER] = mean
    return out.reshape(SIDE, SIDE)


def sample_tiles(planes: Array) -> Array:
    """Return planes, shape (N, Y, X), or where they are large, tiles spread evenly over them: about 2 megapixel."""
    height, width = planes.shape[1:]
    if planes.size <= _BUDGET_PX or min(height, width) < SIDE:
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


def _unit(tiles: Array, low: float, high: float) -> FloatArray:
    unit = tiles.astype(np.float32)
    unit -= np.float32(low)
    unit /= np.float32(high - low)
    if tiles.dtype.kind == "f":
        unit[~np.isfinite(unit)] = np.nan
    return unit


def _windows(tiles: Array, step: int) -> Array:
    windows: Array = sliding_window_view(tiles, (SIDE, SIDE), axis=(1, 2))[:, ::step, ::step]
    return windows


def _energies(blocks: FloatArray, mean: FloatArray) -> FloatArray:
    out = np.empty((len(blocks), len(BAND_COUNTS)), np.float32)
    for start in range(0, len(blocks), 64 * _ROWS):
        part = slice(start, start + 64 * _ROWS)
        # Without the mean, single precision is enough however flat the block.
        out[part] = np.square(_transformed(blocks[part] - mean[part, None])) @ _BAND_MEANS
    return out


def _transformed(blocks: FloatArray) -> FloatArray:
    """Return the DCT of each row, by products small enough for the matrix library to stay in this thread.

    Its threads go on spinning for a while after a large product, and would take the processor from the network that
    runs next: 50 ms of a 512 x 512 image's 70 on two cores.
    """
    out = np.empty_like(blocks)
    for start in range(0, len(blocks), _ROWS):
        np.matmul(blocks[start : start + _ROWS], _DCT.T, out=out[start : start + _ROWS])
    return out


def _dct_of_blocks() -> tuple[FloatArray, Array, FloatArray]:
    """Return the orthonormal DCT-II of a flattened block by rising frequency, that order, and means over its bands."""
    place = np.arange(SIDE)
    one = np.cos(np.pi * (place + 0.5) * place[:, None] / SIDE) * math.sqrt(2 / SIDE)
    one[0] /= math.sqrt(2)
    frequency = np.add.outer(place, place).ravel()
    order = np.argsort(frequency, kind="stable")
    band = np.digitize(frequency[order], _BAND_STARTS) - 1
    member = band[:, None] == np.arange(len(_BAND_STARTS) - 1)
    return np.kron(one, one)[order].astype(np.float32), order, (member / member.sum(axis=0)).astype(np.float32)


_DCT, _ORDER, _BAND_MEANS = _dct_of_blocks()

#: Coefficients in each band.
BAND_COUNTS: Final[FloatArray] = (_BAND_MEANS > 0).sum(axis=0).astype(np.float32)
