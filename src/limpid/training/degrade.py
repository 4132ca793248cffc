"""Make noisy patches, and the level map a network is told, from clean ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from limpid.noise.levels import LEVEL_HALO_PX, LEVEL_SIDE_PX
from limpid.training.config import Noise

__all__ = ["add_noise"]


def add_noise(clean: Tensor, noise: Noise, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw noise for a batch.

    Parameters
    ----------
    clean : Tensor, shape (N, C, H, W)
        Clean patches in ``[0, 1]``.
    noise : Noise
        The distribution of levels.
    generator : torch.Generator
        Source of all randomness.

    Returns
    -------
    noisy, level : Tensor, shape (N, C, H, W)
        Neither clipped nor rounded. `level` is the standard deviation the network is told; for
        Poisson-Gaussian noise it follows from the *noisy* signal, as it must in use: a map made from the
        clean signal would hand the network the answer.
    """
    n, channels = clean.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    sigma = uniform(n, 1, 1, 1) * (noise.sigma_max / 255)
    separate = uniform(n, channels, 1, 1) * (noise.sigma_max / 255)
    sigma = torch.where(uniform(n, 1, 1, 1) < noise.per_channel_share, separate, sigma.expand_as(separate))
    sigma = sigma * (uniform(n, 1, 1, 1) >= noise.zero_share)
    # Poisson-Gaussian: `sigma` is the level at full signal, split at random between gain and floor.
    poisson = uniform(n, 1, 1, 1) < noise.poisson_share
    gain_share = torch.where(poisson, uniform(n, 1, 1, 1), torch.zeros(()))
    gain, floor = gain_share * sigma**2, (1 - gain_share) * sigma**2

    variance = gain * clean + floor
    noisy = clean + variance.sqrt() * torch.randn(clean.shape, generator=generator)
    level = sigma.expand_as(noisy).clone()
    counting = poisson.flatten()
    if counting.any():
        signal = functional.avg_pool2d(
            noisy[counting], LEVEL_SIDE_PX, stride=1, padding=LEVEL_HALO_PX, count_include_pad=False
        ).clamp(min=0)
        level[counting] = (gain[counting] * signal + floor[counting]).sqrt()
    error = 1 + noise.level_error * torch.randn((n, 1, 1, 1), generator=generator)
    return noisy, level * error.clamp(min=0)
