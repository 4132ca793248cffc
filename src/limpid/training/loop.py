"""The training loop: plain PyTorch, resumable at any step, the same bytes from the same seed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from limpid.core.errors import DataError
from limpid.models.layout import layout_of
from limpid.models.registry import is_volumetric
from limpid.training.batch import Source
from limpid.training.checkpoint import CHECKPOINT, read_run, restore, save_checkpoint
from limpid.training.config import TrainConfig
from limpid.training.device import CPU, precision_of
from limpid.training.interrupts import held_interrupts
from limpid.training.log import Observer, write_row
from limpid.training.optimisers import OPTIMISERS
from limpid.training.parallel import ALONE, Processes
from limpid.training.schedule import learning_rate_at
from limpid.training.start import check_network
from limpid.training.stopping import Progress
from limpid.training.strategies import build_strategy, objective

__all__ = ["Outcome", "Trainer"]

#: Share of the batches of stacks whose planes are taken apart, so that a network learns what to do without neighbours.
#: An eighth cost nothing in stacks, and a single plane gained 2 dB (from 23.2 to 25.4 after 1000 steps).
_APART: Final = 1 / 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    steps : int
        Batches it was trained on.
    converged : bool
        Whether the validation stopped getting better (:class:`~limpid.training.config.Stop`); False where none watched.
    figures : mapping
        Validation of the weights that are kept.
    """

    steps: int
    converged: bool
    figures: Mapping[str, float]


