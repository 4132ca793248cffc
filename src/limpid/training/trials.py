"""Short trainings that are compared with each other: which setting gets furthest in the same time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from limpid.training.batch import Source
from limpid.training.comparison import clearly_better, standard_error
from limpid.training.config import TrainConfig
from limpid.training.mixing import mix_back
from limpid.training.pace import steps_within
from limpid.training.start import initial_network
from limpid.training.strategies import STRATEGIES
from limpid.training.unkept import train_unkept
from limpid.training.validation import HeldOut

__all__ = ["Trial", "recommended", "run_trial"]


@dataclass(frozen=True)
class Trial:
    """What one setting reached.

    Attributes
    ----------
    value : int or str
        The setting.
    steps : int
        That fitted into the time.
    seconds : float
        It took.
    shares : array, shape (batches,)
        Mean squared error on each held-out batch as a share of the noise's variance.
    """

    value: Any
    steps: int
    seconds: float
    shares: npt.NDArray[np.float64]

    @property
    def noise_left(self) -> float:
        """Mean of :attr:`shares`."""
        return float(self.shares.mean())

    @property
    def error(self) -> float:
        """Standard error of :attr:`noise_left`."""
        return standard_error(self.shares)


def run_trial(value: Any, config: TrainConfig, *, source: Source, validate: HeldOut, seconds: float) -> Trial:
    """Train a fresh network for some time, and measure it.

    Parameters
    ----------
    value : any
        What the trial is known by.
    config : TrainConfig
        Its number of steps is replaced.
    source : Source
        What to train on.
    validate : HeldOut
        What to measure on.
    seconds : float
        How long.
    """
    started = time.monotonic()
    network = initial_network(config)
    steps = steps_within(seconds, config, network=network, source=source)
    warmup = min(config.optimiser.warmup_steps, steps // 10)
    config = dataclasses.replace(
        config, steps=steps, optimiser=dataclasses.replace(config.optimiser, warmup_steps=warmup)
    )
    train_unkept(config, network=network, source=source)
    shares = validate.shares(network)
    if STRATEGIES[config.strategy].hides_pixels:
        shares *= mix_back(network, float(shares.mean())) / shares.mean()
    return Trial(value, steps, time.monotonic() - started, shares)


def recommended(trials: Sequence[Trial]) -> Trial:
    """Return the first trial that is not clearly worse than the best one.

    Parameters
    ----------
    trials : sequence of Trial
        In the order in which they are preferred where they are equally good: the cheapest first.
    """
    best = min(trials, key=lambda trial: trial.noise_left)
    return next(trial for trial in trials if not clearly_better(best.shares, trial.shares))
