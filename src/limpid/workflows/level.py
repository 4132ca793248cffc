"""From what is told or measured of the noise to the level that a denoiser is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limpid.core.apply import Level
from limpid.core.errors import OptionError
from limpid.core.image import Array, FloatArray, Image
from limpid.noise.levels import level_maps
from limpid.noise.models import Gaussian, NoiseModel, PoissonGaussian, in_unit_of
from limpid.noise.result import NoiseEstimate

__all__ = ["Told", "level_of", "measured_sigma", "model_parameters", "models_of", "told_again"]

#: Sigma, or a noise model, for all channels or for each; in the image's own units.
Told = float | Sequence[float] | NoiseModel | Sequence[NoiseModel]


def measured_sigma(found: NoiseEstimate) -> Sequence[float] | Sequence[NoiseModel]:
    """Return the noise of each channel: as models where it is seen to depend on the signal."""
    return found.models if found.signal_dependent else found.sigma_per_channel


def model_parameters(noise: Told) -> dict[str, list[float]]:
    """Return what sigma leaves out of signal-dependent noise, for provenance: one value for each model."""
    models = _models(noise)
    if models is None:
        return {}
    rows = [
        (0.0, one.sigma**2, 0.0) if isinstance(one, Gaussian) else (one.gain, one.floor, one.offset)
        for one in models
        if isinstance(one, Gaussian | PoissonGaussian)
    ]
    if len(rows) < len(models):  # a model of the user's own has other parameters
        return {}
    return {name: [row[i] for row in rows] for i, name in enumerate(("gain", "floor", "offset"))}


def models_of(image: Image, noise: Told) -> tuple[NoiseModel, ...]:
    """Return the noise told as a model of each channel, in the image's own units."""
    models = _models(noise)
    if models is None:
        _, sigmas = level_of(image, noise)
        return tuple(Gaussian(s) for s in sigmas)
    _model_level(image, models)  # says what is wrong with their number
    return tuple(models) * (image.channels // len(models))


def told_again(parameters: Mapping[str, Any]) -> Told:
    """Return what a denoiser was told, from the provenance of its output."""
    if "gain" not in parameters:
        return [float(s) for s in parameters["sigma"]]
    each = zip(parameters["gain"], parameters["floor"], parameters["offset"], strict=True)
    return [PoissonGaussian(g, f, o) if g > 0 else Gaussian(math.sqrt(f)) for g, f, o in each]


def level_of(image: Image, noise: Told) -> tuple[Level, tuple[float, ...]]:
    """Return the level as a denoiser wants it, and sigma per channel in the image's units for the report.

    Raises
    ------
    OptionError
        If what is told fits neither the image's channels nor reason.
    """
    models = _models(noise)
    if models is not None:
        return _model_level(image, models)
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


def _models(noise: Told) -> list[NoiseModel] | None:
    """Return the models told, or None where sigma was."""
    each = [noise] if isinstance(noise, NoiseModel) else noise
    if isinstance(each, Sequence) and each and all(isinstance(one, NoiseModel) for one in each):
        return [one for one in each if isinstance(one, NoiseModel)]
    return None


def _model_level(image: Image, models: Sequence[NoiseModel]) -> tuple[Level, tuple[float, ...]]:
    """Return the level at each pixel, as a function of tiles, and sigma per channel: RMS over the image's pixels."""
    if len(models) not in (1, image.channels):
        raise OptionError(
            f"sigma must be one noise model or one for each of the {image.channels} channels, got {models!r}."
        )
    each = list(models) * (image.channels // len(models))
    unit = in_unit_of(each, image.value_range)
    signal = _means(image.planes())
    told = tuple(math.sqrt(float(one.variance(mean))) for one, mean in zip(each, signal, strict=True))

    def level(tile: FloatArray) -> FloatArray:
        return level_maps(tile, unit)

    return level, told


def _means(planes: Array) -> npt.NDArray[np.float64]:
    """Return the mean of the finite values of each channel, of planes of shape (N, Y, X, C)."""
    # Rows are added up first: where only an axis as short as C is left, NumPy takes forty times as long.
    if planes.dtype.kind == "u":
        total: npt.NDArray[np.float64] = planes.sum(axis=(0, 1), dtype=np.float64).sum(axis=0)
        return total / planes[..., 0].size
    finite = np.isfinite(planes)
    total = planes.sum(axis=(0, 1), dtype=np.float64, where=finite).sum(axis=0)
    mean: npt.NDArray[np.float64] = total / np.count_nonzero(finite, axis=(0, 1)).sum(axis=0)
    return mean
