"""What a step is trained on, and where it comes from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from limpid.training.config import Noise
from limpid.training.data import Pool
from limpid.training.degrade import add_noise

__all__ = ["Batch", "Source", "Synthetic"]


class Batch(NamedTuple):
    """Patches of noisy images, shape (N, C, H, W) each, the value range as ``[0, 1]``.

    Attributes
    ----------
    noisy : Tensor
        What the network is given.
    level : Tensor
        Standard deviation of the noise at each value, as the network is told.
    target : Tensor or None
        The same scene, clean or with other noise, where there is one.
    """

    noisy: Tensor
    level: Tensor
    target: Tensor | None = None

    def on(self, device: torch.device) -> Batch:
        """Return it on a device."""
        return Batch(*(None if part is None else part.to(device) for part in self))  # type: ignore[arg-type]


class Source(Protocol):
    """Where batches come from."""

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator, step: int) -> Batch:
        """Return a batch that follows from `rng` and `step` alone."""
        ...

    def pixels(self) -> int:
        """Return how many pixels there are to draw from, frames counted and channels not: what an epoch covers."""
        ...


class Synthetic:
    """Clean patches of a pool, with synthetic noise.

    Parameters
    ----------
    pool : Pool
        Clean pictures.
    noise : Noise
        The distribution of levels.
    """

    def __init__(self, pool: Pool, noise: Noise) -> None:
        self._pool = pool
        self._noise = noise

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator, step: int) -> Batch:  # noqa: ARG002
        """Return a batch; see :class:`Source`."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        clean = torch.from_numpy(self._pool.draw(count, patch_px=patch_px, rng=rng))
        noisy, level = add_noise(clean, self._noise, generator)
        return Batch(noisy, level, clean)

    def pixels(self) -> int:
        """Return the pixels of all pictures; see :class:`Source`."""
        return sum(picture.shape[0] * picture.shape[1] for picture in self._pool.pictures)
