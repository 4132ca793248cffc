"""How many steps, and how fast a network learns in each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from limpid.training.config import Optimiser

__all__ = ["Cut", "learning_rate_at", "steps_of"]


@dataclass(frozen=True)
class Cut:
    """The rest of a schedule is replaced: from step `start` on the rate falls to zero by step `end`."""

    start: int
    end: int


def learning_rate_at(step: int, *, steps: int, optimiser: Optimiser, cut: Cut | None = None) -> float:
    """Return the learning rate of a step: linear warm-up, what is held, then half a cosine to zero.

    Parameters
    ----------
    step : int
        From 0 on.
    steps : int
        Of the whole run.
    optimiser : Optimiser
        Highest rate, warm-up, and how long the rate is held.
    cut : Cut, optional
        From its start on, the rate falls by half a cosine from what it is there.
    """
    if cut is not None and step >= cut.start:
        rate = learning_rate_at(cut.start, steps=steps, optimiser=optimiser)
        return rate * 0.5 * (1 + math.cos(math.pi * (step - cut.start) / (cut.end - cut.start)))
    warm = min(1.0, (step + 1) / max(1, optimiser.warmup_steps))
    held = optimiser.hold * steps
    fallen = max(0.0, step - held) / (steps - held)
    return optimiser.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * fallen))


def steps_of(epochs: float, *, pixels: int, batch: int, patch_px: int, planes: int = 1) -> int:
    """Return how many steps cover each pixel `epochs` times on average.

    Patches are drawn at random places, so that an epoch is a number of steps, not a pass: ``pixels / (batch *
    planes * patch_px^2)``, rounded up.

    Parameters
    ----------
    epochs : float
        Above 0; may be a fraction.
    pixels : int
        Of all images to train on.
    batch, patch_px : int
        Patches in a step, and their side.
    planes : int
        Of a patch.

    Examples
    --------
    >>> steps_of(2, pixels=512 * 512, batch=8, patch_px=64)
    16
    """
    return max(1, math.ceil(epochs * pixels / (batch * planes * patch_px**2)))
