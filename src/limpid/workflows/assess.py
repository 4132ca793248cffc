"""Assess a denoised image without a clean one: how good it is, what is wrong with it, which pixels to trust."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from limpid.core.apply import denoise_image, without_gaps
from limpid.core.denoiser import Denoiser
from limpid.core.errors import ImageError, LimpidError, OptionError
from limpid.core.image import Array, FloatArray, Image
from limpid.evaluation.reference_free.assessment import Assessment, NoiseKnown, assess_planes
from limpid.evaluation.reference_free.clipping import REACH, Clipping, clipped
from limpid.evaluation.reference_free.response import Rerun
from limpid.noise.estimate import estimate_noise
from limpid.noise.models import NoiseModel, in_unit_of
from limpid.noise.result import NoiseEstimate, rms
from limpid.workflows.choosing import Choosing, fitting
from limpid.workflows.denoise import run_denoise, without_impulses
from limpid.workflows.inputs import as_image
from limpid.workflows.level import Told, level_of, measured_sigma, models_of, told_again
from limpid.workflows.models import as_denoiser, load_model

__all__ = ["assess", "assess_image"]

Picture = Image | str | PathLike[str] | npt.NDArray[Any]

#: Share of clipped pixels that matters.
_CLIP_LEAST: Final = 1e-3

#: How far the output of a denoiser that is run again may be off the one at hand, as a share of sigma: lossy files and
#: rounding are below it, another level or model is not.
_SAME: Final = 0.3

#: Held-out exposures of another scene differ by more than this many times the noise.
_SAME_SCENE: Final = 2.0

#: Exposures with the same noise differ by at least this share of what two such do.
_AS_NOISY: Final = 0.6

#: How far the variance at the frequencies that a denoiser removes may be off where the noise is correlated.
_CORRELATION_ERROR: Final = 0.3

_SEED: Final = 0


def assess(
    noisy: Picture,
    denoised: Picture | None = None,
    *,
    model: str | PathLike[str] | Denoiser | None = None,
    sigma: float | Sequence[float] | None = None,
    noise: NoiseModel | Sequence[NoiseModel] | NoiseEstimate | None = None,
    value_range: tuple[float, float] | None = None,
    axes: str | None = None,
    repeats: Sequence[Picture] = (),
    allow_pickle: bool = False,
) -> Assessment:
    """Return how good a denoised image is, without a clean one.

    The error is estimated from how the denoiser answers to a small change of its input, so the denoiser is run again:
    as the denoised image's provenance says, or as `model` says. Where that can't be done, tests of what was
    removed remain. Noise that was not told is measured in the noisy image, and the interval is the wider for it.

    Parameters
    ----------
    noisy : array, Image, or path
        The image before.
    denoised : array, Image, or path, optional
        The image after, of the same shape and range. Made by `model` where not given.
    model : str, path or Denoiser, optional
        What denoised it, where the provenance doesn't say, or what is to: a name as in :func:`limpid.load_model`.
    sigma : float or sequence of float, optional
        Standard deviation of the noise, in the image's own units, for all channels or for each, where it is known.
        Without `denoised`, the model is told it as well.
    noise : NoiseModel, sequence of NoiseModel, or NoiseEstimate, optional
        The same for noise that depends on the signal, or that was measured elsewhere (a flat field, another image).
    value_range : (float, float), optional
        Values of black and white: needed for floats.
    axes : str, optional
        For arrays whose axes are not plain, such as ``ZYX``.
    repeats : sequence of array, Image, or path
        Other noisy exposures of the same scene, which the denoiser did not see. The error then follows from
        them alone, whatever the noise is like.
    allow_pickle : bool
        As in :func:`limpid.load_model`.

    Returns
    -------
    Assessment
        ``psnr``, ``psnr_interval`` (90 %), ``mse``, ``tests``, ``verdict``, ``confidence`` and more.

    Raises
    ------
    ImageError, ReadError, OptionError, ModelError
        If the images don't belong together or can't be used; the message says what to do.

    Examples
    --------
    >>> import numpy as np, limpid, skimage
    >>> noisy = np.random.default_rng(0).normal(skimage.data.camera(), 20)
    >>> found = limpid.assess(noisy, model="fast", value_range=(0, 255))
    >>> found.verdict, found.psnr_interval[0] < found.psnr < found.psnr_interval[1]
    ('good', True)
    """
    before = as_image(noisy, value_range=value_range, axes=axes)
    after = None if denoised is None else _like(denoised, before)
    others = [_like(one, before) for one in repeats]
    if after is None and model is None:
        raise OptionError("give what to assess: a denoised image, or model=, the name of a model to denoise with.")
    denoiser = None if model is None else as_denoiser(model, load=partial(load_model, allow_pickle=allow_pickle))
    return assess_image(before, after, denoiser=denoiser, told=_told(sigma, noise), repeats=others)


def assess_image(
    noisy: Image,
    denoised: Image | None,
    *,
    denoiser: Denoiser | None = None,
    told: Told | NoiseEstimate | None = None,
    repeats: Sequence[Image] = (),
) -> Assessment:
    """Assess one image; see :func:`assess`, whose parameters these are, read and loaded."""
    repeats = [_in_units_of(noisy, image) for image in repeats]
    denoised = None if denoised is None else _in_units_of(noisy, denoised)
    found = estimate_noise(noisy)
    made_here = denoised is None
    if denoised is None:
        assert denoiser is not None, "neither a denoised image nor a denoiser"
        level = measured_sigma(told) if isinstance(told, NoiseEstimate) else told
        denoised = run_denoise(noisy, denoiser, sigma=level).image
    source = _Source.of(denoised)
    repaired = without_impulses(noisy, found) if found.has_impulses else noisy
    if isinstance(denoiser, Choosing):
        denoiser = _chosen(repaired, denoiser, source, told, found)
    known = _known(noisy, found, told)
    usable, clipping = _pixels(noisy, denoised, found, known)
    if found.has_impulses:
        usable &= repaired.planes() == noisy.planes()
        if source is not None and source.repaired:
            noisy = repaired
    noisy = without_gaps(noisy)
    rerun, no_rerun = _rerun(noisy, denoised, denoiser, source, known, made_here=made_here)
    exposures = [one.unit_planes() for one in repeats]
    if exposures and math.isfinite(known.variance_error):
        _check_same_scene(noisy.unit_planes(), exposures, known)
    return assess_planes(
        noisy,
        denoised,
        noise=known,
        usable=usable,
        clipping=clipping,
        rerun=rerun,
        no_rerun=no_rerun,
        repeats=exposures,
        rng=np.random.default_rng(_SEED),
    )


def _chosen(
    seen: Image,
    denoiser: Choosing,
    source: _Source | None,
    told: Told | NoiseEstimate | None,
    found: NoiseEstimate,
) -> Denoiser:
    """Return what made the image, or would have, of several networks."""
    named = None if source is None else denoiser.named(source.parameters["model"])
    if named is not None:
        return named
    noise = found if told is None else told if isinstance(told, NoiseEstimate) else None
    return fitting(denoiser, noise, image=seen).denoiser


@dataclass(frozen=True)
class _Source:
    """How limpid made an image, by its provenance."""

    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, image: Image) -> _Source | None:
        steps = image.metadata.provenance
        if not steps or steps[-1].operation != "denoise" or "model" not in steps[-1].parameters:
            return None
        return cls(steps[-1].parameters)

    @property
    def repaired(self) -> bool:
        return bool(self.parameters.get("impulses_repaired"))

    @property
    def strengths(self) -> tuple[float, float | None]:
        return float(self.parameters.get("strength", 1.0)), self.parameters.get("chroma_strength")


def _told(sigma: float | Sequence[float] | None, noise: Any) -> Told | NoiseEstimate | None:
    if sigma is not None and noise is not None:
        raise OptionError("sigma and noise both say what the noise is; give one of them.")
    return sigma if noise is None else noise


def _like(picture: Picture, noisy: Image) -> Image:
    """Return an image whose axes and range, where an array doesn't say, are those of the noisy one."""
    if not isinstance(picture, np.ndarray):
        return as_image(picture)
    if picture.shape != noisy.values.shape:
        raise _apart("an array", picture.shape, noisy)
    value_range = noisy.value_range if picture.dtype.kind == "f" else None
    return Image.from_array(picture, axes=noisy.axes, value_range=value_range)


