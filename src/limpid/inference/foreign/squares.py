"""Networks for images of one size, on images that are a grid of such squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from limpid.core.image import FloatArray

__all__ = ["in_squares"]

#: Squares that are handed over at a time.
_TOGETHER: Final = 64


def in_squares(
    run: Callable[[FloatArray, FloatArray], FloatArray], noisy: FloatArray, level: FloatArray, *, side: int
) -> FloatArray:
    """Return what `run` gives for each square of an image, put together again.

    Parameters
    ----------
    run : callable
        From image and level to image, all of shape (N, C, side, side).
    noisy, level : float32 arrays, shape (1, C, H, W)
        H and W are multiples of `side`.
    side : int
        Height and width of a square.
    """
    _, channels, height, width = noisy.shape
    grid = (channels, height // side, side, width // side, side)
    cut = [
        np.ascontiguousarray(plane.reshape(grid).transpose(1, 3, 0, 2, 4)).reshape(-1, channels, side, side)
        for plane in (noisy, level)
    ]
    parts = [run(*(plane[i : i + _TOGETHER] for plane in cut)) for i in range(0, len(cut[0]), _TOGETHER)]
    squares = np.concatenate(parts).reshape(height // side, width // side, channels, side, side)
    return np.ascontiguousarray(squares.transpose(2, 0, 3, 1, 4)).reshape(noisy.shape)
