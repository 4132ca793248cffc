"""What denoising an image would give and cost, before it is done: from the cards of the shipped networks."""

from __future__ import annotations

import re
import time
from typing import Final

import numpy as np

from limpid.catalog.insight import Expected
from limpid.models.cards import ModelCard
from limpid.models.store import find_models
from limpid.workflows.denoise import denoise
from limpid.workflows.models import load_model

__all__ = ["expected_gains"]

#: The family that denoises where no model is named.
_MODEL: Final = "fast"

#: A figure of a card: PSNR in dB on a set with white noise of this sigma, on the scale 0 to 255.
_FIGURE: Final = re.compile(r"(\w+) sigma (\d+)")

#: Side of the square that speed is measured on.
_SIDE: Final = 256


def expected_gains() -> list[Expected]:
    """Return what the shipped networks are known to give, and their speed here, measured on one square each."""
    return [_expected(model.card) for _, model in sorted(find_models(_MODEL).items())]


def _expected(card: ModelCard) -> Expected:
    figures: dict[float, list[float]] = {}
    sets: dict[str, None] = {}
    for name, value in card.metrics.items():
        if found := _FIGURE.fullmatch(name):
            sets[found[1]] = None
            figures.setdefault(float(found[2]), []).append(float(value))
    points = [(sigma / 255, sum(values) / len(values)) for sigma, values in sorted(figures.items())]
    levels = ", ".join(f"{sigma:g}" for sigma in sorted(figures))
    basis = f"PSNR of {card.name} on {', '.join(sets)} with white noise of sigma {levels}, from its card"
    return Expected(card.channels, points, basis, _megapixels_per_s(card))


def _megapixels_per_s(card: ModelCard) -> float:
    model = load_model(card.name)
    shape = (_SIDE, _SIDE) if card.channels == 1 else (_SIDE, _SIDE, card.channels)
    square = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    denoise(square, model=model, sigma=25)  # compiles
    started = time.perf_counter()
    denoise(square, model=model, sigma=25)
    return _SIDE**2 / 1e6 / (time.perf_counter() - started)