def _in_units_of(noisy: Image, image: Image) -> Image:
    """Return an image in the units of the noisy one: a file of 16 bits may belong to one of 8."""
    if image.values.shape != noisy.values.shape:
        raise _apart(image.source or "an image", image.values.shape, noisy)
    if image.value_range == noisy.value_range:
        return image
    values = image.values.astype(np.float32) - np.float32(image.value_range[0])
    values *= np.float32(noisy.span / image.span)
    values += np.float32(noisy.value_range[0])
    return dataclasses.replace(image, values=values, value_range=noisy.value_range)


def _apart(name: str, shape: tuple[int, ...], noisy: Image) -> ImageError:
    return ImageError(
        f"{name} has shape {shape}, the noisy image {noisy.values.shape}; they don't belong together.", source=name
    )


def _known(noisy: Image, found: NoiseEstimate, told: Told | NoiseEstimate | None) -> NoiseKnown:
    """Return what is known of the noise, in units of the value range."""
    measured = told if isinstance(told, NoiseEstimate) else found
    # Where only a level is told, how the noise is correlated is measured.
    shown = measured if measured.correlation is not None else found
    each = [c.correlation for c in shown.channels if c.correlation is not None]
    correlation = tuple(each) if shown.white is False and len(each) == len(shown.channels) else None
    error, level, refusal, doubt = measured.variance_error, None, None, None
    if told is None or isinstance(told, NoiseEstimate):
        models = measured.models
        if len(models) not in (1, noisy.channels):
            raise OptionError(
                f"noise was measured on {len(models)} channels, the image has {noisy.channels}; give one that fits."
            )
        if not measured.measured:
            refusal = "the noise can't be measured in this image; give its level (sigma)"
        elif math.isinf(error) or measured.sigma == 0:
            error, refusal = math.inf, "no noise was found that could be told from none"
        if correlation is not None:
            doubt = "noise that neighbouring pixels share is measured too low"
    else:
        models, error = models_of(noisy, told), 0.0 if correlation is None else _CORRELATION_ERROR
        _, levels = level_of(noisy, told)
        told_sigma = rms(levels)
        if told_sigma == 0:
            error, refusal = math.inf, "the noise told is zero"
        elif found.white and math.isfinite(found.variance_error) and found.sigma > 0:
            level = (told_sigma, found.sigma, found.variance_error / 2)
    if found.jpeg and refusal is None:
        refusal = doubt = "the image was a JPEG file, which changed its noise in ways that no estimate follows"
    unit = in_unit_of(models, noisy.value_range)
    each_model = unit if len(unit) == noisy.channels else unit * noisy.channels
    return NoiseKnown(each_model, error, correlation, level, refusal, doubt)


