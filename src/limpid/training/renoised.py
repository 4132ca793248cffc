"""Clean images with synthetic noise: of a measured kind, or of all levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from limpid.core.image import FloatArray
from limpid.noise.levels import level_maps
from limpid.noise.models import NoiseModel
from limpid.training.batch import Batch
from limpid.training.collection import Collection
from limpid.training.config import Noise
from limpid.training.degrade import add_noise

__all__ = ["Degrade", "Renoised", "any_noise", "measured_noise"]

#: Maps clean patches, shape (N, C, H, W) or (N, C, D, H, W), to noisy ones and the level that a network is told.
Degrade = Callable[[Tensor, np.random.Generator], tuple[Tensor, Tensor]]


class Renoised:
    """Patches of clean images with noise added.

    Parameters
    ----------
    clean : Collection
        Clean images.
    degrade : callable
        Adds the noise.
    """

    def __init__(self, clean: Collection, degrade: Degrade) -> None:
        self._clean = clean
        self._degrade = degrade

    def __len__(self) -> int:
        return len(self._clean)

    def first(self, count: int) -> Renoised:
        """Return the same from so many of the clean files."""
        return Renoised(self._clean.first(count), self._degrade)

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator, step: int) -> Batch:
        """Return a batch (see :class:`~limpid.training.batch.Source`)."""
        clean = self._clean.draw(count, patch_px=patch_px, rng=rng, step=step).noisy
        noisy, level = self._degrade(clean, rng)
        return Batch(noisy, level, clean)

    def samples(self, count: int, *, side_px: int) -> list[tuple[FloatArray, FloatArray]]:
        """Return the middle of some of the images with noise, and its level (see :meth:`Collection.samples`)."""
        rng, found = np.random.default_rng(0), []
        for clean, _ in self._clean.samples(count, side_px=side_px):
            noisy, level = self._degrade(torch.from_numpy(np.ascontiguousarray(clean[None])), rng)
            found.append((noisy[0].numpy(), level[0].numpy()))
        return found

    def pixels(self) -> int:
        """Return the pixels of the clean images (see :class:`~limpid.training.batch.Source`)."""
        return self._clean.pixels()


def any_noise(noise: Noise) -> Degrade:
    """Return what adds noise of a distribution of levels, as :func:`~limpid.training.degrade.add_noise` does."""

    def degrade(clean: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        return add_noise(clean, noise, torch.Generator().manual_seed(int(rng.integers(2**63))))

    return degrade


def measured_noise(noises: Sequence[tuple[NoiseModel, ...]]) -> Degrade:
    """Return what gives each patch the noise of one of some images.

    The noise follows the clean signal, the level that is told the noisy one, as it must in use.

    Parameters
    ----------
    noises : sequence of tuples of NoiseModel
        The noise of each channel of each image, the value range as ``[0, 1]``; each image is equally likely.
    """

    def degrade(clean: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        noisy, level = np.empty(clean.shape, np.float32), np.empty(clean.shape, np.float32)
        for number, patch in enumerate(clean.numpy()):
            models = noises[int(rng.integers(len(noises)))]
            for channel, model in enumerate(models):
                noisy[number, channel] = model.sample(patch[channel], rng=rng)
            level[number] = np.moveaxis(level_maps(np.moveaxis(noisy[number], 0, -1), models), -1, 0)
        return torch.from_numpy(noisy), torch.from_numpy(level)

    return degrade
