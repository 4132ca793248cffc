"""Blind spot: the likelihood of each noisy pixel, given its surroundings."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from limpid.models.prior import negative_log_likelihood
from limpid.training.batch import Batch
from limpid.training.strategies.base import Loss, Predict

__all__ = ["BlindSpot"]


class BlindSpot:
    r"""Make the noisy pixels likely under what the network says of them without seeing them [1]_.

    The network's prior of the clean pixel is :math:`N(\mu, S)`; with noise of covariance *L*, which is measured, the
    noisy one is :math:`N(\mu, S + L)`. Minus the logarithm of its density is what becomes small: mean and covariance
    are learnt together. Every pixel is learnt from, where Noise2Void learns from those it hides; and once trained, the
    network adds the pixel's own value by Bayes' rule, which Noise2Void can't use.

    References
    ----------
    .. [1] S. Laine, T. Karras, J. Lehtinen, T. Aila, "High-quality self-supervised deep image denoising", NeurIPS 2019,
       arXiv:1901.10277, equation 3.
    """

    needs_target: ClassVar = False
    noisy_target: ClassVar = False
    needs_white_noise: ClassVar = True
    needs_gaussian_noise: ClassVar = True
    needs_prior: ClassVar = True
    hides_pixels: ClassVar = False
    patch_multiple: ClassVar = 1

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Return the mean over pixels (see :class:`~limpid.training.strategies.base.Strategy`); no loss is used."""
        return negative_log_likelihood(predict.prior(batch.noisy, batch.level), batch.noisy, batch.level).mean()