def _pixels(noisy: Image, denoised: Image, found: NoiseEstimate, known: NoiseKnown) -> tuple[Array, Clipping | None]:
    """Return which pixels hold noise that follows the model, and what clipping did to the others.

    Those that don't are not finite or near a clipped end. None where nothing is clipped.
    """
    before, after = noisy.planes(), denoised.planes()
    usable: Array = np.ones(before.shape, np.bool_)
    if before.dtype.kind == "f":
        usable &= np.isfinite(before) & np.isfinite(after)
    clipping = None
    for share, side in zip(found.clipped_share, (-1, 1), strict=True):
        if share < _CLIP_LEAST:
            continue
        if clipping is None:
            clipping = Clipping(np.zeros(before.shape, np.float32), np.ones(before.shape, np.float32))
        for c, model in enumerate(known.models):
            values = before[..., c][usable[..., c]]
            if not values.size:
                continue
            end = float(values.min() if side < 0 else values.max())
            sigma = math.sqrt(float(model.variance((end - noisy.value_range[0]) / noisy.span)))
            distance = (end - after[..., c].astype(np.float32)) * np.float32(side / max(sigma * noisy.span, 1e-12))
            usable[..., c] &= distance > REACH
            effect = clipped(distance)
            clipping.bias[..., c] += effect.bias * np.float32(sigma)
            clipping.variance_share[..., c] *= effect.variance_share
    return usable, clipping


