"""What a step is trained on, and where it comes from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from limpid.noise.levels import level_maps
from limpid.noise.models import NoiseModel
from limpid.training.config import Noise
from limpid.training.data import Pool
from limpid.training.degrade import add_noise

__all__ = ["Batch", "Source", "Synthetic"]


class Batch(NamedTuple):
    """Patches of noisy images, shape (N, C, H, W), or of stacks, (N, C, D, H, W); the value range as ``[0, 1]``.

    Attributes
    ----------
    noisy : Tensor
        What the network is given.
    level : Tensor
        Standard deviation of the noise at each value, as the network is told.
    target : Tensor or None
        The same scene, clean or with other noise, where there is one.
    models : sequence of tuples of NoiseModel, or None
        The noise of each channel of each patch. None where the level is the same everywhere in a patch, or not used
        but as it is.
    """

    noisy: Tensor
    level: Tensor
    target: Tensor | None = None
    models: Sequence[tuple[NoiseModel, ...]] | None = None

    def level_of(self, given: Tensor) -> Tensor:
        """Return the level that a network is told with patches that were made of these, of the same shape as they.

        A level that grows with the signal is made of the noisy pixels themselves. It must be made of those that the
        network is given: the level of the whole patch tells what was hidden from it, or kept apart as its target.

        Parameters
        ----------
        given : Tensor, shape (K N, C, H', W') or (K N, C, D, H', W')
            K patches made of each, in the order of the batch, again and again.
        """
        if self.models is None:
            repeats = len(given) // len(self.level)
            return torch.cat([self.level[..., :1, :1]] * repeats).expand_as(given)
        patches = given.detach().float().cpu().movedim(1, -1).numpy()
        models = itertools.cycle(self.models)
        levels = np.stack([level_maps(patch, one) for patch, one in zip(patches, models, strict=False)])
        return torch.from_numpy(levels).movedim(-1, 1).contiguous().to(given.device)

    def apart(self) -> Batch:
        """Return the planes of stacks, shape (N, C, D, H, W), each as a stack of one, shape (N D, C, 1, H, W)."""

        def planes(stacks: Tensor) -> Tensor:
            return stacks.transpose(1, 2).flatten(0, 1).unsqueeze(2)

        depth = self.noisy.shape[2]
        return Batch(
            planes(self.noisy),
            planes(self.level),
            None if self.target is None else planes(self.target),
            None if self.models is None else [one for one in self.models for _ in range(depth)],
        )

    def on(self, device: torch.device) -> Batch:
        """Return it on a device."""
        target = None if self.target is None else self.target.to(device)
        return Batch(self.noisy.to(device), self.level.to(device), target, self.models)


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
