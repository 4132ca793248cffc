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
    clean : Tensor, shape (N, C, H, W) or (N, C, D, H, W)
        Clean patches in ``[0, 1]``.
    noise : Noise
        The distribution of levels.
    generator : torch.Generator
        Source of all randomness.

    Returns
    -------
    noisy, level : Tensor, of the shape of `clean`
        Neither clipped nor rounded. `level` is the standard deviation the network is told; for
        Poisson-Gaussian noise it follows from the *noisy* signal, as it must in use: a map made from the
        clean signal would hand the network the answer.
    """
    n, channels = clean.shape[:2]
    ones = [1] * (clean.ndim - 2)

    def uniform(channels: int = 1) -> Tensor:
        return torch.rand((n, channels, *ones), generator=generator)

    sigma = uniform() * (noise.sigma_max / 255)
    separate = uniform(channels) * (noise.sigma_max / 255)
    sigma = torch.where(uniform() < noise.per_channel_share, separate, sigma.expand_as(separate))
    sigma = sigma * (uniform() >= noise.zero_share)
    # Poisson-Gaussian: `sigma` is the level at full signal, split at random between gain and floor.
    poisson = uniform() < noise.poisson_share
    gain_share = torch.where(poisson, uniform(), torch.zeros(()))
    gain, floor = gain_share * sigma**2, (1 - gain_share) * sigma**2

    variance = gain * clean + floor
    noisy = clean + variance.sqrt() * torch.randn(clean.shape, generator=generator)
    level = sigma.expand_as(noisy).clone()
    counting = poisson.flatten()
    if counting.any():
        planes = noisy[counting].flatten(1, -3)  # of a stack, each is averaged by itself
        mean = functional.avg_pool2d(planes, LEVEL_SIDE_PX, stride=1, padding=LEVEL_HALO_PX, count_include_pad=False)
        signal = mean.view_as(noisy[counting]).clamp(min=0)
        level[counting] = (gain[counting] * signal + floor[counting]).sqrt()
    error = 1 + noise.level_error * torch.randn((n, 1, *ones), generator=generator)
    return noisy, level * error.clamp(min=0)