class Trainer:
    """One run in one folder: ``checkpoint.safetensors``, ``log.csv``.

    Every random number of a step follows from the seed and the number of the step, so a resumed run draws
    what an uninterrupted one would have drawn and no generator state is kept.

    Parameters
    ----------
    config : TrainConfig
        Decides everything about the run.
    network : torch.nn.Module
        Called as ``network(noisy, level)``; returns the residual to add. Moved to the device.
    source : Source
        Where batches come from.
    folder : Path
        Where checkpoints go; a checkpoint found there is continued.
    validate : callable
        Maps the averaged network to named figures, which can be compared between checks.
    observers : sequence of callables
        Told of each check.
    device : torch.device
        What to train on.
    processes : Processes
        Those that train together. The first one validates, writes and observes.

    Raises
    ------
    ConfigError
        If the checkpoint was trained with another configuration, the network can't be fed patches of a stage, it has no
        prior and the strategy needs one, or there are more processes than patches in a batch.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        network: nn.Module,
        source: Source,
        folder: Path,
        validate: Callable[[nn.Module], dict[str, float]],
        observers: Sequence[Observer] = (),
        device: torch.device = CPU,
        processes: Processes = ALONE,
    ) -> None:
        check_network(network, config)
        processes.check(config)
        self.config = config
        self.network = network.to(device, memory_format=layout_of(network))  # type: ignore[call-overload]
        self.source = source
        self.strategy = build_strategy(config.strategy, config.strategy_parameters)
        self.folder = folder
        self.validate = validate
        self.observers = observers
        self.device = device
        self.precision = precision_of(device)
        self.processes = processes
        self.average = _copy(network.state_dict())
        self.best = _copy(network.state_dict()) if config.stop is not None else None
        self.optimiser = OPTIMISERS[config.optimiser.name](network.parameters(), config.optimiser)
        self.step = 0
        self.progress = Progress()
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._load()

    @property
    def end(self) -> int:
        """The last step, as far as is known now."""
        cut = self.progress.cut(self.config.steps, self.config.stop)
        return self.config.steps if cut is None else cut.end

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The weights that are kept: averaged, and where convergence is watched for, those of the best check."""
        return self.average if self.best is None else self.best

    def run(
        self,
        *,
        checkpoint_every: int = 2000,
        save_every_s: float = 600.0,
        after_step: Callable[[int, int, float], None] = lambda *_: None,
    ) -> Outcome:
        """Train to the end.

        Parameters
        ----------
        checkpoint_every : int
            Steps between two checks: validation, a row of the log, a checkpoint. There is one at the end too. A run
            that goes on from a checkpoint needs the same number to come to the same decision on convergence.
        save_every_s : float
            Seconds after which a checkpoint is written in between, so that no more than these are lost.
        after_step : callable
            Called with the steps done, the steps in all and the loss.

        Raises
        ------
        DataError
            If the loss or the gradient is not finite any more, or processes come to different weights.
        WriteError
            If a checkpoint can't be written.
        KeyboardInterrupt
            After Ctrl-C, when the checkpoint of the last step is written.
        """
        self.processes.check_equal(self.network.state_dict().values())
        saved = checked = time.monotonic()
        steps = 0
        with held_interrupts() as interrupted:
            while True:
                if self._check_is_due(checkpoint_every):
                    self._check(steps_per_s=steps / (time.monotonic() - checked))
                    saved = checked = time.monotonic()
                    steps = 0
                if self.step >= self.end:
                    break
                # Drawing in a second thread was tried: on two cores it slows the network's own threads by a fifth.
                loss = self._train_step()
                steps += 1
                after_step(self.step, self.end, loss)
                stop, save = self.processes.any(interrupted(), time.monotonic() - saved > save_every_s)
                if stop or save:
                    self._save()
                    saved = time.monotonic()
                if stop:
                    raise KeyboardInterrupt
            if interrupted():
                raise KeyboardInterrupt  # it came in the last check, whose checkpoint is written
        return Outcome(self.step, self.progress.converged_at is not None, self.progress.best_figures)

    def _train_step(self) -> float:
        config, stage = self.config, self.config.stage_at(self.step)
        cut = self.progress.cut(config.steps, config.stop)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate_at(self.step, steps=config.steps, optimiser=config.optimiser, cut=cut)
        rng = np.random.default_rng([config.seed, self.step])
        batch = self.source.draw(stage.batch, patch_px=stage.patch_px, rng=rng, step=self.step)
        if is_volumetric(self.network) and rng.random() < _APART:
            batch = batch.apart()
        loss = objective(
            self.strategy,
            self.network,
            batch.on(self.device),
            loss=stage.loss,
            seed=int(rng.integers(2**63)),
            dtype=self.precision,
            shared=self.processes.shared,
        )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.sum_gradients(self.network)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.optimiser.clip_norm)
        self._check_finite(loss=float(loss.detach()), gradient=float(norm))
        self.optimiser.step()
        self._update_average()
        self.step += 1
        self.progress = self.progress.stepped(float(loss.detach()))
        return float(loss.detach())

    def _check_finite(self, **values: float) -> None:
        for name, value in values.items():
            if not np.isfinite(value):
                path = self.folder / CHECKPOINT
                kept = f"The checkpoint before is kept ({path})" if path.exists() else "No checkpoint was written yet"
                raise DataError(
                    f"the {name} is {value} at step {self.step}: the training diverged. {kept}; train anew with a rate "
                    f"lower than {self.config.optimiser.learning_rate:g}.",
                    source=str(self.folder),
                )

    @torch.no_grad()
    def _update_average(self) -> None:
        # The warm-up of the average keeps the random start out of it.
        decay = min(self.config.optimiser.ema_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def _check_is_due(self, every: int) -> bool:
        """Return whether this step is to be validated and was not, as where a run goes on that was killed over it."""
        return self.step > self.progress.checked and (self.step % every == 0 or self.step >= self.end)

    def _check(self, *, steps_per_s: float) -> None:
        """Validate the averaged network, decide whether it has converged, write log and checkpoint."""
        self._save()  # a validation may take long, and what was learnt is safe meanwhile
        loss = self.progress.loss
        figures = self.processes.from_first(lambda: self._validate({"loss": loss}, steps_per_s))
        self.progress = self.progress.check(self.step, figures, self.config.stop)
        if self.best is not None and self.progress.best_step == self.step:
            self.best = _copy(self.average)
        if self.progress.converged_at == self.step:
            _log.info("no gain in %d checks: the last step is %d", self.progress.waited, self.end)
        self._save()

    def _validate(self, measured: dict[str, float], steps_per_s: float) -> dict[str, float]:
        current = _copy(self.network.state_dict())
        self.network.load_state_dict(self.average)
        try:
            figures = self.validate(self.network)
            row = {**measured, **figures, "steps_per_s": steps_per_s}
            write_row(self.folder, self.step, row)
            _log.info("step %d  %s", self.step, "  ".join(f"{name} {value:.5g}" for name, value in row.items()))
            for observer in self.observers:
                observer(self.step, row, self.network)
        finally:
            self.network.load_state_dict(current)
        return figures

    def _save(self) -> None:
        averages = {"average": self.average} | ({} if self.best is None else {"best": self.best})
        self.processes.check_equal([*self.network.state_dict().values(), *self.average.values()])
        if self.processes.first:
            save_checkpoint(
                self.folder,
                self.config,
                step=self.step,
                progress=self.progress,
                network=self.network,
                optimiser=self.optimiser,
                averages=averages,
            )

    def _load(self) -> None:
        self.step, self.progress = read_run(self.folder, self.config)
        averages = restore(
            self.folder, step=self.step, network=self.network, optimiser=self.optimiser, device=self.device
        )
        self.average = averages["average"]
        self.best = averages.get("best")
        _log.info("continuing at step %d", self.step)


def _copy(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
