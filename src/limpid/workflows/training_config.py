"""From names and numbers to the configuration of a run on images of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from limpid.core.errors import OptionError
from limpid.models.registry import ARCHITECTURES, DEFAULTS, NAMED, build_network, is_volumetric

if TYPE_CHECKING:
    from torch import nn

    from limpid.training.config import TrainConfig
    from limpid.training.preparation import Preparation
    from limpid.workflows.training_data import TrainingData

__all__ = [
    "CONVERGED",
    "Network",
    "choose_network",
    "choose_planes",
    "make_config",
    "usual_batch",
    "usual_patch_px",
]

#: Side of a patch, about, where none is asked for.
_PATCH_PX: Final = 64

#: The same where the network takes stacks, and the planes of a patch.
_STACK_PATCH_PX, _STACK_PLANES = 32, 8

#: Gain below which a run has converged, as a share of the noise's variance.
CONVERGED: Final = 0.002

#: Most patches in a batch where no number is asked for.
_BATCH_MOST: Final = 64


class Network(NamedTuple):
    """An architecture and what it is built with, the number of channels apart."""

    architecture: str
    parameters: Mapping[str, Any]


def choose_network(name: str | None, parameters: Mapping[str, Any] | None, start_from: str | None = None) -> Network:
    """Return the network to train.

    Parameters
    ----------
    name : str or None
        An architecture or one of :data:`limpid.models.registry.NAMED`; that of `start_from` where not given, or else
        ``unet``.
    parameters : mapping or None
        What it is built with where its defaults are not wanted.
    start_from : str, optional
        A model or run.

    Raises
    ------
    OptionError
        If there is no such architecture, or it has no such parameter.
    ModelError
        If there is no such model.
    """
    from limpid.training.start import start_of

    architecture: str
    defaults: Mapping[str, Any]
    if name is None and start_from is not None:
        start = start_of(start_from)
        architecture = start.architecture
        defaults = {key: value for key, value in start.parameters.items() if key != "channels"}
    elif name is not None and name in NAMED:
        architecture, defaults = NAMED[name]
    else:
        architecture = name or "unet"
        if architecture not in ARCHITECTURES:
            raise OptionError(f"no architecture {name!r}; choose one of: {', '.join([*NAMED, *ARCHITECTURES])}.")
        defaults = DEFAULTS[architecture]
    unknown = set(parameters or {}) - set(DEFAULTS[architecture])
    if unknown:
        raise OptionError(
            f"{architecture} has no {', '.join(sorted(unknown))}; "
            f"it is described by: {', '.join(DEFAULTS[architecture])}."
        )
    return Network(architecture, {**defaults, **(parameters or {})})


def usual_patch_px(network: Network) -> int:
    """Return the side of a patch: the multiple of what the network takes nearest to 64; an autoencoder's input.

    Of a network that takes stacks, it is the one nearest to 32.
    """
    module = _built(network)
    if hasattr(module, "input_px"):
        return int(module.input_px)  # type: ignore[arg-type]  # a module's attributes have no types
    side = _STACK_PATCH_PX if is_volumetric(module) else _PATCH_PX
    # Twice what the network takes: that suits every strategy.
    multiple: int = 2 * module.size_multiple  # type: ignore[assignment,operator]  # a module's attributes have no types
    return multiple // 2 if multiple > side else round(side / multiple) * multiple


def choose_planes(network: Network, asked: int | None) -> int | None:
    """Return the planes of a patch: None where the network takes single planes; 8 of a stack where none are asked for.

    Raises
    ------
    OptionError
        If some are asked for of a network that takes single planes.
    """
    if is_volumetric(_built(network)):
        return _STACK_PLANES if asked is None else asked
    if asked is not None:
        raise OptionError(
            f"{network.architecture} takes single planes, got planes = {asked}; leave it out, or choose the "
            "architecture unet3d."
        )
    return None


def usual_batch(patch_px: int, planes: int | None = None) -> int:
    """Return the number of patches in a batch: as many pixels as 8 patches of 64 x 64 have, in 1 to 64 patches."""
    return min(_BATCH_MOST, max(1, round(8 * _PATCH_PX**2 / (patch_px**2 * (planes or 1)))))


def _built(network: Network) -> nn.Module:
    return build_network(network.architecture, {"channels": 1, **network.parameters})


def make_config(
    name: str,
    data: TrainingData,
    network: Network,
    *,
    loss: str | None,
    start_from: str | None,
    patch_px: int,
    batch: int,
    rate: float,
    seed: int,
    patience: int | None = None,
    preparation: Preparation | None = None,
) -> TrainConfig:
    """Return the configuration of a run, its number of steps apart.

    The loss is ``mse`` where none is named and the strategy takes one. The optimiser is Muon where all weights are
    matrices: it got further at equal time than AdamW.
    """
    from limpid.training.config import LIKELIHOOD_STRATEGIES, Architecture, Data, Optimiser, Stage, Stop, TrainConfig
    from limpid.training.preparation import Preparation

    if loss is None and data.choice.strategy not in LIKELIHOOD_STRATEGIES:
        loss = "mse"
    parameters = {**network.parameters, "channels": data.channels}
    weights = build_network(network.architecture, parameters).parameters()
    return TrainConfig(
        name=name,
        seed=seed,
        steps=1,
        architecture=Architecture(name=network.architecture, parameters=parameters),
        data=Data(pool="images of one's own", channels=data.channels, preparation=preparation or Preparation()),
        optimiser=Optimiser(
            name="muon" if all(weight.ndim >= 2 for weight in weights) else "adamw",
            learning_rate=rate,
            warmup_steps=200,
        ),
        stages=(Stage(until=1.0, patch_px=patch_px, batch=batch, loss=loss),),
        strategy=data.choice.strategy,
        strategy_parameters=data.choice.parameters,
        start_from=start_from,
        stop=None if patience is None else Stop(patience=patience, gain=CONVERGED),
    )
