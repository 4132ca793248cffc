"""From a trained network to a model folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from torch import nn

from limpid.core.image import FloatArray
from limpid.inference.calibrate import calibrated
from limpid.models.cards import ModelCard
from limpid.models.checkpoint import measure_cost, save_model, write_card
from limpid.models.registry import is_volumetric
from limpid.models.store import StoredModel
from limpid.training.config import TrainConfig

__all__ = ["HALO_LIMIT_PX", "write_model"]

#: Largest halo that is measured.
HALO_LIMIT_PX: Final = 128


def write_model(
    network: nn.Module,
    folder: Path,
    config: TrainConfig,
    *,
    sigma_max: float,
    pictures: Sequence[FloatArray],
    noise: str,
    data: str,
    recipe: str,
    licence: str,
    metrics: Mapping[str, Any],
    crops: int | None = None,
    seen: Sequence[FloatArray] = (),
) -> StoredModel:
    """Write a trained network with its card; halo, harmless bf16 and int8, and test vector are measured.

    Parameters
    ----------
    network : torch.nn.Module
        That of the configuration, trained.
    folder : Path
        Of the model.
    config : TrainConfig
        Of the run; all of it goes into the card, but for the places of folders.
    pictures : sequence of float32 arrays, shape (C, H, W), or (C, D, H, W) for a volumetric network
        What halo, bf16 and int8 are measured on; see :func:`~limpid.inference.calibrate.calibrated`.
    sigma_max, noise, data, recipe, licence, metrics
        As in :class:`~limpid.models.cards.ModelCard`.
    crops, seen
        As in :func:`~limpid.inference.calibrate.calibrated`.
    """
    cost = measure_cost(network, channels=config.data.channels)
    card = ModelCard(
        name=config.name,
        architecture=config.architecture.name,
        parameters=config.architecture.parameters,
        channels=config.data.channels,
        weights=sum(p.numel() for p in network.parameters()),
        kmac_per_pixel=round(cost.macs / 1000, 1),
        sigma_max=sigma_max,
        bf16_sigma_min=1.0,
        halo_px=HALO_LIMIT_PX,
        halo_planes=HALO_LIMIT_PX if is_volumetric(network) else None,
        bytes_per_pixel=cost.bytes,
        size_multiple=int(network.size_multiple),  # type: ignore[arg-type]  # a module's attributes have no types
        noise=noise,
        data=data,
        recipe=recipe,
        licence=licence,
        metrics=metrics,
        sha256="",
        training=_without_places(config),
        preprocessing=config.data.preparation.preprocessing,
        blind=config.camera is not None,
    )
    model = calibrated(save_model(network, card, folder), pictures, limit=HALO_LIMIT_PX, crops=crops, seen=seen)
    write_card(model)
    return model


def _without_places(config: TrainConfig) -> dict[str, Any]:
    """Return the configuration with folders by name alone: where they lie is nobody else's business."""
    start = None if config.start_from is None else Path(config.start_from).name
    data = dataclasses.replace(config.data, pool=Path(config.data.pool).name)
    return dataclasses.replace(config, start_from=start, data=data).to_dict()
