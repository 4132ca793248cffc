"""Mean squared error and the signal-to-noise ratio made of it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from limpid.core.errors import ImageError, OptionError

__all__ = ["mse", "psnr"]


def mse(test: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the mean squared difference over all values, accumulated in float64.

    Parameters
    ----------
    test, reference : array_like
        Real values of any dtype and equal shape.

    Raises
    ------
    ImageError
        If the shapes differ or hold no values.

    Examples
    --------
    >>> mse([0, 2], [0, 0])
    2.0
    """
    first, second = np.asarray(test), np.asarray(reference)
    if first.shape != second.shape:
        raise ImageError(
            f"the test image has shape {first.shape} and the reference {second.shape}; compare images of one shape."
        )
    if first.size == 0:
        raise ImageError(f"images of shape {first.shape} hold no values to compare.")
    # The dtype is told so that unsigned integers don't wrap round below zero.
    difference = np.subtract(first, second, dtype=np.float64).ravel()
    return float(np.dot(difference, difference) / difference.size)


def psnr(test: npt.ArrayLike, reference: npt.ArrayLike, *, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in dB, ``10 log10(data_range^2 / mse)``; more is better.

    One mean squared error is taken over all values, channels included. Identical images give infinity.

    Parameters
    ----------
    test, reference : array_like
        Real values of equal shape.
    data_range : float
        White minus black, ``> 0``: 255 for 8-bit images. It is never guessed from the dtype.

    Raises
    ------
    ImageError
        If the shapes differ or hold no values.
    OptionError
        If the range is not positive.

    Examples
    --------
    >>> round(psnr([0, 255], [0, 245], data_range=255), 2)
    31.14
    """
    if not data_range > 0:
        raise OptionError(f"data_range must be positive (white minus black, such as 255), got {data_range}.")
    error = mse(test, reference)
    return math.inf if error == 0 else 20 * math.log10(data_range) - 10 * math.log10(error)
