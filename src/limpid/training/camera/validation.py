"""A validation by photographs: the same each time, with the level told and with the level measured."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise
from limpid.noise.levels import level_maps
from limpid.noise.models import in_unit_of
from limpid.training.camera.photograph import draw_shot
from limpid.training.config import Camera, Noise
from limpid.training.data import Pool, central
from limpid.training.strategies.base import Predict
from limpid.training.validation import Validation

__all__ = ["PhotographValidation"]

#: Photographs of each held-out picture, and their side.
_SHOTS: Final = 3
_SIDE_PX: Final = 224

#: Levels of white noise that are looked at besides.
_SIGMAS: Final = (15, 25)


class PhotographValidation:
    """Mean PSNR over photographs of held-out pictures, and over the same pictures with white noise.

    Parameters
    ----------
    pool : Pool
        Held-out pictures in colour, of at least 500 x 500 pixels.
    camera : Camera
        The distribution of cameras.
    noise : Noise
        Its largest level is the largest that is told.

    Raises
    ------
    DataError
        If the pool is empty.
    """

    def __init__(self, pool: Pool, camera: Camera, noise: Noise) -> None:
        self._white = Validation(pool, sigmas=_SIGMAS)
        rng = np.random.default_rng(0)
        self._cases: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        for picture in pool.pictures:
            for _ in range(_SHOTS):
                shot = draw_shot(camera, rng)
                scene = torch.from_numpy(np.ascontiguousarray(central(picture, shot.scene_px(_SIDE_PX))))
                noisy, clean = shot.take(scene, rng, side_px=_SIDE_PX)
                sigma = (noisy - clean).square().mean((1, 2), keepdim=True).sqrt()
                levels = (sigma.expand_as(noisy), _measured_level(noisy))
                told, measured = (level.clamp(max=noise.sigma_max / 255) for level in levels)
                self._cases.append((noisy, clean, told, measured))

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Return figures in dB, range 1.

        ``psnr_noisy`` of the photographs as they are; ``psnr_told`` denoised with the true standard deviation of the
        noise in each channel; ``psnr_measured`` with the level from
        :func:`~limpid.noise.estimate.estimate_noise`, as in use; ``psnr_15`` and ``psnr_25`` with white noise.
        """
        predict = Predict(network)
        scores = []
        with torch.no_grad():
            for noisy, clean, told, measured in self._cases:
                answers = (noisy, *(predict(noisy[None], level[None])[0] for level in (told, measured)))
                scores.append([-10 * float((answer.clamp(0, 1) - clean).square().mean().log10()) for answer in answers])
        means = np.mean(scores, axis=0)
        names = ("psnr_noisy", "psnr_told", "psnr_measured")
        return {name: float(mean) for name, mean in zip(names, means, strict=True)} | self._white(network)


def _measured_level(noisy: Tensor) -> Tensor:
    values = noisy.permute(1, 2, 0).contiguous().numpy()
    image = Image.from_array((values * 255).round().astype(np.uint8))
    found = estimate_noise(image)
    if found.signal_dependent:
        maps = level_maps(values, in_unit_of(found.models, image.value_range))
        return torch.from_numpy(maps).permute(2, 0, 1)
    sigmas = torch.tensor(found.sigma_per_channel) / image.span
    return sigmas[:, None, None].expand_as(noisy)
