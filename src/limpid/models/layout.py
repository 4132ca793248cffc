"""How images and stacks lie in memory where convolutions are fastest (needs torch)."""

from __future__ import annotations

import torch
from torch import nn

from limpid.models.registry import is_volumetric

__all__ = ["channels_last", "layout_of"]


def channels_last(values: torch.Tensor) -> torch.memory_format:
    """Return the layout of a tensor of shape (N, C, H, W) or (N, C, D, H, W)."""
    return torch.channels_last_3d if values.ndim == 5 else torch.channels_last


def layout_of(network: nn.Module) -> torch.memory_format:
    """Return the layout of a network's weights."""
    return torch.channels_last_3d if is_volumetric(network) else torch.channels_last
