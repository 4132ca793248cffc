"""An autoencoder: an image of one size to a vector of k numbers (the latent dimension), and back.

Hinton, Salakhutdinov, Science 313, 2006, doi:10.1126/science.1127647. Encoder F and decoder G are trained together to
make ``1 / (2 m) * sum(||x - G(F(x))||^2)`` small over m images; that is the loss ``mse`` times n / 2, for images of n
values. Trained from noisy to clean images it denoises (Vincent, Larochelle, Bengio, Manzagol, ICML 2008,
doi:10.1145/1390156.1390294): what k numbers can't say is left out, noise first.

Larger images are a grid of separate squares, each with k numbers of its own: no pixel sees across the edge of its
square, and edges may show. Output, biases and noise level are as in
:mod:`limpid.models.architectures.convolutional_autoencoder`, for the same reasons.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from limpid.models.architectures.convolutional_autoencoder import doublings, halvings

__all__ = ["Autoencoder"]


class Autoencoder(nn.Module):
    """Encode squares of `input_px` pixels to `latent_dim` latents each, and decode them.

    Parameters
    ----------
    channels : int
        Channels of the image, 1 (gray) or 3 (RGB).
    input_px : int
        Height and width of a square, ``>= 1``; for ``convolutional`` a multiple of ``2 ** len(widths)``.
    widths : sequence of int
        Convolutional: feature channels after each halving, at least one. Dense: units of each hidden layer; without
        any, the autoencoder is linear and its best latents span what as many first principal components do (Baldi,
        Hornik, Neural Networks 2(1), 1989, doi:10.1016/0893-6080(89)90014-2). The decoder has them in reverse.
    latent_dim : int
        Latents of a square, ``>= 1``. The fewer, the more is left out, noise and detail.
    kind : str
        ``convolutional``, or ``dense``: matrices only, for small squares.

    Raises
    ------
    ValueError
        If a number is too small, `input_px` can't be halved as often as there are widths, or the kind is unknown.
    """

    #: Biases and a value range of [0, 1] do not go with scaling.
    homogeneous = False

    def __init__(
        self, *, channels: int, input_px: int, widths: Sequence[int], latent_dim: int, kind: str = "convolutional"
    ) -> None:
        super().__init__()
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}")
        if min(input_px, latent_dim, *widths) < 1:
            raise ValueError(
                "input_px, latent_dim and widths must be at least 1, "
                f"got input_px={input_px}, latent_dim={latent_dim}, widths={list(widths)}"
            )
        self.channels = channels
        self.input_px = input_px
        self.latent_dim = latent_dim
        self.encoder, self.decoder = _KINDS[kind](channels, input_px, widths, latent_dim)

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this."""
        return self.input_px

    def encode(self, image: Tensor) -> Tensor:
        """Return the latents F(x) of squares.

        Parameters
        ----------
        image : Tensor, shape (N, C, input_px, input_px)
            In [0, 1].

        Returns
        -------
        Tensor, shape (N, latent_dim)
            Any real numbers.

        Raises
        ------
        ValueError
            If the image has another size or number of channels.
        """
        expected = (self.channels, self.input_px, self.input_px)
        if tuple(image.shape[1:]) != expected:
            raise ValueError(f"images of shape {expected} are encoded, got {tuple(image.shape[1:])}; cut squares first")
        latents: Tensor = self.encoder(image)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Return the squares G(z) that latents of shape (N, latent_dim) stand for.

        Returns
        -------
        Tensor, shape (N, C, input_px, input_px)
            About [0, 1], not clipped.
        """
        image: Tensor = self.decoder(latents)
        return image

    def reconstruct(self, image: Tensor) -> Tensor:
        """Return G(F(x)) of each square of an image.

        Parameters
        ----------
        image : Tensor, shape (N, C, H, W)
            In [0, 1]; H and W are multiples of `input_px`.

        Returns
        -------
        Tensor, shape (N, C, H, W)
            About [0, 1], not clipped.
        """
        # A square becomes the channels of one pixel, in the order (C, Y, X), and then an image of the batch.
        grid = functional.pixel_unshuffle(image, self.input_px).permute(0, 2, 3, 1)
        squares = self.decode(self.encode(grid.reshape(-1, self.channels, self.input_px, self.input_px)))
        return functional.pixel_shuffle(squares.reshape(grid.shape).permute(0, 3, 1, 2), self.input_px)

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


def _convolutional(
    channels: int, input_px: int, widths: Sequence[int], latent_dim: int
) -> tuple[nn.Sequential, nn.Sequential]:
    """Return encoder and decoder: halvings and a matrix, and the same in reverse."""
    factor = 1 << len(widths)
    if input_px % factor:
        raise ValueError(f"{len(widths)} widths need an input_px that is a multiple of {factor}, got {input_px}")
    side = input_px // factor
    encoder = nn.Sequential(
        halvings(channels, widths), nn.ReLU(), nn.Flatten(), nn.Linear(widths[-1] * side**2, latent_dim)
    )
    decoder = nn.Sequential(
        nn.Linear(latent_dim, widths[-1] * side**2),
        nn.ReLU(),
        nn.Unflatten(1, (widths[-1], side, side)),
        doublings(channels, widths),
    )
    return encoder, decoder


def _dense(channels: int, input_px: int, widths: Sequence[int], latent_dim: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return encoder and decoder of matrices, with ReLU between them."""
    sizes = [channels * input_px**2, *widths, latent_dim]
    encoder = nn.Sequential(nn.Flatten(), *_matrices(sizes))
    decoder = nn.Sequential(*_matrices(sizes[::-1]), nn.Unflatten(1, (channels, input_px, input_px)))
    return encoder, decoder


def _matrices(sizes: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]


_KINDS = {"convolutional": _convolutional, "dense": _dense}
