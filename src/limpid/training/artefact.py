"""From the checkpoint of a run to a model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from limpid.core.image import FloatArray
from limpid.inference.calibrate import calibrated
from limpid.models.cards import ModelCard
from limpid.models.checkpoint import measure_cost, save_model, write_card
from limpid.models.registry import build_network
from limpid.models.store import StoredModel
from limpid.training.config import TrainConfig
from limpid.training.loop import averaged_weights

__all__ = ["HALO_LIMIT_PX", "write_model"]

#: Largest halo that is measured.
HALO_LIMIT_PX: Final = 128


def write_model(
    run: Path,
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
) -> StoredModel:
    """Write the averaged network of a run with its card; halo and harmless bf16 are measured.

    Parameters
    ----------
    run : Path
        Folder of the run.
    folder : Path
        Of the model.
    config : TrainConfig
        Of the run.
    pictures : sequence of float32 arrays, shape (C, H, W)
        What halo and bf16 are measured on; see :func:`~limpid.inference.calibrate.calibrated`.
    sigma_max, noise, data, recipe, licence, metrics
        As in :class:`~limpid.models.cards.ModelCard`.
    """
    network = build_network(config.architecture.name, config.architecture.parameters)
    network.load_state_dict(averaged_weights(run))
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
        bytes_per_pixel=cost.bytes,
        size_multiple=int(network.size_multiple),  # type: ignore[arg-type]  # a module's attributes have no types
        noise=noise,
        data=data,
        recipe=recipe,
        licence=licence,
        metrics=metrics,
        sha256="",
        preprocessing=config.data.preparation.preprocessing,
    )
    model = calibrated(save_model(network, card, folder), pictures, limit=HALO_LIMIT_PX)
    write_card(model)
    return model
