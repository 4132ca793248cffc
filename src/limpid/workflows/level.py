"""From what is told or measured of the noise to the level that a denoiser is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from limpid.core.apply import Level
from limpid.core.errors import OptionError
from limpid.core.image import FloatArray, Image
from limpid.noise.estimate import NoiseEstimate
from limpid.noise.levels import level_map
from limpid.noise.models import NoiseModel

__all__ = ["Told", "level_of", "measured_sigma"]

#: Sigma, or a noise model, for all channels or for each; in the image's own units.
Told = float | Sequence[float] | NoiseModel | Sequence[NoiseModel]


def measured_sigma(found: NoiseEstimate) -> Sequence[float] | Sequence[NoiseModel]:
    """Return the noise of each channel: as models where it is seen to depend on the signal."""
    return found.models if found.signal_dependent else found.sigma_per_channel


def level_of(image: Image, noise: Told) -> tuple[Level, tuple[float, ...]]:
    """Return the level as a denoiser wants it, and sigma per channel in the image's units for the report.

    Raises
    ------
    OptionError
        If what is told fits neither the image's channels nor reason.
    """
    models = [noise] if isinstance(noise, NoiseModel) else noise
    if isinstance(models, Sequence) and models and all(isinstance(one, NoiseModel) for one in models):
        return _model_level(image, models)  # type: ignore[arg-type]  # all of them, as was just seen
    try:
        values = np.atleast_1d(np.asarray(noise, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(
            f"sigma must be a number, or one per channel, got {noise!r}; leave it out to have it measured."
        ) from None
    if values.ndim != 1 or len(values) not in (1, image.channels):
        raise OptionError(f"sigma must be one number or one for each of the {image.channels} channels, got {noise!r}.")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise OptionError(f"sigma must be finite and >= 0, in the image's own units, got {noise!r}.")
    values = np.broadcast_to(values, (image.channels,))
    level: FloatArray = (values / image.span).astype(np.float32)
    return level, tuple(float(v) for v in values)


def _model_level(image: Image, models: Sequence[NoiseModel]) -> tuple[Level, tuple[float, ...]]:
    """Return the level at each pixel, as a function of tiles, and sigma per channel: RMS over the image's pixels."""
    if len(models) not in (1, image.channels):
        raise OptionError(
            f"sigma must be one noise model or one for each of the {image.channels} channels, got {models!r}."
        )
    each = list(models) * (image.channels // len(models))
    unit = [one.shifted(-image.value_range[0]).scaled(1 / image.span) for one in each]
    planes = image.planes()
    signal = planes.mean(axis=(0, 1, 2), dtype=np.float64, where=np.isfinite(planes))
    told = tuple(math.sqrt(float(one.variance(mean))) for one, mean in zip(each, signal, strict=True))

    def level(tile: FloatArray) -> FloatArray:
        maps = [level_map(tile[..., c : c + 1], one) for c, one in enumerate(unit)]
        return np.concatenate(maps, axis=-1)

    return level, told
