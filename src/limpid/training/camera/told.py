"""The level that a network is told of a photograph: as far from the truth as one that is measured."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from limpid.noise.levels import level_maps
from limpid.noise.result import UNKNOWN
from limpid.training.config import Camera

__all__ = ["told_level"]


def told_level(noisy: Tensor, clean: Tensor, camera: Camera, rng: np.random.Generator, *, coded: bool) -> Tensor:
    """Return the level of a photograph, of its shape.

    In use a level comes from :func:`limpid.noise.estimate.estimate_noise`. Of noise that a camera has made it tells
    too little, since a part of it looks like texture, and after JPEG it tells still less; and it seldom sees how the
    noise depends on the signal once a tone curve has been over both.

    Parameters
    ----------
    noisy, clean : Tensor, shape (C, H, W)
        The photograph and the truth.
    camera : Camera
        Has the errors of the level.
    rng : numpy.random.Generator
        For its error.
    coded : bool
        Whether it was a JPEG file.
    """
    squares = (noisy - clean).square()
    lack = camera.jpeg_lack if coded else camera.level_lack
    shared = rng.normal(0, camera.level_error) - rng.exponential(lack)
    factors = np.exp(shared + rng.laplace(0, camera.channel_error, size=len(noisy))).astype(np.float32)
    if rng.random() < camera.line_share:
        level = _line_level(noisy, clean, squares)
    else:
        level = squares.mean((1, 2), keepdim=True).sqrt().expand_as(noisy)
    return level * torch.from_numpy(factors)[:, None, None]


def _line_level(noisy: Tensor, clean: Tensor, squares: Tensor) -> Tensor:
    """Return the level by the lines that fit best how the squares grow with the signal, channel by channel."""
    models = []
    for signal, square in zip(clean, squares, strict=True):
        mean = float(square.mean())
        about = signal - signal.mean()
        slope = float((about * square).mean()) / max(float(about.square().mean()), 1e-12)
        # Not below a floor of zero, where the picture is all dark or all bright and tells no slope.
        gain = min(max(slope, 0.0), mean / max(float(signal.mean()), 1e-6))
        floor = max(mean - gain * float(signal.mean()), 0.0)
        models.append(dataclasses.replace(UNKNOWN, sigma=math.sqrt(mean), gain=gain, floor=floor).model)
    return torch.from_numpy(level_maps(noisy.permute(1, 2, 0).numpy(), models)).permute(2, 0, 1)
