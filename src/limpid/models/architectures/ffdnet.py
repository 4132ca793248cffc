"""FFDNet without biases: a chain of 3 x 3 convolutions at half resolution, with the noise level as input.

After Zhang, Zuo, Zhang, IEEE TIP 27(9), 2018, doi:10.1109/TIP.2018.2839891: each 2 x 2 block of pixels becomes four
channels, and the level is a plane beside them. Three things differ. There are no biases and no batch normalisation, so
that the network is homogeneous (Mohan et al., ICLR 2020, arXiv:1906.05478); the level has a plane for each channel of
the image, as wherever limpid tells one; and the residual is predicted, as by every architecture here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from limpid.models.architectures.dncnn import chain

__all__ = ["FFDNet"]


class FFDNet(nn.Module):
    """Predict the noise of an image from the image and its noise level, at half resolution.

    Parameters
    ----------
    channels : int
        Channels of the image, 1 (gray) or 3 (RGB). The level has as many.
    width : int
        Feature channels, ``>= 1``; in the paper 64 for gray and 96 for colour.
    depth : int
        Convolutions, ``>= 2``; in the paper 15 for gray and 12 for colour. A pixel sees about twice as many pixels in
        each direction.

    Raises
    ------
    ValueError
        If `width` or `depth` is too small.
    """

    #: Image and level times a factor give the residual times that factor.
    homogeneous = True
    #: Height and width of the input must be multiples of this.
    size_multiple = 2

    def __init__(self, *, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.body = chain(5 * channels, 4 * channels, width=width, depth=depth)

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return the predicted residual (clean minus noisy).

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            The image; H and W are even.
        level : Tensor, shape (N, C, H, W)
            Standard deviation of the noise at each value, in the units of `noisy`. Its mean over each 2 x 2 block is
            used.

        Returns
        -------
        Tensor, shape (N, C, H, W)
            What to add to `noisy`.
        """
        halves = torch.cat([functional.pixel_unshuffle(noisy, 2), functional.avg_pool2d(level, 2)], dim=1)
        return functional.pixel_shuffle(self.body(halves), 2)

    @torch.no_grad()
    def scale_residual(self, factor: float) -> None:
        """Multiply what the network answers, from now on, by a factor."""
        *_, last = self.body.parameters()
        last.mul_(factor)
