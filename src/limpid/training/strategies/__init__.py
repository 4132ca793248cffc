"""How a network learns to denoise from what there is: one module for each way, and what it is valid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from limpid.core.errors import ConfigError
from limpid.training.batch import Batch
from limpid.training.config import StrategyParameters
from limpid.training.losses import weighted_sum
from limpid.training.strategies.base import Predict, Shared, Strategy, alone
from limpid.training.strategies.blind_spot import BlindSpot
from limpid.training.strategies.neighbor2neighbor import Neighbor2Neighbor
from limpid.training.strategies.noise2noise import Noise2Noise
from limpid.training.strategies.noise2void import Noise2Void
from limpid.training.strategies.recorrupted import Recorrupted
from limpid.training.strategies.supervised import Supervised

__all__ = ["STRATEGIES", "Strategy", "build_strategy", "objective"]

#: What a configuration may name under ``strategy``, with the parameters it has where none are given.
STRATEGIES: Final[Mapping[str, Strategy]] = {
    "supervised": Supervised(),
    "noise2noise": Noise2Noise(),
    "noise2void": Noise2Void(),
    "neighbor2neighbor": Neighbor2Neighbor(),
    "recorrupted": Recorrupted(),
    "blind_spot": BlindSpot(),
}


def build_strategy(name: str, parameters: StrategyParameters) -> Strategy:
    """Return a strategy with those parameters that are given, which must be its own (a configuration sees to that)."""
    given = {key: value for key, value in dataclasses.asdict(parameters).items() if value is not None}
    return cast("Strategy", dataclasses.replace(cast("Any", STRATEGIES[name]), **given)) if given else STRATEGIES[name]


def objective(
    strategy: Strategy,
    network: nn.Module,
    batch: Batch,
    *,
    loss: str | None,
    seed: int,
    dtype: torch.dtype = torch.bfloat16,
    shared: Shared = alone,
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
    loss : str or None
        See :func:`~limpid.training.config.parse_loss`; None for strategies that have one of their own.
    seed : int
        All randomness follows from it.
    dtype : torch.dtype
        Precision of the convolutions: float32 or bfloat16.
    shared : callable
        Shares a prediction out between processes (:meth:`limpid.training.parallel.Processes.shared`). The strategy sees
        the whole batch, so it needs to know nothing of them.
    """
    named = _no_loss if loss is None else weighted_sum(loss)
    return strategy.objective(Predict(network, dtype, shared), batch, named, torch.Generator().manual_seed(seed))


def _no_loss(_: Tensor, __: Tensor) -> Tensor:
    raise ConfigError("this strategy compares with a target and no loss is named; name one, such as 'mse'.")
