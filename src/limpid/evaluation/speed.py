"""How fast a denoiser is: one picture, the whole call, the best of several times."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from limpid.core.apply import denoise_image
from limpid.core.denoiser import Denoiser
from limpid.core.image import Array, Image
from limpid.evaluation.scale import PEAK
from limpid.noise.models import Gaussian

__all__ = [
    "PROBE_PX",
    "SIDES_PX",
    "best_seconds",
    "call_seconds",
    "fitting_side",
    "megapixels_per_s",
    "noisy_picture",
    "probe_seconds",
    "timed",
]

#: Sides of the squares that speeds are measured on. The largest is a usual one; the others are for denoisers that need
#: minutes for it.
SIDES_PX: Final = (512, 256, 128)

#: What a time is foretold from.
PROBE_PX: Final = SIDES_PX[-1]

#: Calls that are timed at most, and those that there has to be time for: the first one warms up.
_RUNS, _RUNS_LEAST = 5, 3


def noisy_picture(channels: int, side: int, *, sigma: float) -> Image:
    """Return a photograph with noise, float32 on the 0-255 scale.

    Parameters
    ----------
    channels : int
        1 or 3.
    side : int
        Height and width, at most 512.
    sigma : float
        Of the noise, on the 0-255 scale.
    """
    from skimage import data

    # A photograph, since what methods that iterate do hangs on content.
    photograph: Array = getattr(data, "camera" if channels == 1 else "astronaut")()
    corner = (photograph.shape[0] - side) // 2
    clean = photograph[corner : corner + side, corner : corner + side].astype(np.float32)
    values = Gaussian(sigma).sample(clean, rng=np.random.default_rng(0)).astype(np.float32, copy=False)
    return Image(values, "YX" if channels == 1 else "YXC", (0.0, PEAK))


def call_seconds(denoiser: Denoiser, noisy: Image, *, sigma: float) -> float:
    """Return how long one call of :func:`~limpid.core.apply.denoise_image` takes, padding and clipping included."""
    level = np.full(noisy.channels, sigma / PEAK, dtype=np.float32)
    started = time.perf_counter()
    denoise_image(noisy, denoiser, level=level)
    return time.perf_counter() - started


def probe_seconds(denoiser: Denoiser, channels: int, *, sigma: float) -> float:
    """Return the time of one call on the smallest picture, after one that warms up."""
    picture = noisy_picture(channels, PROBE_PX, sigma=sigma)
    return [call_seconds(denoiser, picture, sigma=sigma) for _ in range(2)][1]


def fitting_side(probe_s: float, *, limit_s: float) -> int:
    """Return the largest of :data:`SIDES_PX` that a few calls on fit a time.

    Parameters
    ----------
    probe_s : float
        What one call takes on a square of :data:`PROBE_PX`; others are taken to go with the number of pixels.
    limit_s : float
        The time. The smallest side is returned even where it does not fit.

    Examples
    --------
    >>> fitting_side(0.01, limit_s=10), fitting_side(0.5, limit_s=10), fitting_side(60, limit_s=10)
    (512, 256, 128)
    """
    calls = 1 + _RUNS_LEAST
    return next((side for side in SIDES_PX if probe_s * (side / PROBE_PX) ** 2 * calls <= limit_s), PROBE_PX)


def best_seconds(denoiser: Denoiser, noisy: Image, *, sigma: float, limit_s: float) -> float:
    """Return the shortest of several times, after one call that is not counted.

    The shortest is what the machine can do: whatever else runs on it only makes a call longer.

    Parameters
    ----------
    denoiser : Denoiser
        What is timed.
    noisy : Image
        What it is given.
    sigma : float
        What it is told, on the 0-255 scale.
    limit_s : float
        No further call is begun after so many seconds; at least one is timed.
    """
    call_seconds(denoiser, noisy, sigma=sigma)
    started = time.perf_counter()
    best = float("inf")
    for _ in range(_RUNS):
        best = min(best, call_seconds(denoiser, noisy, sigma=sigma))
        if time.perf_counter() - started > limit_s:
            break
    return best


def timed(denoiser: Denoiser, channels: int, *, sigma: float, limit_s: float) -> tuple[int, float]:
    """Return the side of the largest picture that fits a time, and the shortest time of a call on it.

    Parameters are those of :func:`noisy_picture` and :func:`best_seconds`.
    """
    side = fitting_side(probe_seconds(denoiser, channels, sigma=sigma), limit_s=limit_s)
    return side, best_seconds(denoiser, noisy_picture(channels, side, sigma=sigma), sigma=sigma, limit_s=limit_s)


def megapixels_per_s(side: int, seconds: float) -> float:
    """Return the speed on a square."""
    return side**2 / 1e6 / max(seconds, 1e-9)  # a clock too coarse to see the call must not divide by 0