def _rerun(
    noisy: Image,
    denoised: Image,
    denoiser: Denoiser | None,
    source: _Source | None,
    known: NoiseKnown,
    *,
    made_here: bool,
) -> tuple[Rerun | None, str]:
    """Return the denoiser as it was applied, or why it can't be."""
    if source is None and denoiser is None:
        return None, "the denoised image doesn't say what made it; name the model"
    if denoiser is None and source is not None:
        name = str(source.parameters["model"])
        try:
            denoiser = load_model(name)
        except LimpidError as error:
            return None, f"the model {name!r} that made it can't be loaded ({error}); name its folder"
        if dict(denoiser.identity) != {key: source.parameters.get(key) for key in denoiser.identity}:
            return None, f"the model {name!r} has changed since it made the image"
    assert denoiser is not None
    # Networks in bf16 round more than the probe changes.
    exact = getattr(denoiser, "exact", denoiser)
    again = _Again(noisy, exact, source, known)
    if made_here and exact is denoiser and denoised.values.dtype.kind == "f" and np.isfinite(denoised.values).all():
        again.remember(denoised)  # what would come out again
    elif not made_here and not again.says(denoised):
        return None, f"the model {denoiser.name!r} does not give this image again; name the model that made it"
    return again.run, ""


class _Again:
    """A denoiser, told what it was told before."""

    def __init__(self, noisy: Image, denoiser: Denoiser, source: _Source | None, known: NoiseKnown) -> None:
        self._image = noisy
        self._denoiser = denoiser
        self._strengths = (1.0, None) if source is None else source.strengths
        told = None if source is None else told_again(source.parameters)
        if told is None:
            span, low = noisy.span, noisy.value_range[0]
            told = [one.scaled(span).shifted(low) for one in known.models]
        self._level, self._sigma = level_of(noisy, told)
        self._ran: tuple[FloatArray, FloatArray] | None = None

    def run(self, planes: FloatArray) -> FloatArray:
        if self._ran is not None and np.array_equal(planes, self._ran[0]):
            return self._ran[1]
        values = planes.reshape(self._image.values.shape)  # volumetric denoisers must know which planes are a stack
        image = dataclasses.replace(self._image, values=values, value_range=(0.0, 1.0), alpha=None)
        strength, chroma = self._strengths
        clean = denoise_image(image, self._denoiser, level=self._level, strength=strength, chroma_strength=chroma)
        return clean.planes()

    def remember(self, denoised: Image) -> None:
        """Take an image as what comes out."""
        self._ran = self._image.unit_planes(), denoised.unit_planes()

    def says(self, denoised: Image) -> bool:
        """Tell whether the image at hand is what comes out."""
        before = self._image.unit_planes()
        after = self.run(before)
        self._ran = before, after
        low, high = (0.0, 1.0) if denoised.values.dtype.kind == "u" else (-math.inf, math.inf)
        off = np.clip(after, low, high) - denoised.unit_planes()
        difference = math.sqrt(float(np.nanmean(np.square(off))))
        step = 1 / denoised.span if denoised.values.dtype.kind == "u" else 0.0
        sigma = rms(self._sigma) / self._image.span
        return difference <= _SAME * sigma + step


def _check_same_scene(noisy: FloatArray, exposures: Sequence[FloatArray], known: NoiseKnown) -> None:
    expected = float(np.mean([one.variance(float(np.nanmean(noisy))) for one in known.models]))
    for number, other in enumerate(exposures, start=1):
        found = float(np.nanmean(np.square(noisy - other))) / 2
        if found > _SAME_SCENE * expected:
            raise ImageError(
                f"repeat {number} differs from the noisy image by {math.sqrt(found / expected):.1f} times the noise; "
                "it must show the same scene, in register and as bright."
            )
        if found < _AS_NOISY * expected:
            raise ImageError(
                f"repeat {number} differs from the noisy image by {math.sqrt(found / expected):.2f} times the noise, "
                "less than two exposures do; it must be another exposure with noise as strong, no average or copy."
            )
