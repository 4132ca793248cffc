"""A fully convolutional autoencoder: an image of any size to a smaller one of many channels, and back.

The encoder halves the image once for each width (3 x 3, stride 2), the decoder doubles it as often (4 x 4 transposed,
stride 2: the kernel is a multiple of the stride, so all pixels get as many contributions). ReLU stands between the
layers, but neither after the last of the encoder nor after the last of the decoder.

The output is linear, not a sigmoid. A sigmoid reaches 0 and 1 only at infinity, so that clipped black and white, which
photographs are full of, are never met, and its gradient fades there; nothing else here needs the range, and whoever
writes the image clips it anyway. The layers have biases: what a code of few numbers leaves out is best replaced by its
mean, which isn't 0. So the network isn't homogeneous: it takes images whose value range is scaled to [0, 1].

The noise level is not used: the code decides what is kept, by its size and by what the network was trained on.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["ConvolutionalAutoencoder", "doublings", "halvings"]


def halvings(channels: int, widths: Sequence[int]) -> nn.Sequential:
    """Return layers that halve an image once for each of `widths`, the last without ReLU.

    Raises
    ------
    ValueError
        If there are no widths, or one is below 1.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"widths must be one number or more, each at least 1, got {list(widths)}")
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise([channels, *widths]):
        layers += [nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def doublings(channels: int, widths: Sequence[int]) -> nn.Sequential:
    """Return the mirror image of :func:`halvings`: from the last of `widths` to `channels`, the last without ReLU."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise([*reversed(widths), channels]):
        layers += [nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ConvolutionalAutoencoder(nn.Module):
    """Encode an image of any size to maps of latents, and decode them.

    Parameters
    ----------
    channels : int
        Channels of the image, 1 (gray) or 3 (RGB).
    widths : sequence of int
        Feature channels after each halving, each ``>= 1``. The last is the number of latents for each square of
        ``2 ** len(widths)`` pixels.

    Raises
    ------
    ValueError
        If `widths` is empty or holds a number below 1.
    """

    #: Biases and a value range of [0, 1] do not go with scaling.
    homogeneous = False

    def __init__(self, *, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = halvings(channels, widths)
        self.decoder = doublings(channels, widths)
        self._halvings = len(widths)

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return 1 << self._halvings

    def encode(self, image: Tensor) -> Tensor:
        """Return the latents of an image.

        Parameters
        ----------
        image : Tensor, shape (N, C, H, W)
            In [0, 1]; H and W are multiples of :attr:`size_multiple`.

        Returns
        -------
        Tensor, shape (N, K, H / size_multiple, W / size_multiple)
            K is the last of the widths. Any real numbers.
        """
        latents: Tensor = self.encoder(image)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Return the image that latents stand for, about [0, 1], not clipped; see :meth:`encode` for the shapes."""
        image: Tensor = self.decoder(latents)
        return image

    def reconstruct(self, image: Tensor) -> Tensor:
        """Return ``decode(encode(image))``, of the shape of the image."""
        return self.decode(self.encode(image))

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:  # noqa: ARG002 (every network is told the level)
        """Return ``reconstruct(noisy) - noisy``, shape (N, C, H, W): what to add to `noisy`.

        Parameters
        ----------
        noisy : Tensor, shape (N, C, H, W)
            The image, its value range scaled to [0, 1]; H and W are multiples of :attr:`size_multiple`.
        level : Tensor, shape (N, C, H, W)
            Not used.
        """
        return self.reconstruct(noisy) - noisy
