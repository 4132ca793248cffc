"""Noise units: the scale in which the noise of every channel has level 1."""

from __future__ import annotations

from collections.abc import Callable

from limpid.core.image import FloatArray

__all__ = ["denoise_whitened"]


def denoise_whitened(noisy: FloatArray, level: FloatArray, method: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Denoise a plane by a method for noise of level 1.

    Dividing by the level first makes any method scale with its input: plane and level times a factor give the
    result times that factor, whatever the range of the values.

    Parameters
    ----------
    noisy : float32 array, shape (Y, X, C)
        Not changed.
    level : float32 array, shape (C,)
        Standard deviation of the noise; channels with level 0 are returned as they are.
    method : callable
        From a plane of shape (Y, X, C'), in noise units, to the denoised one; it may change its input. C' is
        the number of channels with noise.

    Returns
    -------
    float32 array, shape (Y, X, C)
    """
    some = level > 0
    if some.all():
        return method(noisy / level) * level
    out = noisy.copy()
    if some.any():
        out[..., some] = method(noisy[..., some] / level[some]) * level[some]
    return out
