"""Photographs of a pool's pictures, as a source to train on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from limpid.training.batch import Batch
from limpid.training.camera.display import shown_with_noise
from limpid.training.camera.photograph import draw_shot
from limpid.training.camera.told import told_level
from limpid.training.config import Camera, Noise
from limpid.training.data import Pool

__all__ = ["Photographed"]


class Photographed:
    """Clean pictures as a camera takes them; some as they are shown, with noise added.

    Parameters
    ----------
    pool : Pool
        Clean pictures, in colour.
    camera : Camera
        The distribution of cameras.
    noise : Noise
        Of the noise that is added to those that no camera takes. Its largest level is the largest that is told.
    """

    def __init__(self, pool: Pool, camera: Camera, noise: Noise) -> None:
        self._pool = pool
        self._camera = camera
        self._noise = noise

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator, step: int) -> Batch:  # noqa: ARG002
        """Return a batch; see :class:`~limpid.training.batch.Source`."""
        each = [self._patch(patch_px, rng) for _ in range(count)]
        noisy, level, clean = (torch.stack(kind) for kind in zip(*each, strict=True))
        return Batch(noisy, level.clamp(max=self._noise.sigma_max / 255), clean)

    def pixels(self) -> int:
        """Return the pixels of all pictures; see :class:`~limpid.training.batch.Source`."""
        return sum(picture.shape[0] * picture.shape[1] for picture in self._pool.pictures)

    def _patch(self, patch_px: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return a noisy patch, its level, and the clean one."""
        camera = self._camera
        if rng.random() < camera.display_share:
            clean = self._picture(patch_px, rng)
            correlated = bool(rng.random() < camera.correlated_share)
            return *shown_with_noise(clean, self._noise, camera, rng, correlated=correlated), clean
        shot = draw_shot(camera, rng)
        scene = self._picture(shot.scene_px(patch_px), rng)
        noisy, clean = shot.take(scene, rng, side_px=patch_px)
        return noisy, told_level(noisy, clean, camera, rng, coded=shot.finish.quality is not None), clean

    def _picture(self, side_px: int, rng: np.random.Generator) -> Tensor:
        return torch.from_numpy(self._pool.draw(1, patch_px=side_px, rng=rng)[0])
