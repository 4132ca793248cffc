"""Denoise one image: measure the noise where it is not told, apply the model, say what was done."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from os import PathLike
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from limpid.core.apply import check_strengths, denoise_image, without_gaps
from limpid.core.denoiser import Denoiser
from limpid.core.image import Array, Image, Provenance
from limpid.core.preprocess import preprocess
from limpid.core.version import SOFTWARE
from limpid.noise import impulses
from limpid.noise.estimate import estimate_noise
from limpid.noise.result import NoiseEstimate
from limpid.workflows.choosing import fitting
from limpid.workflows.inputs import as_image
from limpid.workflows.level import Told, level_of, measured_sigma, model_parameters
from limpid.workflows.models import as_denoiser, denoiser_names, load_model

__all__ = ["Denoised", "denoise", "run_denoise", "without_impulses"]

_log = logging.getLogger(__name__)

#: Rows in which impulses are looked for at a time.
_STRIP_ROWS = 256

Sigma = Told | None


@dataclass(frozen=True)
class Denoised:
    """A denoised image and what was done to it.

    Attributes
    ----------
    image : Image
        Its metadata ends with a provenance entry that says the same.
    model : str
        Name of the model; of ``auto``, that of the network that was chosen.
    sigma : tuple of float
        Noise level per channel that the model was told at strength 1, in the image's own units; what a blind one makes
        of it is its own affair.
    blind : bool
        Whether it was measured, not told.
    strength : float
        As asked for.
    seconds : float
        Measuring and denoising, without reading and writing.
    chosen_for : str or None
        What of the image the model was chosen for, such as ``correlated noise``; None where there was no choice.
    """

    image: Image
    model: str
    sigma: tuple[float, ...]
    blind: bool
    strength: float
    seconds: float
    chosen_for: str | None = None


@overload
def denoise(
    image: Image | str | PathLike[str],
    *,
    model: str | PathLike[str] | Denoiser = ...,
    sigma: Sigma = ...,
    strength: float = ...,
    chroma_strength: float | None = ...,
    value_range: tuple[float, float] | None = ...,
    axes: str | None = ...,
    memory: int | None = ...,
    allow_pickle: bool = ...,
) -> Image: ...
@overload
def denoise(
    image: npt.NDArray[Any],
    *,
    model: str | PathLike[str] | Denoiser = ...,
    sigma: Sigma = ...,
    strength: float = ...,
    chroma_strength: float | None = ...,
    value_range: tuple[float, float] | None = ...,
    axes: str | None = ...,
    memory: int | None = ...,
    allow_pickle: bool = ...,
) -> Array: ...
def denoise(
    image: Image | str | PathLike[str] | npt.NDArray[Any],
    *,
    model: str | PathLike[str] | Denoiser = "auto",
    sigma: Sigma = None,
    strength: float = 1.0,
    chroma_strength: float | None = None,
    value_range: tuple[float, float] | None = None,
    axes: str | None = None,
    memory: int | None = None,
    allow_pickle: bool = False,
) -> Image | Array:
    """Return the image without its noise, in the form it came in.

    Parameters
    ----------
    image : array, Image, or path
        uint8, uint16 or float pixels, gray or colour, or a stack of planes. Unchanged.
    model : str, path or Denoiser
        A name as in :func:`limpid.load_model`, or what that function returned.
    sigma : float, sequence of float, or noise model, optional
        Standard deviation of the noise in the image's own units (0-255 for 8-bit), for all channels or for each;
        or a model such as ``PoissonGaussian`` for noise that depends on the signal. Measured where not given.
    strength : float
        Scales the level, ``[0, 2]``; 0 is the identity. Of a denoiser that judges the level by itself, such as
        ``camera``, the share of its change that is made, 1 at most.
    chroma_strength : float, optional
        The same for colour noise alone; `strength` where not given.
    value_range : (float, float), optional
        Values of black and white: needed for floats, the dtype's range otherwise.
    axes : str, optional
        For arrays whose axes are not plain, such as ``ZYX`` for a stack of gray planes.
    memory : int, optional
        Bytes that working memory may take.
    allow_pickle : bool
        As in :func:`limpid.load_model`.

    Returns
    -------
    array or Image
        An array for an array, with its shape and dtype (any float becomes float32, unclipped); an
        :class:`~limpid.Image` with metadata for an Image or a path.

    Raises
    ------
    ImageError, ReadError, OptionError, ModelError
        If the image, an option or the model can't be used; the message says what to do.

    Examples
    --------
    >>> import numpy as np, limpid
    >>> noisy = np.random.default_rng(0).normal(128, 20, (64, 64)).clip(0, 255).astype(np.uint8)
    >>> clean = limpid.denoise(noisy)
    >>> clean.dtype, clean.shape, bool(clean.std() < noisy.std() / 2)
    (dtype('uint8'), (64, 64), True)
    """
    wrapped = as_image(image, value_range=value_range, axes=axes)
    denoiser = as_denoiser(model, load=partial(_loaded, allow_pickle=allow_pickle))
    result = run_denoise(
        wrapped, denoiser, sigma=sigma, strength=strength, chroma_strength=chroma_strength, memory=memory
    )
    if isinstance(image, Image | str | PathLike):
        return result.image
    return np.array(result.image.values)


def _loaded(name: str, *, allow_pickle: bool) -> Denoiser:
    """Return a model by name; those that ship are kept, compiled, for the next call."""
    return _shipped(name) if name in ("auto", *denoiser_names()) else load_model(name, allow_pickle=allow_pickle)


@lru_cache(maxsize=4)
def _shipped(name: str) -> Denoiser:
    return load_model(name)


def run_denoise(
    image: Image,
    denoiser: Denoiser,
    *,
    sigma: Sigma = None,
    strength: float = 1.0,
    chroma_strength: float | None = None,
    memory: int | None = None,
) -> Denoised:
    """Denoise and report; parameters as in :func:`denoise`."""
    check_strengths(strength, chroma_strength)
    started = time.perf_counter()
    blind = sigma is None
    repaired = False
    found = None
    if sigma is None:
        found = estimate_noise(image)
        if not found.measured:
            _log.warning(
                "%s: too few usable pixels to measure its noise, so none was removed; tell sigma to denoise it",
                image.source or "image",
            )
        repaired = strength > 0 and found.has_impulses
        image = without_impulses(image, found) if repaired else image
        sigma = measured_sigma(found)
    denoiser, reason = fitting(denoiser, found, image=image)
    level, told = level_of(image, sigma)
    most = denoiser.capabilities.sigma_max * image.span
    if steps := denoiser.capabilities.preprocessing:
        most /= preprocess(without_gaps(image), steps).level_factor
    if max(told) > most:
        _log.warning(
            "%s: sigma %.4g is more than the %.4g that %s was made for, and is taken as that; some noise will be left",
            image.source or "image",
            max(told),
            most,
            denoiser.name,
        )
    if denoiser.capabilities.blind and max(strength, chroma_strength or 0) > 1:
        _log.warning(
            "%s: %s removes all that it takes for noise at strength 1; a higher one removes no more",
            image.source or "image",
            denoiser.name,
        )
    levels = [float(f"{s:.6g}") for s in told]
    parameters: dict[str, Any] = {**denoiser.identity, "sigma": levels, "strength": float(strength)}
    if chroma_strength is not None:
        parameters["chroma_strength"] = float(chroma_strength)
    if reason is not None:
        parameters["chosen_for"] = reason
    parameters |= model_parameters(sigma) | ({"impulses_repaired": True} if repaired else {})
    clean = denoise_image(
        image,
        denoiser,
        level=level,
        strength=strength,
        chroma_strength=chroma_strength,
        memory=memory,
        step=Provenance(SOFTWARE, "denoise", parameters),
    )
    return Denoised(clean, denoiser.name, told, blind, strength, time.perf_counter() - started, reason)


def without_impulses(image: Image, noise: NoiseEstimate) -> Image:
    """Return the image with hot, dead and impulse pixels repaired."""
    planes = image.planes()
    mask = np.zeros(planes.shape, np.bool_)
    for top in range(0, planes.shape[1], _STRIP_ROWS):
        # In strips, since a level per pixel takes many times the memory of the pixels; two rows around them are seen.
        start, stop = max(top - 2, 0), top + _STRIP_ROWS
        strip = planes[:, start : stop + 2]
        mask[:, top:stop] = impulses.find(strip, noise.sigma_at(strip))[:, top - start :][:, :_STRIP_ROWS]
    return image.with_planes(impulses.repair(planes, mask))
