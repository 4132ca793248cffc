"""A validation by photographs: the same each time."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from limpid.training.camera.photograph import draw_shot
from limpid.training.config import Camera
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

    Raises
    ------
    DataError
        If the pool is empty.
    """

    def __init__(self, pool: Pool, camera: Camera) -> None:
        self._white = Validation(pool, sigmas=_SIGMAS)
        rng = np.random.default_rng(0)
        self._cases: list[tuple[Tensor, Tensor]] = []
        for picture in pool.pictures:
            for _ in range(_SHOTS):
                shot = draw_shot(camera, rng)
                scene = torch.from_numpy(np.ascontiguousarray(central(picture, shot.scene_px(_SIDE_PX))))
                self._cases.append(shot.take(scene, rng, side_px=_SIDE_PX))

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Return figures in dB, range 1.

        ``psnr_noisy`` of the photographs as they are, ``psnr`` denoised; ``psnr_15`` and ``psnr_25`` with white noise.
        """
        predict = Predict(network)
        scores = []
        with torch.no_grad():
            for noisy, clean in self._cases:
                answers = (noisy, predict(noisy[None], torch.zeros_like(noisy)[None])[0])
                scores.append([-10 * float((answer.clamp(0, 1) - clean).square().mean().log10()) for answer in answers])
        means = np.mean(scores, axis=0)
        return {"psnr_noisy": float(means[0]), "psnr": float(means[1])} | self._white(network)
