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
    """Return a batch with `share` of the noise added to the input, and a target whose noise is uncorrelated with it."""
    drawn = batch.level * torch.randn(batch.noisy.shape, generator=generator)
    level = batch.level * (1 + share**2) ** 0.5
    return Batch(batch.noisy + share * drawn, level, batch.noisy - drawn / share)


class Recorrupted:
    r"""Add noise to the input and take some of it off the target, so that the two are independent [1]_.

    From *y* with noise of standard deviation *s* and *z* drawn from a normal distribution come :math:`y + a s z` and
    :math:`y - s z / a`: their noise is uncorrelated, for Gaussian noise independent, and with the mean squared error
    one is as good a target of the other as the clean image. It needs the level of the noise, which limpid measures,
    and sees every pixel, unlike a blind spot. The share *a* is drawn anew for each patch, and the network is told the
    level that its input has, so that it can be used at the level of the image itself.

    References
    ----------
    .. [1] T. Pang, H. Zheng, Y. Quan, H. Ji, "Recorrupted-to-Recorrupted: unsupervised deep learning for image
       denoising", CVPR 2021.
    """

    needs_target: ClassVar = False
    noisy_target: ClassVar = False
    needs_white_noise: ClassVar = True
    patch_multiple: ClassVar = 1

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:
        """Return the loss (see :class:`~limpid.training.strategies.base.Strategy`)."""
        low, high = _SHARES
        share = low + (high - low) * torch.rand((len(batch.noisy), 1, 1, 1), generator=generator)
        two = recorrupted(batch, share, generator)
        assert two.target is not None
        return loss(predict(two.noisy, two.level), two.target)
