"""A sensor behind a mosaic of colour filters, and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from limpid.training.config import Camera

__all__ = ["SITES", "Mosaic", "Sensor", "draw_sensor", "mosaic_of"]

#: Colour at each place of a cell of the mosaic, red 0, green 1 and blue 2: B. E. Bayer, US patent 3971065.
SITES: Final = {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}

#: Logarithm of the read noise's variance at the logarithm of the shot noise's gain: slope, offset, and standard
#: deviation about the line. Brooks et al. (2019), section 3.1, from the cameras of the Darmstadt data set.
_READ_SLOPE: Final = 2.18
_READ_OFFSET: Final = 1.20
_READ_SPREAD: Final = 0.26

#: Where rows have offsets of their own, their standard deviation as a share of the read noise's.
_ROWS: Final = (0.1, 0.5)

#: Share of sensors whose values end at black, as those do that take the black level off before they store.
_BLACK_SHARE: Final = 0.3

#: Bits that a sensor's values are rounded to.
_BITS: Final = (10, 12, 14)


@dataclass(frozen=True)
class Mosaic:
    """Which corner of a cell the mosaic of a crop begins with: rows and columns, 0 or 1, before its first pixel."""

    row: int
    column: int

    def sites(self) -> list[tuple[int, int, int, int]]:
        """Return the first row and column of each site, its colour, and the colour beside it in its row."""
        return [
            (down, right, SITES[row, column], SITES[row, 1 - column])
            for down in range(2)
            for right in range(2)
            for row, column in [((down + self.row) % 2, (right + self.column) % 2)]
        ]


def mosaic_of(picture: Tensor, mosaic: Mosaic) -> Tensor:
    """Return what is left of a picture, shape (3, H, W), behind the colour filters: shape (H, W)."""
    seen = torch.empty_like(picture[0])
    for down, right, colour, _ in mosaic.sites():
        seen[down::2, right::2] = picture[colour, down::2, right::2]
    return seen


@dataclass(frozen=True)
class Sensor:
    """Noise and range of a sensor; values are shares of the largest that it can tell.

    Attributes
    ----------
    shot : float
        Variance that grows with the signal, by the signal.
    read : float
        Variance without light.
    rows : float
        Standard deviation of the offsets of whole rows.
    darkest : float
        Value that it stores at least, 0 at most.
    bits : int or None
        Of its values; None for no rounding.
    """

    shot: float
    read: float
    rows: float
    darkest: float
    bits: int | None

    def expose(self, signal: Tensor, rng: np.random.Generator) -> Tensor:
        """Return what the sensor stores of a signal, shape (H, W).

        Shot noise has the first three moments of a Poisson distribution, by the first terms of its Cornish-Fisher
        expansion [1]_: in the dark, where few electrons are counted, it is as skewed as that.

        References
        ----------
        .. [1] E. A. Cornish, R. A. Fisher, "Moments and cumulants in the specification of distributions", Revue de
           l'Institut International de Statistique 5(4), 1938.
        """
        height, width = signal.shape
        chance = torch.from_numpy(rng.standard_normal((2, height, width), dtype=np.float32))
        shot, read = chance
        noisy = signal + (self.shot * signal).sqrt() * shot + self.shot / 6 * (shot.square() - 1)
        noisy += math.sqrt(self.read) * read
        if self.rows:
            noisy += self.rows * torch.from_numpy(rng.standard_normal((height, 1), dtype=np.float32))
        return self.stored(noisy)

    def stored(self, values: Tensor) -> Tensor:
        """Return values as it stores them, clipped and rounded."""
        kept = values.clamp(self.darkest, 1.0)
        return kept if self.bits is None else (kept * 2**self.bits).round() / 2**self.bits


def draw_sensor(camera: Camera, rng: np.random.Generator) -> Sensor:
    """Return a sensor at a sensitivity, as likely at each of them on a logarithmic scale.

    References
    ----------
    .. [1] T. Brooks, B. Mildenhall, T. Xue, J. Chen, D. Sharlet, J. T. Barron, "Unprocessing images for learned raw
       denoising", CVPR 2019, section 3.1.
    """
    shot = rng.uniform(math.log(camera.gain[0]), math.log(camera.gain[1]))
    read = rng.normal(_READ_SLOPE * shot + _READ_OFFSET, _READ_SPREAD)
    deviation = math.exp(read / 2)
    return Sensor(
        shot=math.exp(shot),
        read=math.exp(read),
        rows=deviation * rng.uniform(*_ROWS) if rng.random() < camera.rows_share else 0.0,
        darkest=0.0 if rng.random() < _BLACK_SHARE else -1.0,
        bits=int(rng.choice(_BITS)) if rng.random() < camera.rounded_share else None,
    )
