"""How an image looks, in a few numbers: brightness, sharpness, and a hash that similar pictures share."""

from __future__ import annotations

import math
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt

from limpid.core.image import Array, FloatArray
from limpid.noise.correlation import Correlation
from limpid.noise.result import NoiseEstimate

__all__ = ["perceptual_hash", "sharpness"]

#: Side of the picture that is hashed, and of the low frequencies that the hash is made of.
_SIDE: Final = 32
_LOW: Final = 8

#: Pixels that sharpness is measured on.
_BUDGET_PX: Final = 1 << 20


def perceptual_hash(values: Array) -> int:
    """Return 64 bits that hardly change when a picture is scaled, compressed, or made a little noisier or brighter.

    Each bit says whether a low frequency of the DCT of a thumbnail is above the median [1]_. Copies differ in 10 bits
    at most as a rule, unrelated pictures in 32 on average.

    Parameters
    ----------
    values : array, shape (Y, X, C)
        Of several channels, the mean counts.

    Returns
    -------
    int
        As a signed number of 64 bits, which every database has.

    References
    ----------
    .. [1] C. Zauner, "Implementation and benchmarking of perceptual image hash functions", Hagenberg, 2010, section
       3.2.1.
    """
    small = _thumbnail(values)
    low = _DCT @ small @ _DCT.T
    bits = np.packbits(low.ravel() > np.median(low))
    return int(bits.view(">i8")[0])


def sharpness(values: Array, noise: NoiseEstimate) -> float | None:
    """Return the standard deviation of an image's Laplacian without the noise's share, over the image's own.

    Parameters
    ----------
    values : array, shape (Y, X, C)
        Its channels are looked at one by one, and averaged.
    noise : NoiseEstimate
        Of these values.

    Returns
    -------
    float or None
        Near 0 where it is out of focus; the square root of 20 where neighbouring pixels have nothing in common. None
        where the image is constant, less than 3 pixels wide, or nothing but noise.
    """
    if min(values.shape[:2]) < 3:
        return None
    rows = max(3, _BUDGET_PX // values.shape[1])
    top = max(0, (values.shape[0] - rows) // 2)
    middle = values[top : top + rows]
    edges, contrast = 0.0, 0.0
    for c, one in enumerate(noise.channels):
        plane = middle[..., c].astype(np.float32)
        laplacian = plane[1:-1, :-2] + plane[1:-1, 2:] + plane[:-2, 1:-1] + plane[2:, 1:-1] - 4 * plane[1:-1, 1:-1]
        edges += float(laplacian.var()) - _laplacian_power(one.correlation) * one.sigma**2
        contrast += float(plane.var()) - one.sigma**2
    return math.sqrt(max(edges, 0.0) / contrast) if contrast > 0 else None


def _laplacian_power(found: Correlation | None) -> float:
    """Return the variance that the Laplacian of noise of variance 1 has: 20 where it is white."""
    if found is None:
        return 20.0
    far = found.along_x[1] + found.along_y[1]
    return max(20 - 16 * (found.x + found.y) + 2 * far + 8 * found.diagonal, 0.0)


def _thumbnail(values: Array) -> FloatArray:
    """Return the means over 32 x 32 equal parts, shape (32, 32); of a smaller image, some of its pixels come twice."""
    rows, columns = (np.arange(_SIDE) * side // _SIDE for side in values.shape[:2])
    gray = reduce(np.add, (values[..., c].astype(np.float32) for c in range(values.shape[2])))
    gray /= np.float32(values.shape[2])
    sums = np.add.reduceat(np.add.reduceat(gray, rows, axis=0), columns, axis=1)
    tall, wide = (
        np.maximum(np.diff(starts, append=side), 1)
        for starts, side in zip((rows, columns), values.shape[:2], strict=True)
    )
    return np.nan_to_num(sums / np.outer(tall, wide)).astype(np.float32)


def _dct() -> npt.NDArray[np.float64]:
    """Return the matrix that takes 32 values to their DCT-II coefficients 1 to 8: the mean says nothing."""
    frequency = np.arange(1, _LOW + 1)[:, None]
    return np.cos(np.pi * frequency * (np.arange(_SIDE) + 0.5) / _SIDE)


_DCT: Final = _dct()
