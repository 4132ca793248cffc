"""DnCNN without biases and normalisation, and with the noise level as input: a chain of 3 x 3 convolutions.

The chain is that of Zhang, Zuo, Chen, Meng, Zhang, IEEE TIP 26(7), 2017, doi:10.1109/TIP.2017.2662206, which predicts
the residual. Biases and batch normalisation are left out after Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda,
ICLR 2020, arXiv:1906.05478 ("BF-CNN"), so that the network is homogeneous; the level as a second input, as in the
authors' own FDnCNN, makes one network serve all levels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DnCNN", "chain"]


def chain(inputs: int, outputs: int, *, width: int, depth: int) -> nn.Sequential:
    """Return `depth` convolutions of 3 x 3 without biases, with ReLU between them.

    Raises
    ------
    ValueError
        If there are fewer than two convolutions or no features.
    """
    if depth < 2 or width < 1:
        raise ValueError(
            f"a depth of at least 2 and a width of at least 1 are needed, got depth={depth}, width={width}"
        )
    layers: list[nn.Module] = []
    for before in [inputs, *[width] * (depth - 2)]:
        conv = nn.Conv2d(before, width, kernel_size=3, padding=1, bias=False)
        # Nothing normalises between the layers: this start keeps the size of what goes through them (He et al., 2015).
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, outputs, kernel_size=3, padding=1, bias=False))


class DnCNN(nn.Module):
    """Predict the noise of an image from the image and its noise level, at full resolution.

    Parameters
    ----------
    channels : int
        Channels of the image, 1 (gray) or 3 (RGB). The level has as many.
    width : int
        Feature channels, ``>= 1``; 64 in the paper.
    depth : int
        Convolutions, ``>= 2``; 17 in the paper for one noise level, 20 for many. A pixel sees `depth` pixels in each
        direction.

    Raises
    ------
    ValueError
        If `width` or `depth` is too small.
    """

    #: Image and level times a factor give the residual times that factor.
    homogeneous = True
    #: Height and width of the input may be anything.
    size_multiple = 1

    def __init__(self, *, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.body = chain(2 * channels, channels, width=width, depth=depth)

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return the predicted residual (clean minus noisy).

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            The image.
        level : Tensor, shape (N, C, H, W)
            Standard deviation of the noise at each value, in the units of `noisy`.

        Returns
        -------
        Tensor, shape (N, C, H, W)
            What to add to `noisy`.
        """
        residual: Tensor = self.body(torch.cat([noisy, level], dim=1))
        return residual

    @torch.no_grad()
    def scale_residual(self, factor: float) -> None:
        """Multiply what the network answers, from now on, by a factor."""
        *_, last = self.body.parameters()
        last.mul_(factor)
