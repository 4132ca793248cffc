"""What a strategy is."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from limpid.training.batch import Batch

__all__ = ["Loss", "Predict", "Strategy"]

#: Maps noisy patches and their level to denoised ones, all of shape (N, C, H, W).
Predict = Callable[[Tensor, Tensor], Tensor]

#: Maps a prediction and its target to a scalar.
Loss = Callable[[Tensor, Tensor], Tensor]


class Strategy(Protocol):
    """A way to learn from batches.

    Attributes
    ----------
    needs_target : bool
        Whether batches must have a target.
    noisy_target : bool
        Whether that target has noise of its own.
    needs_white_noise : bool
        Whether it is wrong for noise that is correlated between neighbouring pixels.
    patch_multiple : int
        Patches are multiples of this many times what the network's input is a multiple of.
    """

    needs_target: ClassVar[bool]
    noisy_target: ClassVar[bool]
    needs_white_noise: ClassVar[bool]
    patch_multiple: ClassVar[int]

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:
        """Return what is to become small, a scalar.

        All randomness comes from `generator`, which is the processor's: so the numbers are the same on every device.
        """
        ...
