"""What denoising an image would give and cost, before it is done: from the cards of the shipped networks."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from typing import Final

import numpy as np

from limpid.catalog.insight import Expected
from limpid.core.denoiser import Denoiser
from limpid.models.cards import ModelCard
from limpid.models.store import find_models
from limpid.workflows.denoise import denoise

__all__ = ["expected_gains"]

#: A figure of a card: PSNR in dB on a set with white noise of this sigma, on the scale 0 to 255.
_FIGURE: Final = re.compile(r"(\w+) sigma (\d+)")

#: Side of the square that speed is measured on.
_SIDE: Final = 256


def expected_gains(channels: Collection[int], denoiser: Denoiser) -> list[Expected]:
    """Return what a family of shipped networks is known to give for images of so many channels.

    Its speed is measured here, on one square for each.
    """
    models = sorted(find_models(denoiser.name).items())
    return [_expected(model.card, denoiser) for count, model in models if count in channels]


def _expected(card: ModelCard, denoiser: Denoiser) -> Expected:
    figures: dict[float, list[float]] = {}
    sets: dict[str, None] = {}
    for name, value in card.metrics.items():
        if found := _FIGURE.fullmatch(name):
            sets[found[1]] = None
            figures.setdefault(float(found[2]), []).append(float(value))
    points = [(sigma / 255, sum(values) / len(values)) for sigma, values in sorted(figures.items())]
    levels = ", ".join(f"{sigma:g}" for sigma in sorted(figures))
    basis = f"PSNR of {card.name} on {', '.join(sets)} with white noise of sigma {levels}, from its card"
    return Expected(card.channels, points, basis, _megapixels_per_s(card.channels, denoiser))


def _megapixels_per_s(channels: int, denoiser: Denoiser) -> float:
    shape = (_SIDE, _SIDE) if channels == 1 else (_SIDE, _SIDE, channels)
    square = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    denoise(square, model=denoiser, sigma=25)  # compiles
    started = time.perf_counter()
    denoise(square, model=denoiser, sigma=25)
    return _SIDE**2 / 1e6 / (time.perf_counter() - started)
