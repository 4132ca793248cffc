"""Measure denoisers by the protocol of the published tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from limpid.core.apply import Level, denoise_image
from limpid.core.arguments import check_number
from limpid.core.denoiser import Capabilities, Denoiser
from limpid.core.errors import ImageError, OptionError
from limpid.core.image import FloatArray, Image
from limpid.evaluation.datasets import Dataset
from limpid.evaluation.memory import PeakMemory
from limpid.evaluation.metrics import Mean, psnr, ssim
from limpid.evaluation.scale import PEAK, luma, on_scale
from limpid.noise.models import Gaussian

__all__ = ["NOISY", "BenchmarkRow", "Estimate", "ImageScore", "measure", "measure_all"]

#: Finds what is to denoise an image, given what was asked for, and the noise level as a share of the image's value
#: range: what `denoise_image` takes.
Estimate = Callable[[Image, Denoiser], tuple[Denoiser, Level]]


@dataclass(frozen=True, kw_only=True)
class BenchmarkRow:
    """One denoiser on one data set at one noise level.

    Attributes
    ----------
    data : str
        Name of the data set.
    denoiser : str
        Name of the denoiser.
    sigma : float or None
        Standard deviation of the noise, on the 0-255 scale; None for real noise where none was told.
    blind : bool
        Whether the level was found in the noisy image instead of being told.
    images : int
        How many were measured.
    psnr : float
        Mean over the images, in dB.
    ssim : float
        Mean over the images.
    megapixels_per_s : float
        Pixels (not values) through the denoising call, per second; finding the level is not part of it.
    peak_memory_mb : float or None
        Peak resident memory of the whole process while the row was made, in 10^6 bytes; None where it can't be known.
    """

    data: str
    denoiser: str
    sigma: float | None
    blind: bool
    images: int
    psnr: float
    ssim: float
    megapixels_per_s: float
    peak_memory_mb: float | None


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """The score of one image, as it becomes known.

    Attributes
    ----------
    data, denoiser : str
        What is measured.
    sigma : float or None
        As in the row.
    index : int
        Place of the image in the data set, from 0.
    images : int
        How many there are.
    psnr, ssim : float
        Its scores.
    seconds : float
        Time the denoising call took.
    """

    data: str
    denoiser: str
    sigma: float | None
    index: int
    images: int
    psnr: float
    ssim: float
    seconds: float


class _Identity:
    """Returns its input: the row that says how bad the noise is."""

    name: Final = "noisy"
    capabilities: Final = Capabilities(channels=(1,), level_map=True, halo_px=0)
    identity: Final[Mapping[str, Any]] = {"model": "noisy"}

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:  # noqa: ARG002 (a Denoiser's signature)
        return noisy


#: The baseline that removes nothing; scored like any denoiser, so clipped to the range and rounded as well.
NOISY: Final[Denoiser] = _Identity()


def measure(
    denoiser: Denoiser,
    dataset: Dataset,
    *,
    sigma: float | None = None,
    estimate: Estimate | None = None,
    seed: int = 0,
    strength: float = 1.0,
    gray: bool = False,
    on_image: Callable[[ImageScore], None] | None = None,
) -> BenchmarkRow:
    """Measure one denoiser on one data set.

    Clean images get noise of `sigma`, neither clipped nor rounded, that depends on the seed, the image's place and
    sigma alone, so every denoiser meets the same noise. The result is clipped to 0-255 and rounded before it is
    scored, as the published methods' own code does. :func:`~limpid.evaluation.protocol.protocol` states it all.

    Parameters
    ----------
    denoiser : Denoiser
        What is measured; :data:`NOISY` for the baseline.
    dataset : Dataset
        Clean images, or pairs with real noise.
    sigma : float, optional
        Noise to add, on the 0-255 scale, ``>= 0``; needed for clean images. For pairs nothing is added: it is the level
        the denoiser is told, in place of an estimate.
    estimate : callable, optional
        Makes the measurement blind: the denoiser is told what this finds in the noisy image, never `sigma`. Needed for
        pairs where no sigma is told.
    seed : int
        Seed of the noise, ``>= 0``.
    strength : float
        As in :func:`~limpid.core.apply.denoise_image`, ``[0, 2]``.
    gray : bool
        Measure on the BT.601 luma of RGB images, rounded where the file holds integers.
    on_image : callable, optional
        Called with each image's score.

    Raises
    ------
    OptionError
        If the options contradict each other or the data set.
    ImageError
        If an image can't be measured, or the denoiser returns what is no image.
    """
    _check(denoiser, dataset, sigma=sigma, estimate=estimate, seed=seed)
    peak = PeakMemory()
    psnrs, ssims = Mean(), Mean()
    pixels, seconds = 0, 0.0
    warm: list[Denoiser] = []
    for index, (noisy, clean) in enumerate(_inputs(dataset, sigma=sigma, seed=seed, gray=gray)):
        fitting, level = _told(noisy, denoiser, sigma=sigma, estimate=estimate)
        if fitting not in warm:
            denoise_image(noisy, fitting, level=level, strength=strength)
            warm.append(fitting)
        started = time.perf_counter()
        result = denoise_image(noisy, fitting, level=level, strength=strength)
        took = time.perf_counter() - started
        got_psnr, got_ssim = _scores(result, clean, denoiser)
        psnrs, ssims = psnrs.add(got_psnr), ssims.add(got_ssim)
        pixels, seconds = pixels + noisy.values.size // noisy.channels, seconds + took
        if on_image is not None:
            score = ImageScore(
                data=dataset.name,
                denoiser=denoiser.name,
                sigma=sigma,
                index=index,
                images=len(dataset),
                psnr=got_psnr,
                ssim=got_ssim,
                seconds=took,
            )
            on_image(score)
    return BenchmarkRow(
        data=dataset.name,
        denoiser=denoiser.name,
        sigma=sigma,
        blind=estimate is not None or sigma is None,
        images=psnrs.count,
        psnr=psnrs.value,
        ssim=ssims.value,
        megapixels_per_s=pixels / 1e6 / max(seconds, 1e-9),  # a clock too coarse to see the call must not divide by 0
        peak_memory_mb=peak.megabytes(),
    )


def measure_all(
    denoisers: Iterable[Denoiser],
    dataset: Dataset,
    *,
    sigmas: Iterable[float],
    estimate: Estimate | None = None,
    seed: int = 0,
    strength: float = 1.0,
    gray: bool = False,
    on_image: Callable[[ImageScore], None] | None = None,
) -> Iterator[BenchmarkRow]:
    """Yield a row for each denoiser at each sigma as it is done; the parameters are those of :func:`measure`.

    Parameters
    ----------
    denoisers : iterable of Denoiser
        In the order of the rows.
    dataset : Dataset
        Clean images, or pairs with real noise.
    sigmas : iterable of float
        Noise levels, each of which every denoiser is measured at before the next denoiser's turn. For pairs, none
        makes one row each, with the estimate's level.
    estimate, seed, strength, gray, on_image
        As in :func:`measure`.
    """
    levels: list[float | None] = list(sigmas)
    if dataset.noisy is not None and not levels:
        levels = [None]
    for denoiser in denoisers:
        for sigma in levels:
            yield measure(
                denoiser,
                dataset,
                sigma=sigma,
                estimate=estimate,
                seed=seed,
                strength=strength,
                gray=gray,
                on_image=on_image,
            )


def _check(denoiser: Denoiser, dataset: Dataset, *, sigma: float | None, estimate: Estimate | None, seed: int) -> None:
    if sigma is not None:
        check_number("sigma (on the 0-255 scale)", sigma, low=0)
    check_number("seed", seed, low=0, whole=True)
    if dataset.noisy is None and sigma is None:
        raise OptionError(f"{dataset.name} holds clean images: sigma is needed, the noise to add, such as 25.")
    if dataset.noisy is not None:
        if sigma is not None and estimate is not None:
            raise OptionError(
                f"{dataset.name} holds real noise, whose level is not {sigma:g} but unknown: give sigma (the level to "
                "tell the denoiser) or an estimate, not both."
            )
        if sigma is None and estimate is None and denoiser is not NOISY:
            raise OptionError(
                f"{dataset.name} holds real noise of unknown level: an estimate is needed, or a sigma to tell the "
                "denoiser."
            )


def _inputs(dataset: Dataset, *, sigma: float | None, seed: int, gray: bool) -> Iterator[tuple[Image, Image]]:
    """Yield noisy and clean images; clean ones that noise was added to are float32 on the 0-255 scale."""
    if dataset.noisy is not None:
        for noisy, clean in dataset.pairs():
            yield (luma(noisy), luma(clean)) if gray else (noisy, clean)
        return
    if sigma is None:
        return
    model = Gaussian(sigma)
    for index, stored in enumerate(dataset.images()):
        image = luma(stored) if gray else stored
        clean = Image(on_scale(image), image.axes, (0.0, PEAK), source=image.source)
        rng = np.random.default_rng([seed, index, round(sigma * 100)])
        values = model.sample(clean.values, rng=rng).astype(np.float32, copy=False)
        yield Image(values, clean.axes, clean.value_range, source=clean.source), clean


def _told(
    noisy: Image, denoiser: Denoiser, *, sigma: float | None, estimate: Estimate | None
) -> tuple[Denoiser, Level]:
    """Return what denoises an image, and what it is told."""
    if estimate is not None and denoiser is not NOISY:
        return estimate(noisy, denoiser)
    told = 0.0 if sigma is None else sigma / PEAK
    return denoiser, np.full(noisy.channels, told, dtype=np.float32)


def _scores(result: Image, clean: Image, denoiser: Denoiser) -> tuple[float, float]:
    where = f"{clean.source}: " if clean.source else ""
    test, reference = on_scale(result), on_scale(clean)
    if test.shape != reference.shape:
        raise ImageError(
            f"{where}the noisy image has shape {test.shape} and the clean one {reference.shape}; they are no pair.",
            source=clean.source,
        )
    if not np.isfinite(test).all():
        raise ImageError(
            f"{where}{denoiser.name} returned values that are not finite, which can't be scored.", source=clean.source
        )
    test = np.rint(np.clip(test, 0, PEAK))
    channel_axis = -1 if clean.axes.endswith("C") else None
    planes = zip(_planes(test, clean), _planes(reference, clean), strict=True)
    try:
        similarity = [ssim(a, b, data_range=PEAK, channel_axis=channel_axis) for a, b in planes]
    except ImageError as error:  # too small; say which
        raise ImageError(f"{where}{error}", source=clean.source) from error
    return psnr(test, reference, data_range=PEAK), sum(similarity) / len(similarity)


def _planes(values: npt.NDArray[np.float32], image: Image) -> npt.NDArray[np.float32]:
    """Return the values as a sequence of planes, (N, Y, X) or (N, Y, X, C)."""
    plane_ndim = 3 if image.axes.endswith("C") else 2
    return values.reshape(-1, *values.shape[values.ndim - plane_ndim :])
