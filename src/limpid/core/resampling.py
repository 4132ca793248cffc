"""Planes in another size: averages where they become smaller, linear interpolation where they become larger."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from limpid.core.image import Array, FloatArray

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["noise_gain", "resampled"]


def resampled(planes: Array, height: int, width: int) -> FloatArray:
    """Return planes in another size.

    A new pixel is the mean of the old ones over a window around it that is as wide as a new pixel, and at least as wide
    as an old one. So reducing averages over what a pixel covers, and white noise stays white where the size is
    divided by a whole number; enlarging interpolates linearly, and continues the border.

    Parameters
    ----------
    planes : array, shape (N, Y, X, C)
        Finite.
    height, width : int
        New size in pixels, ``>= 1``.

    Returns
    -------
    float32 array, shape (N, height, width, C)

    Examples
    --------
    >>> resampled(np.array([1, 3, 5, 7]).reshape(1, 1, 4, 1), 1, 2).ravel()
    array([2., 6.], dtype=float32)
    >>> resampled(np.array([2, 6]).reshape(1, 1, 2, 1), 1, 4).ravel()
    array([2., 3., 5., 6.], dtype=float32)
    """
    down, across = _weights(planes.shape[1], height), _weights(planes.shape[2], width)
    out = np.empty((len(planes), height, width, planes.shape[-1]), np.float32)
    for plane, target in zip(planes, out, strict=True):
        for channel in range(plane.shape[-1]):
            target[..., channel] = (across @ (down @ plane[..., channel].astype(np.float32)).T).T
    return out


def noise_gain(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Return what the standard deviation of white noise is multiplied by from one (height, width) to another.

    It is the root mean square over the new pixels, of which those between two old ones have less noise than others.

    Examples
    --------
    >>> noise_gain((100, 90), (50, 30))  # means of 2 x 3 pixels: 1 / sqrt(6)
    0.40824...
    """
    squares = (_weights(b, a).power(2).sum() / a for b, a in zip(before, after, strict=True))
    return math.sqrt(math.prod(float(one) for one in squares))


def _weights(before: int, after: int) -> sparse.csr_array[Any]:
    """Return the matrix, shape (after, before), from an axis of one length to that of another; its rows sum to 1."""
    from scipy import sparse  # slow to import, rarely needed

    ratio = before / after
    window = max(ratio, 1.0)
    start = (np.arange(after)[:, None] + 0.5) * ratio - window / 2
    pixel = np.floor(start).astype(int) + np.arange(math.ceil(window) + 1)
    overlap = np.minimum(start + window, pixel + 1) - np.maximum(start, pixel)
    overlap = np.where((pixel >= 0) & (pixel < before), overlap.clip(min=0), 0)
    overlap /= overlap.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(after)[:, None], pixel.shape)
    some = overlap > 1e-9  # what rounding leaves of windows that end where a pixel does
    return sparse.csr_array((overlap[some].astype(np.float32), (row[some], pixel[some])), shape=(after, before))
