"""How many neighbours to hide with a pixel, by how far its noise was measured to be correlated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median_high
from typing import Final

from limpid.noise.result import NoiseEstimate

__all__ = ["mask_reach"]

#: Correlation below which a neighbour need not be hidden: of the noise it gives away a fiftieth, and texture can look
#: like that much.
_HARMLESS: Final = 0.15

#: Most pixels in a mask. Of 7 x 7, the middle is still told by what is around; of much more it is not.
_MOST_PX: Final = 49


def mask_reach(estimates: Sequence[NoiseEstimate]) -> tuple[int, int] | None:
    """Return how far from a pixel its noise is correlated, in pixels along columns and along rows: (y, x).

    Parameters
    ----------
    estimates : sequence of NoiseEstimate
        Of images whose noise is alike. Those whose correlation could not be measured are left out; of the others'
        reaches, the median is taken for each axis.

    Returns
    -------
    (int, int) or None
        (0, 0) for white noise, and where nothing was measured. None where the noise is correlated too far to hide it
        all: over 7 pixels along an axis, or over more than 49 pixels in all; and for images from JPEG files, in whose
        blocks all pixels' noise is connected.
    """
    reaches = [reach for reach in map(_reach, estimates) if reach is not None]
    if not reaches:
        return 0, 0
    y, x = (median_high(along) for along in zip(*reaches, strict=True))
    if (2 * y + 1) * (2 * x + 1) > _MOST_PX:
        return None
    return int(y), int(x)


def _reach(noise: NoiseEstimate) -> tuple[float, float] | None:
    """Return the reach of one image, infinite where it is further than is measured; None where nothing is."""
    if noise.jpeg:
        return math.inf, math.inf
    if noise.white:
        return 0, 0
    found = [one.correlation for one in noise.channels if one.correlation is not None]
    if not found:
        return None
    y, x = max(_first_harmless(one.along_y) for one in found), max(_first_harmless(one.along_x) for one in found)
    # Correlated, but along neither axis: diagonal neighbours are.
    return (y, x) if y or x else (1, 1)


def _first_harmless(along: Sequence[float]) -> float:
    """Return how many lags, from 1 on, come before the first at which the correlation is harmless."""
    return next((lag for lag, one in enumerate(along) if abs(one) < _HARMLESS), math.inf)
