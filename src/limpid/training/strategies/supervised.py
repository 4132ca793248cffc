"""Clean targets."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from limpid.training.batch import Batch
from limpid.training.strategies.base import Loss, Predict

__all__ = ["Supervised"]


class Supervised:
    """The denoised patch is to be the clean one: valid for any noise."""

    needs_target: ClassVar = True
    noisy_target: ClassVar = False
    needs_white_noise: ClassVar = False
    needs_gaussian_noise: ClassVar = False
    needs_prior: ClassVar = False
    hides_pixels: ClassVar = False
    patch_multiple: ClassVar = 1

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Return the loss against the target (see :class:`~limpid.training.strategies.base.Strategy`)."""
        assert batch.target is not None
        return loss(predict(batch.noisy, batch.level), batch.target)
