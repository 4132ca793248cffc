"""Blocks in the order of a quantity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limpid.core.image import Array, FloatArray

__all__ = ["rising", "taken"]

_Indices = npt.NDArray[np.intp]


def rising(values: FloatArray) -> _Indices:
    """Return the indices that sort each group, equal values in the order in which they stand.

    As :func:`numpy.argsort` with ``kind="stable"``, in a third of its time: 16 bits after 16, which NumPy sorts by
    counting.

    Parameters
    ----------
    values : float32 array, shape (groups, N)
        Not negative, no NaN.

    Returns
    -------
    int array, shape (groups, N)

    Examples
    --------
    >>> rising(np.array([[5, 1, 5, 0]], np.float32))
    array([[3, 1, 0, 2]])
    """
    # The bits of floats that aren't negative rise with them; the sum makes 0 of -0.
    bits = (values + np.float32(0)).view(np.uint32)
    order = np.argsort(bits.astype(np.uint16), axis=1, kind="stable")
    high = taken((bits >> 16).astype(np.uint16), order)
    return taken(order, np.argsort(high, axis=1, kind="stable"))


def taken(values: Array, which: _Indices) -> Array:
    """Return ``values[..., i, which[i]]`` for each group i; many times as fast as :func:`numpy.take_along_axis`.

    Parameters
    ----------
    values : array, shape (..., groups, N)
        Any number of quantities of N blocks in each group.
    which : int array, shape (groups, M)
        Blocks of each group.

    Returns
    -------
    array, shape (..., groups, M)
    """
    groups, count = values.shape[-2:]
    flat = values.reshape(*values.shape[:-2], groups * count)
    found: Array = np.take(flat, which + count * np.arange(groups)[:, None], axis=-1)
    return found
