"""The checkpoint of a run: one file that appears whole or not at all, with all that the next step follows from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from limpid.core.errors import ConfigError, WriteError
from limpid.io.atomic import replacing
from limpid.training.config import TrainConfig
from limpid.training.stopping import Progress

__all__ = ["CHECKPOINT", "averaged_weights", "read_run", "restore", "save_checkpoint", "stored_config", "stored_step"]

#: Name of the checkpoint in the folder of a run.
CHECKPOINT: Final = "checkpoint.safetensors"


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """Return the averaged weights of the checkpoint in the folder of a run: what ships, and what others start from.

    Of a run that watches for convergence, those of its best check.
    """
    tensors = load_file(folder / CHECKPOINT)
    return _part("best", tensors) or _part("average", tensors)


def stored_config(folder: Path) -> TrainConfig:
    """Return the configuration of the checkpoint in the folder of a run."""
    return _stored(folder)[1]


def stored_step(folder: Path) -> int:
    """Return the step of the checkpoint in the folder of a run, 0 where there is none."""
    return int(_stored(folder)[0]["step"]) if (folder / CHECKPOINT).exists() else 0


def read_run(folder: Path, config: TrainConfig) -> tuple[int, Progress]:
    """Return the step and the progress of the checkpoint in the folder of a run.

    Raises
    ------
    ConfigError
        If it was trained with another configuration.
    """
    run, found = _stored(folder)
    now, stored = config.to_dict(), found.to_dict()
    different = next((key for key, value in now.items() if value != stored[key]), None)
    if different is not None:
        path = folder / CHECKPOINT
        raise ConfigError(
            f"{path} was trained with another {different}: {stored[different]}, now {now[different]}; continue with "
            "its own settings, or choose another folder.",
            source=str(path),
        )
    # Checkpoints of older versions have none; they did nothing that depended on it.
    return int(run["step"]), Progress(**run.get("progress", {}))


def save_checkpoint(
    folder: Path,
    config: TrainConfig,
    *,
    step: int,
    progress: Progress,
    network: nn.Module,
    optimiser: Optimizer,
    averages: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """Write the checkpoint of a step; the one before stays until it is whole.

    Parameters
    ----------
    folder : Path
        Of the run.
    config : TrainConfig
        Of the run.
    step, progress
        Steps done, and what else is known of them.
    network, optimiser
        Their states are stored.
    averages : mapping
        Further weights of the network, by the kind of each.

    Raises
    ------
    WriteError
        If it can't be written, a full disk for instance.
    """
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for kind, weights in averages.items():
        tensors |= {f"{kind}.{name}": value for name, value in weights.items()}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state[parameter].items():
            if key != "step":
                tensors[f"optimiser.{key}.{name}"] = value
    run = {"step": step, "config": config.to_dict(), "progress": progress.to_dict()}
    # One entry: the library writes several in an order that differs from run to run.
    content = save({k: v.contiguous() for k, v in tensors.items()}, metadata={"run": json.dumps(run, sort_keys=True)})
    path = folder / CHECKPOINT
    kept = f"the one of step {stored_step(folder)} is kept" if path.exists() else "there is none before it"
    try:
        with replacing(path) as file:
            file.write(content)
    except WriteError as error:
        raise WriteError(
            f"the checkpoint of step {step} can't be written to {path}, {kept}: {error} Then go on with resume.",
            source=str(path),
        ) from error


def restore(
    folder: Path, *, step: int, network: nn.Module, optimiser: Optimizer, device: torch.device
) -> dict[str, dict[str, Tensor]]:
    """Load the states of a network and its optimiser; return the further weights, by the kind of each."""
    tensors = load_file(folder / CHECKPOINT, device=str(device))
    network.load_state_dict(_part("network", tensors))
    parameters = dict(network.named_parameters())
    for parameter in parameters.values():
        optimiser.state[parameter] = {"step": torch.tensor(float(step))}
    for entry, tensor in _part("optimiser", tensors).items():
        key, _, name = entry.partition(".")
        optimiser.state[parameters[name]][key] = tensor
    return {kind: part for kind in ("average", "best") if (part := _part(kind, tensors))}


def _stored(folder: Path) -> tuple[dict[str, Any], TrainConfig]:
    with safe_open(folder / CHECKPOINT, framework="pt") as file:
        run = json.loads(file.metadata()["run"])
    return run, TrainConfig.from_dict(run["config"], where=str(folder / CHECKPOINT))


def _part(kind: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of a kind, by what their names are without it."""
    return {name.removeprefix(f"{kind}."): tensor for name, tensor in tensors.items() if name.startswith(f"{kind}.")}
