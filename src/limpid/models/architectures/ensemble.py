"""The mean of several U-Nets.

Networks that were trained apart, from other random weights or in other shapes, err apart in part: their mean errs less
than each of them (L. K. Hansen, P. Salamon, "Neural network ensembles", IEEE TPAMI 12(10), 1990,
doi:10.1109/34.58871).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from limpid.models.architectures.unet import UNet

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Predict the noise of an image as the mean of what several networks predict.

    Parameters
    ----------
    channels : int
        Channels of the image, 1 (gray) or 3 (RGB). The level has as many.
    members : sequence of mapping
        Parameters of each :class:`~limpid.models.architectures.unet.UNet`, `channels` apart; at least one.
    """

    #: Image and level times a factor give the residual times that factor.
    homogeneous = True

    def __init__(self, *, channels: int, members: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        if not members:
            raise ValueError("members must name at least one network, got none")
        self.members = nn.ModuleList(UNet(channels=channels, **one) for one in members)

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return the predicted residual (clean minus noisy); shapes as those of a member."""
        residuals = [member(noisy, level) for member in self.members]
        return torch.stack(residuals).mean(dim=0)

    @torch.no_grad()
    def scale_residual(self, factor: float) -> None:
        """Multiply what the network answers, from now on, by a factor."""
        for member in self.members:
            member.scale_residual(factor)  # type: ignore[operator]  # a list's modules have no types

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return math.lcm(*(int(member.size_multiple) for member in self.members))  # type: ignore[arg-type]
