"""The noise level at each pixel, from the noisy pixels themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from limpid.core.image import FloatArray
from limpid.noise.models import NoiseModel

__all__ = ["LEVEL_HALO_PX", "LEVEL_SIDE_PX", "level_map", "level_maps"]

#: Side of the box over which the signal is averaged. Networks are trained with levels made this way
#: (``training.degrade``); both must change together.
LEVEL_SIDE_PX = 7

#: Pixels around a tile that :func:`level_map` looks at.
LEVEL_HALO_PX = LEVEL_SIDE_PX // 2

#: Values averaged at a time, so that all about them stays in the processor's cache.
_AT_ONCE: Final = 2**15


def level_map(noisy: FloatArray, model: NoiseModel) -> FloatArray:
    """Return the standard deviation of the noise at each value of a noisy tile.

    The signal is taken to be the mean of the 7 x 7 box around a pixel, of those pixels inside the tile; the
    level follows from it by ``sqrt(model.variance(signal))``.

    Parameters
    ----------
    noisy : float32 array, shape (Y, X, C), or (D, Y, X, C) for planes that are averaged each by itself
        Noisy pixels.
    model : NoiseModel
        In the units of the pixels (see :meth:`NoiseModel.scaled` and :meth:`NoiseModel.shifted`).

    Returns
    -------
    float32 array, of the shape of `noisy`
        Standard deviation in the units of the pixels.
    """
    return level_maps(noisy, [model] * noisy.shape[-1])


def level_maps(noisy: FloatArray, models: Sequence[NoiseModel]) -> FloatArray:
    """Return the same where each channel has a model of its own; shapes as in :func:`level_map`."""
    level = np.empty_like(noisy, dtype=np.float32)
    stack = (noisy, level) if noisy.ndim == 4 else (noisy[None], level[None])
    for plane, target in zip(*stack, strict=True):
        height = len(plane)
        rows = max(_AT_ONCE // plane[0].size, LEVEL_SIDE_PX)
        for top in range(0, height, rows):
            mean = _box_mean(plane, top, min(top + rows, height))
            for c, model in enumerate(models):
                np.sqrt(model.variance(mean[..., c]), out=target[top : top + rows, :, c], casting="same_kind")
    return level


def _box_mean(plane: FloatArray, top: int, stop: int) -> FloatArray:
    """Return the mean over the box around each pixel of some rows, shape (rows, X, C)."""
    height, width, channels = plane.shape
    above, below = max(top - LEVEL_HALO_PX, 0), min(stop + LEVEL_HALO_PX, height)
    # What lies outside counts as zeros; the sum is divided by the pixels that lie inside.
    framed = np.zeros((stop - top + 2 * LEVEL_HALO_PX, width + 2 * LEVEL_HALO_PX, channels), np.float32)
    seen = slice(above - top + LEVEL_HALO_PX, below - top + LEVEL_HALO_PX)
    framed[seen, LEVEL_HALO_PX : LEVEL_HALO_PX + width] = plane[above:below]
    flat = framed.reshape(len(framed), -1)
    total = _sums(_sums(flat, 1).T, channels).T.reshape(stop - top, width, channels)
    total /= _inside(height)[top:stop, None, None]
    total /= _inside(width)[:, None]
    return total


def _sums(lines: FloatArray, apart: int) -> FloatArray:
    """Return the sum of each line and the six that follow it, so many lines apart, along the first axis."""
    two = lines[:-apart] + lines[apart:]
    four = two[: -2 * apart] + two[2 * apart :]
    seven: FloatArray = four[: -3 * apart] + two[4 * apart : -apart]
    seven += lines[6 * apart :]
    return seven


def _inside(length: int) -> FloatArray:
    """Return how many pixels of the box around each pixel of an axis lie on it."""
    place = np.arange(length)
    inside = np.minimum(place, LEVEL_HALO_PX) + np.minimum(place[::-1], LEVEL_HALO_PX) + 1
    return inside.astype(np.float32)
