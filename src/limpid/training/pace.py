"""How many steps fit into a time."""

from __future__ import annotations

import copy
import dataclasses
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from limpid.training.batch import Source
from limpid.training.config import TrainConfig
from limpid.training.device import CPU
from limpid.training.loop import Trainer
from limpid.training.parallel import ALONE, Processes

__all__ = ["steps_within"]

#: Steps that the speed is measured on, and those before them that are not counted.
_TIMED, _UNTIMED = 8, 3


def steps_within(
    seconds: float,
    config: TrainConfig,
    *,
    network: nn.Module,
    source: Source,
    device: torch.device = CPU,
    processes: Processes = ALONE,
) -> int:
    """Return how many steps of a run fit into a time on this machine, by trying some on a copy of the network."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trainer(
            dataclasses.replace(config, steps=_UNTIMED + _TIMED, stop=None),
            network=copy.deepcopy(network),
            source=source,
            folder=Path(folder),
            validate=lambda _: {},
            device=device,
            processes=processes,
        )
        times: list[float] = []
        trial.run(after_step=lambda *_: times.append(time.monotonic()))
    per_step = (times[-1] - times[_UNTIMED - 1]) / _TIMED
    return processes.from_first(lambda: max(1, int(seconds / per_step)))
