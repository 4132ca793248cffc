"""The noise level at each pixel, from the noisy pixels themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limpid.core.image import FloatArray
from limpid.noise.models import NoiseModel

__all__ = ["LEVEL_HALO_PX", "LEVEL_SIDE_PX", "level_map", "level_maps"]

#: Side of the box over which the signal is averaged. Networks are trained with levels made this way
#: (``training.degrade``); both must change together.
LEVEL_SIDE_PX = 7

#: Pixels around a tile that :func:`level_map` looks at.
LEVEL_HALO_PX = LEVEL_SIDE_PX // 2


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
    return np.sqrt(model.variance(_box_mean(noisy))).astype(np.float32, copy=False)


def level_maps(noisy: FloatArray, models: Sequence[NoiseModel]) -> FloatArray:
    """Return the same where each channel has a model of its own; shapes as in :func:`level_map`."""
    return np.concatenate([level_map(noisy[..., c : c + 1], one) for c, one in enumerate(models)], axis=-1)


def _box_mean(noisy: FloatArray) -> FloatArray:
    from scipy import ndimage  # slow to import

    mean = noisy
    for axis in (-3, -2):
        mean = ndimage.uniform_filter1d(mean, LEVEL_SIDE_PX, axis=axis, mode="constant")
        # The filter counts what lies outside as zeros; divide by the share of the box that lies inside.
        place = np.arange(noisy.shape[axis])
        inside = np.minimum(place, LEVEL_HALO_PX) + np.minimum(place[::-1], LEVEL_HALO_PX) + 1
        share = (inside / LEVEL_SIDE_PX).astype(np.float32)
        mean = mean / (share[:, None, None] if axis == -3 else share[:, None])
    return mean
