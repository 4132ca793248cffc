"""The house network: a bias-free residual U-Net over a 2x pixel-unshuffle stem.

FFDNet's stem (Zhang, Zuo, Zhang, IEEE TIP 27(9), 2018, doi:10.1109/TIP.2018.2839891: work at half
resolution, take the noise level as input planes) on DRUNet's body (Zhang et al., IEEE TPAMI 44(10),
2022, doi:10.1109/TPAMI.2021.3088914: residual U-Net without biases). There is no normalisation and no
global pooling, so a tile with a halo gives what the whole image gives; without biases the network is
homogeneous, f(a x, a s) = a f(x, s) for a > 0 (Mohan et al., ICLR 2020), so one network serves every
value range by a single division.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UNet"]


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``; the second convolution starts small, so a new block is near identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = _conv(width, width)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="relu")
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(functional.relu(self.first(x)))
        return out


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


class UNet(nn.Module):
    """Predict the noise of an image from the image and its noise level.

    Parameters
    ----------
    channels : int
        Channels of the image, 1 (gray) or 3 (RGB). The level has as many.
    widths : sequence of int
        Feature channels per scale, finest (half resolution) first. Multiples of 32 run fastest.
    blocks : sequence of int
        Residual blocks per scale on the way down, one entry for each of `widths`.
    decoder_blocks : sequence of int
        Residual blocks per scale on the way up, finest first: one entry fewer than `widths`.
    """

    #: Image and level times a factor give the residual times that factor.
    homogeneous = True

    def __init__(
        self,
        *,
        channels: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        decoder_blocks: Sequence[int],
    ) -> None:
        super().__init__()
        if len(blocks) != len(widths) or len(decoder_blocks) != len(widths) - 1:
            raise ValueError(
                f"one entry of blocks per width and one fewer of decoder_blocks are needed: got widths={widths}, "
                f"blocks={blocks}, decoder_blocks={decoder_blocks}"
            )
        self.stem = _conv(8 * channels, widths[0])
        self.encoder = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, blocks, strict=True))
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(a, b, kernel_size=2, stride=2, bias=False) for a, b in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, kernel_size=2, stride=2, bias=False) for a, b in pairs)
        self.decoder = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], decoder_blocks, strict=True))
        self.head = _conv(widths[0], 4 * channels)

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return the predicted residual (clean minus noisy).

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            The image; H and W are multiples of :attr:`size_multiple`.
        level : Tensor, shape (N, C, H, W)
            Standard deviation of the noise at each value, in the units of `noisy`.

        Returns
        -------
        Tensor, shape (N, C, H, W)
            What to add to `noisy`.
        """
        x = self.stem(functional.pixel_unshuffle(torch.cat([noisy, level], dim=1), 2))
        skips = []
        for encoder, down in zip(self.encoder, self.down, strict=False):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.encoder[-1](x)
        for up, decoder in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = decoder(up(x) + skips.pop())
        return functional.pixel_shuffle(self.head(x), 2)

    @torch.no_grad()
    def scale_residual(self, factor: float) -> None:
        """Multiply what the network answers, from now on, by a factor."""
        self.head.weight *= factor

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return 1 << len(self.encoder)
