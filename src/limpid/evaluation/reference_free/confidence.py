"""Which pixels of a denoised image to trust.

The error of the best denoiser there can be has the covariance ``v dD/dy`` (see :mod:`.risk`): where the output follows
its input, noise comes through. So the response to a probe, averaged over a few pixels, is a map of the expected
squared error; its height is set by the error of the whole.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from limpid.core.image import FloatArray
from limpid.evaluation.reference_free.clipping import Clipping
from limpid.evaluation.reference_free.response import Response

__all__ = ["DOUBTFUL", "confidence", "expected_error", "first_order"]

#: Standard deviation of the Gaussian that averages the response. On the training pool at sigma 25, of 1, 1.5, 2.5 and
#: 4, the tenth of the pixels least trusted held most of the squared error with this.
_BLUR_PX: Final = 2.5

#: No pixel is trusted more than one whose expected squared error is this share of the noise.
_LEAST: Final = 0.01

#: Confidence below which a pixel is not to be trusted: the error expected is more than half of the noise.
DOUBTFUL: Final = 0.5


def expected_error(local: FloatArray, clipping: Clipping | None, mse: float | None) -> FloatArray:
    """Return the root mean square error expected at each pixel, over the channels.

    Parameters
    ----------
    local : float32 array, shape (N, Y, X, C)
        As returned by :func:`first_order`.
    clipping : Clipping or None
        What clipping did to each pixel, same shape.
    mse : float or None
        Mean squared error of the whole; that of the best denoiser that answers so, where it isn't known.

    Returns
    -------
    float32 array, shape (N, Y, X)
        Its mean square is `mse`, where that is known.
    """
    square = local.mean(axis=-1)
    if clipping is not None:
        square += np.square(clipping.bias).mean(axis=-1)
    scale = 1.0 if mse is None else mse / float(square.mean(dtype=np.float64))
    error: FloatArray = np.sqrt(square * np.float32(scale))
    return error


def first_order(response: Response, variance: FloatArray, clipping: Clipping | None) -> FloatArray:
    """Return the squared error expected of the best denoiser that answers so, but for bias, shape (N, Y, X, C)."""
    kept = ndimage.gaussian_filter(response.probe * response.answer, (0, _BLUR_PX, _BLUR_PX, 0))
    square: FloatArray = variance * np.maximum(kept, np.float32(_LEAST))
    return square if clipping is None else square * clipping.variance_share


def confidence(error: FloatArray, variance: FloatArray) -> FloatArray:
    """Return how far each pixel is to be trusted: 1 without error, 0 where it is as large as the noise was.

    Parameters
    ----------
    error : float32 array, shape (N, Y, X)
        As returned by :func:`expected_error`.
    variance : float32 array, shape (N, Y, X, C)
        Of the noise.
    """
    trust: FloatArray = np.clip(1 - error / np.sqrt(variance.mean(axis=-1)), 0, 1)
    return trust
