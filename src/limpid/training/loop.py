"""The training loop: plain PyTorch, resumable at any checkpoint, the same bytes from the same seed."""

from __future__ import annotations

import csv
import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from limpid.core.errors import ConfigError, DataError
from limpid.io.atomic import replacing
from limpid.training.batch import Source
from limpid.training.config import Optimiser, TrainConfig
from limpid.training.optimisers import OPTIMISERS
from limpid.training.strategies import build_strategy, objective

__all__ = ["CHECKPOINT", "Trainer", "averaged_weights", "learning_rate_at", "stored_config"]

#: Name of the checkpoint in the folder of a run.
CHECKPOINT = "checkpoint.safetensors"

_log = logging.getLogger(__name__)


def learning_rate_at(step: int, *, steps: int, optimiser: Optimiser) -> float:
    """Return the learning rate of a step: linear warm-up, then half a cosine to zero."""
    warm = min(1.0, (step + 1) / max(1, optimiser.warmup_steps))
    return optimiser.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """Return the averaged weights of the checkpoint in the folder of a run: what ships, and what others start from."""
    tensors = load_file(folder / CHECKPOINT)
    return {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}


def stored_config(folder: Path) -> TrainConfig:
    """Return the configuration of the checkpoint in the folder of a run."""
    return _stored(folder)[1]


def _stored(folder: Path) -> tuple[int, TrainConfig]:
    """Return the step and the configuration of a checkpoint."""
    with safe_open(folder / CHECKPOINT, framework="pt") as file:
        run = json.loads(file.metadata()["run"])
    return int(run["step"]), TrainConfig.from_dict(run["config"], where=str(folder / CHECKPOINT))


class Trainer:
    """One run in one folder: ``checkpoint.safetensors``, ``log.csv``.

    Every random number of a step follows from the seed and the number of the step, so a resumed run draws
    what an uninterrupted one would have drawn and no generator state is kept.

    Parameters
    ----------
    config : TrainConfig
        Decides everything about the run.
    network : torch.nn.Module
        Called as ``network(noisy, level)``; returns the residual to add.
    source : Source
        Where batches come from.
    folder : Path
        Where checkpoints go; a checkpoint found there is continued.
    validate : callable
        Maps the averaged network to named figures, logged with each checkpoint.

    Raises
    ------
    ConfigError
        If the checkpoint was trained with another configuration, the network can't be fed patches of a stage, or it has
        no prior and the strategy needs one.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        network: nn.Module,
        source: Source,
        folder: Path,
        validate: Callable[[nn.Module], dict[str, float]],
    ) -> None:
        multiple: int = network.size_multiple  # type: ignore[assignment]  # a module's attributes have no types
        for stage in config.stages:
            if stage.patch_px % multiple:
                raise ConfigError(
                    f"{config.architecture.name!r} with these parameters takes multiples of {multiple} pixels, got "
                    f"patch_px = {stage.patch_px}; choose such a patch_px."
                )
        strategy = build_strategy(config.strategy, config.strategy_parameters)
        if strategy.needs_prior and not hasattr(network, "prior"):
            raise ConfigError(
                f"{config.strategy!r} needs a network that says what the surroundings of a pixel say of it, which "
                f"{config.architecture.name!r} does not; choose 'blindspot', or another strategy."
            )
        self.config = config
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.source = source
        self.strategy = strategy
        self.folder = folder
        self.validate = validate
        self.average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        self.optimiser = OPTIMISERS[config.optimiser.name](network.parameters(), config.optimiser)
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if self._checkpoint.exists():
            self._load()

    def run(self, *, checkpoint_every: int = 2000, after_step: Callable[[], None] = lambda: None) -> None:
        """Train to the last step, writing a checkpoint every `checkpoint_every` steps and at the end."""
        started, losses = time.monotonic(), []
        while self.step < self.config.steps:
            # Drawing in a second thread was tried: on two cores it slows the network's own threads by a fifth.
            losses.append(self._train_step())
            self.step += 1
            after_step()
            if self.step % checkpoint_every == 0 or self.step == self.config.steps:
                self._save()
                figures = self._validate()
                speed = len(losses) / (time.monotonic() - started)
                self._record({"loss": float(np.mean(losses)), **figures, "steps_per_s": speed})
                started, losses = time.monotonic(), []

    def _train_step(self) -> float:
        config, stage = self.config, self.config.stage_at(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate_at(self.step, steps=config.steps, optimiser=config.optimiser)
        rng = np.random.default_rng([config.seed, self.step])
        batch = self.source.draw(stage.batch, patch_px=stage.patch_px, rng=rng, step=self.step)
        loss = objective(self.strategy, self.network, batch, loss=stage.loss, seed=int(rng.integers(2**63)))
        if not bool(torch.isfinite(loss)):
            raise DataError(
                f"the loss is {float(loss.detach())} at step {self.step}: the training diverged; lower the rate "
                f"({config.optimiser.learning_rate:g}). The checkpoint before is kept.",
                source=str(self.folder),
            )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), config.optimiser.clip_norm)
        self.optimiser.step()
        self._update_average()
        return float(loss.detach())

    @torch.no_grad()
    def _update_average(self) -> None:
        # The warm-up of the average keeps the random start out of it.
        decay = min(self.config.optimiser.ema_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def _validate(self) -> dict[str, float]:
        current = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        try:
            return self.validate(self.network)
        finally:
            self.network.load_state_dict(current)

    @property
    def _checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def _save(self) -> None:
        tensors: dict[str, Tensor] = {}
        for name, value in self.network.state_dict().items():
            tensors[f"network.{name}"] = value
            tensors[f"average.{name}"] = self.average[name]
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state[parameter].items():
                if key != "step":
                    tensors[f"optimiser.{key}.{name}"] = value
        # One entry: the library writes several in an order that differs from run to run.
        metadata = {"run": json.dumps({"step": self.step, "config": self.config.to_dict()}, sort_keys=True)}
        content = save({k: v.contiguous() for k, v in tensors.items()}, metadata=metadata)
        with replacing(self._checkpoint) as file:
            file.write(content)

    def _load(self) -> None:
        tensors = load_file(self._checkpoint)
        step, config = _stored(self.folder)
        stored = config.to_dict()
        different = [key for key, value in self.config.to_dict().items() if value != stored[key]]
        if different:
            raise ConfigError(
                f"{self._checkpoint} was trained with another {different[0]}: {stored[different[0]]}, now "
                f"{self.config.to_dict()[different[0]]}; continue with its own settings, or choose another folder.",
                source=str(self._checkpoint),
            )
        self.step = step
        self.network.load_state_dict({n: tensors[f"network.{n}"] for n in self.average})
        self.average = {n: tensors[f"average.{n}"] for n in self.average}
        parameters = dict(self.network.named_parameters())
        for parameter in parameters.values():
            self.optimiser.state[parameter] = {"step": torch.tensor(float(self.step))}
        for entry, tensor in tensors.items():
            kind, _, rest = entry.partition(".")
            if kind == "optimiser":
                key, _, name = rest.partition(".")
                self.optimiser.state[parameters[name]][key] = tensor
        _log.info("continuing at step %d", self.step)

    def _record(self, figures: dict[str, float]) -> None:
        path = self.folder / "log.csv"
        row = {"step": self.step, **{k: round(v, 5) for k, v in figures.items()}}
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        _log.info("%s", "  ".join(f"{k} {v:g}" for k, v in row.items()))
