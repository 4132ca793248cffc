"""The network that a run begins with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from limpid.core.errors import ConfigError
from limpid.models.checkpoint import load_network
from limpid.models.registry import build_network, is_volumetric
from limpid.models.store import find_models
from limpid.training.checkpoint import CHECKPOINT, averaged_weights, stored_config
from limpid.training.config import PICTURE_LOSSES, TrainConfig, parse_loss
from limpid.training.strategies import build_strategy

__all__ = ["Start", "check_network", "initial_network", "start_of"]

_log = logging.getLogger(__name__)

#: Layers whose weights can be a part of a wider one's.
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def initial_network(config: TrainConfig, *, partly: bool = False) -> nn.Module:
    """Return the network of a configuration: random by its seed, or with the weights it starts from.

    Parameters
    ----------
    config : TrainConfig
        Its ``start_from`` is a model, by name or folder, or the folder of a run, whose averaged weights are taken.
    partly : bool
        Take the weights that fit, where not all do. Between networks of as many channels, put those of a narrower layer
        into a wider one besides, so that what is new changes nothing at first but by its biases [1]_.

    Raises
    ------
    ModelError
        If there is no such model, or the architecture can't be built.
    ConfigError
        If the weights to start from are not those of this network.

    References
    ----------
    .. [1] T. Chen, I. Goodfellow, J. Shlens, "Net2Net: accelerating learning via knowledge transfer", ICLR 2016, with
       new channels that nothing old listens to in place of copies of old ones.
    """
    torch.manual_seed(config.seed)
    network = build_network(config.architecture.name, config.architecture.parameters)
    if config.start_from is None:
        return network
    channels = config.data.channels
    start = start_of(config.start_from, channels)
    own, found = network.state_dict(), start.load()
    fitting = {name: found[name] for name in own if name in found and found[name].shape == own[name].shape}
    if partly and start.parameters.get("channels") == channels:
        fitting |= _widened(network, {name: w for name, w in found.items() if name not in fitting})
    elif not partly and len(fitting) < len(own):
        raise ConfigError(
            f"the weights of {config.start_from} don't fit this network: {len(fitting)} of {len(own)} tensors do; "
            "start from a model of the same network."
        )
    _log.info("starting from %d of %d tensors of %s", len(fitting), len(own), config.start_from)
    network.load_state_dict({**own, **fitting})
    return network


def _widened(network: nn.Module, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of a network that contain narrower ones: none of the new inputs reaches an old output."""
    widened = {}
    for name, narrow in found.items():
        layer = network.get_submodule(name.rpartition(".")[0]) if name in network.state_dict() else None
        if not isinstance(layer, _CONVOLUTIONS) or narrow.ndim != layer.weight.ndim:
            continue
        wide = layer.weight.detach().clone()
        if narrow.shape[2:] != wide.shape[2:] or len(narrow) > len(wide) or narrow.shape[1] > wide.shape[1]:
            continue
        old, kept = (w.transpose(0, 1) if layer.transposed else w for w in (narrow, wide))
        kept[: len(old)] = 0
        kept[: len(old), : old.shape[1]] = old
        widened[name] = wide
    return widened


def check_network(network: nn.Module, config: TrainConfig) -> None:
    """Refuse a network that can't be trained as a configuration says.

    Raises
    ------
    ConfigError
        If it does not take patches of a stage, has no prior and the strategy needs one, takes stacks and the patches
        are of single planes or the other way round, or the loss needs whole patches and the strategy picks pixels.
    """
    name, strategy = config.architecture.name, build_strategy(config.strategy, config.strategy_parameters)
    multiple = int(network.size_multiple) * strategy.patch_multiple  # type: ignore[arg-type]  # attributes lack types
    for stage in config.stages:
        if stage.patch_px % multiple:
            raise ConfigError(
                f"{name!r} with these parameters takes multiples of {multiple} pixels by {config.strategy!r}, got "
                f"patch_px = {stage.patch_px}; choose such a patch_px."
            )
        if strategy.hides_pixels and stage.loss and (picture := _picture_loss(stage.loss)):
            raise ConfigError(
                f"{config.strategy!r} compares hidden pixels, and {picture!r} whole pictures; choose another loss, "
                "such as 'mse'."
            )
    planes = config.data.preparation.planes
    if is_volumetric(network) and planes is None:
        raise ConfigError(f"{name!r} takes stacks; say of how many planes a patch is (planes), such as 8.")
    if planes is not None and not is_volumetric(network):
        raise ConfigError(f"{name!r} takes single planes, got planes = {planes}; leave it out, or choose 'unet3d'.")
    if strategy.needs_prior and not hasattr(network, "prior"):
        raise ConfigError(
            f"{config.strategy!r} needs a network that says what the surroundings of a pixel say of it, which {name!r} "
            "does not; choose 'blindspot', or another strategy."
        )


def _picture_loss(loss: str) -> str | None:
    return next((name for _, name in parse_loss(loss) if name in PICTURE_LOSSES), None)


class Start(NamedTuple):
    """A network to start from: what it is built with, number of channels included, and what loads its weights."""

    architecture: str
    parameters: Mapping[str, Any]
    load: Callable[[], dict[str, Tensor]]


def start_of(start: str, channels: int | None = None) -> Start:
    """Return the network of a model, the one for so many channels if there are several, or of a run, averaged.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    folder = Path(start)
    if (folder / CHECKPOINT).exists():
        architecture = stored_config(folder).architecture
        return Start(architecture.name, architecture.parameters, partial(averaged_weights, folder))
    models = find_models(start)
    # A network for other channels shares all but its first and last layer.
    model = models[channels] if channels is not None and channels in models else next(iter(models.values()))
    return Start(model.card.architecture, model.card.parameters, lambda: load_network(model).state_dict())
