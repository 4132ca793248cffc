"""From which noise level on rough arithmetic is harmless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from limpid.core.image import FloatArray
from limpid.inference.runtimes import Network

__all__ = ["TOLERANCE", "levels_up_to", "measure_sigma_min", "with_noise"]

#: Largest root-mean-square difference to fp32, as a share of the noise level.
TOLERANCE: Final = 0.02

_LEVELS: Final = (55, 40, 30, 25, 20, 15, 12, 10, 8, 6, 5, 4, 3, 2, 1)


def measure_sigma_min(
    exact: Network, rough: Network, pictures: Sequence[FloatArray], *, sigma_max: float, clipped: bool = False
) -> float:
    """Return the smallest noise level, as a share of the range, from which rough arithmetic is harmless.

    At and above it, the root-mean-square difference between `rough` and `exact` (fp32) over all pictures is at most
    :data:`TOLERANCE` of the noise level.

    Parameters
    ----------
    exact, rough : Network
        The same model in both precisions.
    pictures : sequence of float32 arrays, shape (C, H, W)
        Clean, in ``[0, 1]``, of sizes the network takes.
    sigma_max : float
        Largest level that the network is told, as a share of the range.
    clipped : bool
        Whether noisy values are clipped to the range.

    Returns
    -------
    float
        1 where it is harmless at no level up to `sigma_max` and 55 of 255.
    """
    smallest = 255.0
    for sigma in levels_up_to(sigma_max, _LEVELS):
        squares = []
        for index, picture in enumerate(pictures):
            noisy, level = with_noise(picture, sigma / 255, seed=index, clipped=clipped)
            squares.append(np.mean(np.square(exact(noisy, level) - rough(noisy, level), dtype=np.float64)))
        if np.sqrt(np.mean(squares)) > TOLERANCE * sigma / 255:
            break
        smallest = sigma
    return smallest / 255


def levels_up_to(sigma_max: float, levels: Sequence[float]) -> list[float]:
    """Return those of `levels`, of 255, up to `sigma_max`, a share of the range, or that one where none is."""
    most = round(255 * sigma_max, 2)
    return [level for level in levels if level <= most] or [most]


def with_noise(picture: FloatArray, sigma: float, *, seed: int, clipped: bool = False) -> tuple[FloatArray, FloatArray]:
    """Return a picture with white noise, and the level of it, as a network takes them: of shape (1, *picture.shape).

    Noisy values may be clipped to ``[0, 1]``, as those of integer files are.
    """
    noise = np.random.default_rng(seed).standard_normal(picture.shape, dtype=np.float32)
    noisy = (picture + np.float32(sigma) * noise)[None]
    return np.clip(noisy, 0, 1) if clipped else noisy, np.full(noisy.shape, sigma, dtype=np.float32)
