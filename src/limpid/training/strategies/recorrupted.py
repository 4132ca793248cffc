"""Recorrupted-to-Recorrupted: two images made from one, with independent noise."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor

from limpid.training.batch import Batch
from limpid.training.strategies.base import Loss, Predict

__all__ = ["Recorrupted", "recorrupted"]

#: Noise added to what the network is given, as a share of the measured noise: uniform between these.
_SHARES: Final = (0.4, 0.6)


def recorrupted(batch: Batch, share: float | Tensor, generator: torch.Generator) -> Batch:
    """Return a batch twice over, with a target whose noise is uncorrelated with that of the input.

    Noise of `share` times the level is added to the first half's input and taken off the second's.
    """
    drawn = batch.level * torch.randn(batch.noisy.shape, generator=generator).to(batch.level.device)
    given = torch.cat([batch.noisy + share * drawn, batch.noisy - share * drawn])
    more = (1 + torch.as_tensor(share).square()).sqrt().expand(len(drawn), *[1] * (drawn.ndim - 1))
    target = torch.cat([batch.noisy - drawn / share, batch.noisy + drawn / share])
    return Batch(given, batch.level_of(given) * torch.cat([more, more]).to(given.device), target)


class Recorrupted:
    r"""Add noise to the input and take some of it off the target, so that the two are independent [1]_.

    From *y* with noise of standard deviation *s* and *z* drawn from a normal distribution come :math:`y + a s z` and
    :math:`y - s z / a`: their noise is uncorrelated, for Gaussian noise independent, and with the mean squared error
    one is as good a target of the other as the clean image. It needs the level of the noise, which limpid measures,
    and sees every pixel, unlike a blind spot. The share *a* is drawn anew for each patch, and the network is told the
    level that its input has, so that it can be used at the level of the image itself.

    Each patch is used with *z* and with *-z*: the noise that the target gained, four times that of the image, then
    cancels out of the gradient to first order. What is left is Stein's estimate of the risk [2]_, its divergence taken
    as a difference over :math:`2 a s z`.

    References
    ----------
    .. [1] T. Pang, H. Zheng, Y. Quan, H. Ji, "Recorrupted-to-Recorrupted: unsupervised deep learning for image
       denoising", CVPR 2021.
    .. [2] C. M. Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics 9 (1981).
    """

    needs_target: ClassVar = False
    noisy_target: ClassVar = False
    needs_white_noise: ClassVar = True
    needs_gaussian_noise: ClassVar = True
    needs_prior: ClassVar = False
    hides_pixels: ClassVar = False
    patch_multiple: ClassVar = 1

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:
        """Return the loss (see :class:`~limpid.training.strategies.base.Strategy`)."""
        low, high = _SHARES
        each = (len(batch.noisy), *[1] * (batch.noisy.ndim - 1))
        share = low + (high - low) * torch.rand(each, generator=generator).to(batch.level.device)
        two = recorrupted(batch, share, generator)
        assert two.target is not None
        return loss(predict(two.noisy, two.level), two.target)
