"""Noise added to a picture as it is shown: white, correlated between neighbours, or none."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from limpid.training.camera.finish import as_stored
from limpid.training.camera.told import told_level
from limpid.training.config import Camera, Noise
from limpid.training.degrade import add_noise

__all__ = ["shown_with_noise"]

#: Side of the random filters that correlate noise, and the standard deviations of the bells that they lie under.
_FILTER_PX: Final = 7
_BELL_PX: Final = (0.4, 1.5)

#: Level that is told of a picture without noise, at most about: what rounding and texture are taken for.
_NOTHING: Final = 1 / 255

#: Share of pictures that are stored in 8 bits.
_STORED_SHARE: Final = 0.5


def shown_with_noise(
    clean: Tensor, noise: Noise, camera: Camera, rng: np.random.Generator, *, correlated: bool
) -> tuple[Tensor, Tensor]:
    """Return a picture with noise, and the level that is told of it.

    Parameters
    ----------
    clean : Tensor, shape (3, H, W)
        In ``[0, 1]``.
    noise : Noise
        The distribution of its levels.
    camera : Camera
        Has the errors of the level of correlated noise.
    rng : numpy.random.Generator
        Source of all randomness.
    correlated : bool
        Whether neighbours are.

    Returns
    -------
    noisy, level : Tensor, shape (3, H, W)
    """
    noisy, level = (
        t[0] for t in add_noise(clean[None], noise, torch.Generator().manual_seed(int(rng.integers(2**63))))
    )
    if not level.any():
        return as_stored(clean), torch.full_like(level, _NOTHING * abs(rng.normal()))
    if correlated:
        noisy = clean + _correlated(noisy - clean, rng)
        level = told_level(noisy, clean, camera, rng, coded=False)
    return as_stored(noisy) if rng.random() < _STORED_SHARE else noisy, level


def _correlated(white: Tensor, rng: np.random.Generator) -> Tensor:
    """Return noise of the same variance, filtered."""
    place = torch.arange(_FILTER_PX) - _FILTER_PX // 2
    down, right = (torch.exp(-0.5 * (place / rng.uniform(*_BELL_PX)).square()) for _ in range(2))
    taps = down[:, None] * right * torch.from_numpy(rng.uniform(0.2, 1, (_FILTER_PX, _FILTER_PX)).astype(np.float32))
    taps = taps / taps.square().sum().sqrt()
    around = functional.pad(white[:, None], [_FILTER_PX // 2] * 4, mode="reflect")
    return functional.conv2d(around, taps[None, None])[:, 0]
