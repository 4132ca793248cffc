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
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Layers", "UNet"]


class Layers(NamedTuple):
    """What a U-Net is made of.

    Attributes
    ----------
    conv, down, up : callable
        From channels in and out to a convolution: that keeps the size, halves it, and doubles it again.
    unshuffle, shuffle : callable
        From a tensor to one of half the height and width and four times the channels, and back.
    """

    conv: Callable[[int, int], nn.Module]
    down: Callable[[int, int], nn.Module]
    up: Callable[[int, int], nn.Module]
    unshuffle: Callable[[Tensor], Tensor]
    shuffle: Callable[[Tensor], Tensor]


#: Of images, shape (N, C, H, W).
_PLANE: Final = Layers(
    conv=lambda inputs, outputs: nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
    down=lambda inputs, outputs: nn.Conv2d(inputs, outputs, kernel_size=2, stride=2, bias=False),
    up=lambda inputs, outputs: nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2, bias=False),
    unshuffle=lambda image: functional.pixel_unshuffle(image, 2),
    shuffle=lambda image: functional.pixel_shuffle(image, 2),
)


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``; the second convolution starts small, so a new block is near identity."""

    def __init__(self, width: int, conv: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = conv(width, width)
        for weight in self.parameters():
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        with torch.no_grad():
            for weight in self.second.parameters():
                weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(functional.relu(self.first(x)))
        return out


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

    layers: ClassVar[Layers] = _PLANE

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
        conv, down, up, *_ = self.layers

        def body(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualBlock(width, conv) for _ in range(count)))

        self.stem = conv(8 * channels, widths[0])
        self.encoder = nn.ModuleList(body(w, n) for w, n in zip(widths, blocks, strict=True))
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(down(a, b) for a, b in pairs)
        self.up = nn.ModuleList(up(b, a) for a, b in pairs)
        self.decoder = nn.ModuleList(body(w, n) for w, n in zip(widths[:-1], decoder_blocks, strict=True))
        self.head = conv(widths[0], 4 * channels)

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
        x = self.stem(self.layers.unshuffle(torch.cat([noisy, level], dim=1)))
        skips = []
        for encoder, down in zip(self.encoder, self.down, strict=False):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.encoder[-1](x)
        for up, decoder in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = decoder(up(x) + skips.pop())
        return self.layers.shuffle(self.head(x))

    @torch.no_grad()
    def scale_residual(self, factor: float) -> None:
        """Multiply what the network answers, from now on, by a factor."""
        for weight in self.head.parameters():
            weight.mul_(factor)

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return 1 << len(self.encoder)
