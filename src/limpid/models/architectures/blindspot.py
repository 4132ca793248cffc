"""A network that predicts each pixel from its surroundings alone, and adds the pixel itself by Bayes' rule.

After Laine, Karras, Lehtinen, Aila, "High-quality self-supervised deep image denoising", NeurIPS 2019,
arXiv:1901.10277. A U-Net whose convolutions look upwards only sees the image in four orientations; convolutions of
1 x 1 join the four half-planes, which together are everything but the pixel. From them come mean and covariance of the
clean pixel, and with the noise, which is told, its mean given the noisy pixel as well
(:mod:`limpid.models.prior`). Three things differ from the paper: there are no biases, so that the network is
homogeneous (Mohan et al., ICLR 2020, arXiv:1906.05478), the covariance's factor included; the level is an input, as
wherever limpid tells one; and the noise is known, not learnt.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from limpid.models.prior import Prior, posterior_residual

__all__ = ["Blindspot"]

#: Slope of the activations for negative values; the paper's.
_SLOPE = 0.1


def _down(x: Tensor, rows: int) -> Tensor:
    """Move an image down by some rows; zeros come in at the top."""
    return functional.pad(x, (0, 0, rows, -rows))


class UpwardConv(nn.Conv2d):
    """A convolution of 3 x 3 that sees its own row and the two above, and an activation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=3, bias=False)
        nn.init.kaiming_normal_(self.weight, a=_SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same height and width."""
        return functional.leaky_relu(super().forward(functional.pad(x, (1, 1, 2, 0))), _SLOPE)


class UpwardUNet(nn.Module):
    """A U-Net that sees its own row and those above.

    Parameters
    ----------
    inputs : int
        Channels that go in.
    width : int
        Feature channels on the way down; twice as many go up and come out.
    levels : int
        Halvings.
    """

    def __init__(self, inputs: int, *, width: int, levels: int) -> None:
        super().__init__()
        self.stem = UpwardConv(inputs, width)
        self.encoder = nn.ModuleList(UpwardConv(width, width) for _ in range(levels))
        self.bottom = UpwardConv(width, width)
        # The finest scale gets the image itself back, the others the features of their scale on the way down.
        skips = [inputs, *[width] * (levels - 1)]
        below = [2 * width] * (levels - 1) + [width]
        self.decoder = nn.ModuleList(
            nn.Sequential(UpwardConv(b + s, 2 * width), UpwardConv(2 * width, 2 * width))
            for b, s in zip(below, skips, strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return features at full resolution; height and width are multiples of ``2 ** levels``."""
        skips = [image]
        x: Tensor = self.stem(image)
        for conv in self.encoder:
            # Moved down by one, both rows of a pooled pair lie no lower than the upper one of the pair they go to.
            x = functional.max_pool2d(_down(conv(x), 1), 2)
            skips.append(x)
        x = self.bottom(skips.pop())
        for decoder in reversed(self.decoder):
            x = torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), skips.pop()], dim=1)
            x = decoder(x)
        return x


class Blindspot(nn.Module):
    """Predict the noise of a pixel from its surroundings, its own value and the noise level.

    Parameters
    ----------
    channels : int
        Channels of the image, 1 (gray) or 3 (RGB). The level has as many.
    width : int
        Feature channels, ``>= 1``; 48 in the paper.
    levels : int
        How often the resolution is halved, ``>= 1``; 5 in the paper. Each doubles how far a pixel sees.

    Raises
    ------
    ValueError
        If `width` or `levels` is too small.
    """

    #: Image and level times a factor give the residual times that factor.
    homogeneous = True

    def __init__(self, *, channels: int, width: int, levels: int) -> None:
        super().__init__()
        if width < 1 or levels < 1:
            raise ValueError(f"width and levels must be at least 1, got width={width}, levels={levels}")
        self.channels = channels
        self.levels = levels
        self.branch = UpwardUNet(channels, width=width, levels=levels)
        answers = channels + channels * (channels + 1) // 2
        layers: list[nn.Module] = []
        for before, after in ((8 * width, 8 * width), (8 * width, 2 * width)):
            layers += [nn.Conv2d(before, after, kernel_size=1, bias=False), nn.LeakyReLU(_SLOPE)]
            nn.init.kaiming_normal_(layers[-2].weight, a=_SLOPE)  # type: ignore[arg-type]
        self.head = nn.Sequential(*layers, nn.Conv2d(2 * width, answers, kernel_size=1, bias=False))

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return the predicted residual: the mean of the clean pixel given all noisy ones, minus the noisy one.

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            The image; H and W are multiples of :attr:`size_multiple`.
        level : Tensor, shape (N, C, H, W)
            Standard deviation of the noise at each value, in the units of `noisy`. The noise is taken to be normal,
            and independent between pixels and channels.

        Returns
        -------
        Tensor, shape (N, C, H, W)
            What to add to `noisy`.
        """
        return posterior_residual(self.prior(noisy), noisy, level)

    def prior(self, noisy: Tensor) -> Prior:
        """Return the distribution of each clean pixel given its noisy surroundings, in float32.

        What it says of a pixel does not depend on the pixel's own noisy value. It is not told the level: one that
        grows with the signal is made of the pixels around it, the pixel's own among them.

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            As in :meth:`forward`.
        """
        features = []
        for turns in range(4):
            seen = self.branch(torch.rot90(noisy, turns, (2, 3)))
            # Moved down by one row, features are of the rows above alone.
            features.append(torch.rot90(_down(seen, 1), -turns, (2, 3)))
        answer: Tensor = self.head(torch.cat(features, dim=1)).float()
        return Prior(answer[:, : self.channels], _square(answer[:, self.channels :], self.channels))

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return 1 << self.levels


def _square(factor: Tensor, size: int) -> Tensor:
    """Return A A^T, shape (N, size, size, H, W), of triangular matrices A whose rows follow each other."""
    numbers = iter(factor.unbind(1))
    rows = [[next(numbers) for _ in range(i + 1)] for i in range(size)]
    products = [[sum(a * b for a, b in zip(one, other, strict=False)) for other in rows] for one in rows]
    return torch.stack([torch.stack(row, dim=1) for row in products], dim=1)  # type: ignore[arg-type]
