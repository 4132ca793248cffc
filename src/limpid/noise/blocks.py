"""Overlapping 8 x 8 blocks of an image and the energy of their frequencies: what noise is measured on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from limpid.core.image import Array, FloatArray

_Doubles = npt.NDArray[np.float64]

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

#: Energy of a band, as a share of the mean's, below which it is the transform's own rounding: float32 pixels that
#: differ at all have more than 1e-19.
_ROUNDING: Final = 1e-26

#: Blocks transformed at a time, so that all about them stays in the processor's cache.
_AT_ONCE: Final = 1024

#: Multiplications up to which a product of matrices stays in this thread. OpenBLAS' threads go on spinning for a while
#: after a larger one, and would take the processor from the network that runs next: 50 ms of a 512 x 512 image's 70 on
#: two cores.
_PRODUCT_MOST: Final = 64**3


@dataclass(frozen=True)
class Blocks:
    """Blocks of one channel, its values taken relative to their lowest and highest, which become 0 and 1.

    Attributes
    ----------
    mean : array, shape (N,)
        Mean of each block; NaN where it holds a pixel that is not finite.
    energy : array, shape (7, N)
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
    step = 2 if tiles.size < _DENSE_PX else 4
    count, rows, columns = len(tiles), *((side - SIDE) // step + 1 for side in tiles.shape[1:])
    mean = np.empty((count, rows, columns), np.float32)
    energy = np.empty((len(BAND_COUNTS), count, rows, columns), np.float32)
    deep, tall = max(_AT_ONCE // (rows * columns), 1), max(_AT_ONCE // columns, 1)
    for n in range(0, count, deep):
        for y in range(0, rows, tall):
            here = slice(n, n + deep), slice(y, y + tall)
            part = tiles[n : n + deep, y * step : (y + tall - 1) * step + SIDE]
            coefficients = _transformed(_finite(part), step)
            mean[here] = np.maximum(coefficients[0, 0] / SIDE - low, 0) / (high - low)
            energy[:, *here] = _band_means(coefficients) / (high - low) ** 2
    constant: Array = np.einsum("bnyx,b->nyx", energy, BAND_COUNTS) < _NO_CHANGE * SIDE**2
    bad = _bad(tiles, low, high, clipped)
    whole = ~_touching(bad, step) if bad.any() else np.ones_like(constant)
    flat_energy = energy.reshape(len(energy), -1)
    return Blocks(mean.ravel(), flat_energy, whole.ravel(), constant.ravel(), step, (count, rows, columns))


def spectrum(tiles: Array, chosen: Array, variance: FloatArray, *, low: float, high: float, step: int) -> FloatArray:
    """Return the mean squared DCT coefficients, shape (8, 8), of chosen blocks, each divided by its `variance`."""
    windows = sliding_window_view(tiles, (SIDE, SIDE), axis=(1, 2))[:, ::step, ::step]
    blocks = _finite(windows[np.nonzero(chosen.reshape(windows.shape[:3]))])
    blocks -= blocks.mean(axis=(1, 2), keepdims=True)
    squares = np.square(_transformed(blocks, SIDE)).reshape(SIDE, SIDE, -1)
    mean: FloatArray = (squares / (high - low) ** 2 / variance).mean(axis=-1).astype(np.float32)
    return mean


def sample_tiles(planes: Array) -> Array:
    """Return planes, shape (N, Y, X, C), or where they are large, tiles spread evenly over them: about 2 megapixel."""
    height, width = planes.shape[1:3]
    if planes[..., 0].size <= _BUDGET_PX or min(height, width) < SIDE:
        return planes
    tall, wide = min(_TILE_PX, height), min(_TILE_PX, width)
    rows, columns = -(-height // tall), -(-width // wide)
    total = len(planes) * rows * columns
    wanted = min(max(_BUDGET_PX // (tall * wide), 1), total)
    tiles = np.empty((wanted, tall, wide, planes.shape[-1]), planes.dtype)
    for k in range(wanted):
        # One tile from each of `wanted` equal runs of tiles in reading order; multiples of the golden ratio
        # say which, so that those taken don't line up in columns.
        n, place = divmod(int((k + k * _GOLDEN % 1) * total / wanted), rows * columns)
        top = min(place // columns * tall, height - tall)
        left = min(place % columns * wide, width - wide)
        tiles[k] = planes[n, top : top + tall, left : left + wide]
    return tiles


def _finite(pixels: Array) -> _Doubles:
    """Return a copy in double precision, NaN where a value isn't finite."""
    values = pixels.astype(np.float64)
    if pixels.dtype.kind == "f":
        values[~np.isfinite(values)] = np.nan
    return values


def _bad(tiles: Array, low: float, high: float, clipped: tuple[bool, bool]) -> Array:
    """Return which pixels are clipped, or aren't finite."""
    bad = ~np.isfinite(tiles)
    for end, is_clipped in zip((low, high), clipped, strict=True):
        if is_clipped:
            bad |= tiles == end
    return bad


def _touching(bad: Array, step: int) -> Array:
    """Return which blocks hold a bad pixel, shape (N, rows, columns)."""
    down = reduce(np.logical_or, _shifted(bad, step, axis=1))
    touching: Array = reduce(np.logical_or, _shifted(down, step, axis=2))
    return touching


def _shifted(pixels: Array, step: int, *, axis: int) -> list[Array]:
    """Return the first, second, ... eighth pixel that each block has along an axis."""
    last = pixels.shape[axis] - SIDE
    return [pixels[(slice(None),) * axis + (slice(j, j + last + 1, step),)] for j in range(SIDE)]


def _transformed(pixels: _Doubles, step: int) -> _Doubles:
    """Return the DCT-II of each block, shape (8, 8, N, rows, columns), vertical frequency first.

    In double precision, flat blocks need no care.
    """
    across = _product(_DCT, np.stack(_shifted(pixels, step, axis=2)))
    return _product(_DCT, np.stack(_shifted(across, step, axis=2)))


def _band_means(coefficients: _Doubles) -> _Doubles:
    """Return the mean square of the coefficients in each band, shape (7, N, rows, columns)."""
    squares = np.square(coefficients, out=coefficients).reshape(SIDE**2, *coefficients.shape[2:])
    means = _product(_BAND_MEANS, squares)
    means[means < _ROUNDING * squares[0]] = 0
    return means


def _product(matrix: _Doubles, columns: _Doubles) -> _Doubles:
    """Return the product of a matrix with columns, shape (K, ...), in products that stay in this thread."""
    flat = columns.reshape(len(columns), -1)
    out = np.empty((len(matrix), flat.shape[1]))
    wide = _PRODUCT_MOST // matrix.size
    for start in range(0, flat.shape[1], wide):
        np.matmul(matrix, flat[:, start : start + wide], out=out[:, start : start + wide])
    return out.reshape(len(matrix), *columns.shape[1:])


def _dct() -> _Doubles:
    """Return the orthonormal DCT-II of 8 values, lowest frequency first."""
    place = np.arange(SIDE)
    matrix = np.cos(np.pi * (place + 0.5) * place[:, None] / SIDE) * math.sqrt(2 / SIDE)
    matrix[0] /= math.sqrt(2)
    return matrix


def _means_over_bands() -> _Doubles:
    """Return the matrix that takes the 64 values of a flattened block to the mean in each band."""
    band = np.digitize(np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel(), _BAND_STARTS) - 1
    member = band == np.arange(len(_BAND_STARTS) - 1)[:, None]
    means: _Doubles = member / member.sum(axis=1, keepdims=True)
    return means


_DCT: Final = _dct()
_BAND_MEANS: Final = _means_over_bands()

#: Coefficients in each band.
BAND_COUNTS: Final[FloatArray] = np.count_nonzero(_BAND_MEANS, axis=1).astype(np.float32)
