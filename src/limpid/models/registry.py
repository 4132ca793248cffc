"""Architectures by name. Nothing is imported until one is built."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from limpid.core.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "DEFAULTS", "NAMED", "build_network", "is_volumetric"]

#: Name -> "module:class"; the class takes its parameters as keywords. It states as
#: ``size_multiple`` what height and width of its input are multiples of, and as ``homogeneous`` whether image and level
#: times a factor give the residual times that factor. One that states ``volumetric = True`` takes stacks of any depth,
#: shape (N, C, D, H, W), the others planes, shape (N, C, H, W). One that has a method ``prior(noisy)``, which returns a
#: :class:`~limpid.models.prior.Prior`, can be trained by its likelihood. One that has
#: ``scale_residual(factor)`` can be made to remove less.
ARCHITECTURES: Final[Mapping[str, str]] = {
    "unet": "limpid.models.architectures.unet:UNet",
    "dncnn": "limpid.models.architectures.dncnn:DnCNN",
    "ffdnet": "limpid.models.architectures.ffdnet:FFDNet",
    "autoencoder": "limpid.models.architectures.autoencoder:Autoencoder",
    "convolutional_autoencoder": "limpid.models.architectures.convolutional_autoencoder:ConvolutionalAutoencoder",
    "blindspot": "limpid.models.architectures.blindspot:Blindspot",
    "unet3d": "limpid.models.architectures.unet3d:UNet3D",
    "ensemble": "limpid.models.architectures.ensemble:Ensemble",
}

#: What each is built with where nothing else is asked for, the number of channels apart. That of ``unet`` is ``fast``.
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "unet": {"widths": [64, 64, 64], "blocks": [2, 2, 2], "decoder_blocks": [2, 2]},
    "dncnn": {"width": 64, "depth": 17},
    "ffdnet": {"width": 64, "depth": 15},
    "autoencoder": {"input_px": 28, "widths": [32, 64], "latent_dim": 64, "kind": "convolutional"},
    "convolutional_autoencoder": {"widths": [64, 128]},
    "blindspot": {"width": 32, "levels": 3},
    "unet3d": {"widths": [32, 32], "blocks": [1, 1], "decoder_blocks": [1]},
    "ensemble": {"members": [{"widths": [32, 32, 32], "blocks": [1, 1, 1], "decoder_blocks": [1, 1]}] * 2},
}

#: Networks by a name of their own: architecture and parameters, the number of channels apart.
NAMED: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "small": ("unet", {"widths": [32, 32, 32], "blocks": [1, 1, 1], "decoder_blocks": [1, 1]}),
}


def build_network(name: str, parameters: Mapping[str, Any]) -> nn.Module:
    """Return a network of an architecture, with random weights.

    Raises
    ------
    ModelError
        If the name is unknown or the parameters don't fit the architecture.
    MissingExtraError
        If torch is not installed.
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"unknown architecture {name!r}; known: {', '.join(ARCHITECTURES)}.")
    module, _, attribute = ARCHITECTURES[name].partition(":")
    try:
        network_class = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "torch", extra="train", purpose="building a network") from error
    try:
        network: nn.Module = network_class(**parameters)
    except (TypeError, ValueError) as error:
        raise ModelError(f"architecture {name!r} can't be built from {dict(parameters)}: {error}") from error
    return network


def is_volumetric(network: nn.Module) -> bool:
    """Return whether a network takes stacks, not planes."""
    return bool(getattr(network, "volumetric", False))
