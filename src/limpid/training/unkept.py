"""A run of which nothing stays on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from limpid.training.batch import Source
from limpid.training.config import TrainConfig
from limpid.training.device import CPU
from limpid.training.loop import Trainer
from limpid.training.parallel import ALONE, Processes

__all__ = ["train_unkept"]


def train_unkept(
    config: TrainConfig,
    *,
    network: nn.Module,
    source: Source,
    device: torch.device = CPU,
    processes: Processes = ALONE,
    after_step: Callable[[int, int, float], None] = lambda *_: None,
) -> None:
    """Train a network, which then has the weights that a run would keep.

    Parameters
    ----------
    config, network, source, device, processes
        As in :class:`~limpid.training.loop.Trainer`.
    after_step : callable
        As in :meth:`~limpid.training.loop.Trainer.run`.
    """
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            config,
            network=network,
            source=source,
            folder=Path(folder),
            validate=lambda _: {},
            device=device,
            processes=processes,
        )
        trainer.run(checkpoint_every=config.steps, after_step=after_step)
        network.load_state_dict(trainer.weights)
