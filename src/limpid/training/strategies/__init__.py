"""How a network learns to denoise from what there is: one module for each way, and what it is valid for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor, nn

from limpid.training.batch import Batch
from limpid.training.losses import weighted_sum
from limpid.training.strategies.base import Predict, Strategy
from limpid.training.strategies.neighbor2neighbor import Neighbor2Neighbor
from limpid.training.strategies.noise2noise import Noise2Noise
from limpid.training.strategies.noise2void import Noise2Void
from limpid.training.strategies.recorrupted import Recorrupted
from limpid.training.strategies.supervised import Supervised

__all__ = ["STRATEGIES", "Strategy", "objective"]

#: What a configuration may name under ``strategy``.
STRATEGIES: Final[Mapping[str, Strategy]] = {
    "supervised": Supervised(),
    "noise2noise": Noise2Noise(),
    "noise2void": Noise2Void(),
    "neighbor2neighbor": Neighbor2Neighbor(),
    "recorrupted": Recorrupted(),
}


def objective(
    strategy: Strategy,
    network: nn.Module,
    batch: Batch,
    *,
    loss: str,
    seed: int,
    dtype: torch.dtype = torch.bfloat16,
    shared: Callable[[Predict], Predict] = lambda predict: predict,
) -> Tensor:
    """Return what a strategy makes of a network and a batch.

    Parameters
    ----------
    strategy : Strategy
        Way to learn.
    network : torch.nn.Module
        Called as ``network(noisy, level)``; returns the residual to add.
    batch : Batch
        What to learn from, on the network's device.
    loss : str
        See :func:`~limpid.training.config.parse_loss`.
    seed : int
        All randomness follows from it.
    dtype : torch.dtype
        Precision of the convolutions: float32 or bfloat16.
    shared : callable
        Shares a prediction out between processes (:meth:`limpid.training.parallel.Processes.shared`). The strategy sees
        the whole batch, so it needs to know nothing of them.
    """

    def predict(noisy: Tensor, level: Tensor) -> Tensor:
        inputs, told = (t.contiguous(memory_format=torch.channels_last) for t in (noisy, level))
        with torch.autocast(inputs.device.type, dtype, enabled=dtype != torch.float32):
            residual: Tensor = network(inputs, told)
        return inputs + residual.float()

    return strategy.objective(shared(predict), batch, weighted_sum(loss), torch.Generator().manual_seed(seed))
