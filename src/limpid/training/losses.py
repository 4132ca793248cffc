"""Losses by name: functions of prediction and target that return a scalar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from torch import Tensor
from torch.nn import functional

__all__ = ["LOSSES"]

#: What a recipe may name under ``loss``.
LOSSES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
}
