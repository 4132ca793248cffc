"""From the energies of blocks to the variance of the noise: smooth blocks, corrected for what texture adds.

Where white noise is all there is, low and high frequencies of a block are independent: blocks chosen because their
low frequencies are weak are smooth, but their high frequencies are no weaker for it, and give the variance without
bias [1]_. Real blocks keep some texture. How the energy rises from the smoothest blocks to all of them, band by
band, tells how much; a small network (34 inputs, two hidden layers of 32) reads the correction, and how far it may
be wrong, off that curve. It sees ratios only, so the answer scales with the data. It was trained on the pictures
that the shipped denoisers were trained on (``recipes/noise_correction.py``).

References
----------
.. [1] N. N. Ponomarenko, V. V. Lukin, M. S. Zriakhov, A. Kaarna, J. Astola, "An automatic approach to lossy
   compression of AVIRIS images", IEEE IGARSS 2007, section 3. :doi:`10.1109/IGARSS.2007.4422833`
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from limpid.core.ensemble import Ensemble
from limpid.core.image import FloatArray
from limpid.noise.blocks import BAND_COUNTS, SMOOTH_BANDS
from limpid.noise.order import rising, taken

_Doubles = npt.NDArray[np.float64]

__all__ = ["Level", "features", "line_reach", "measure_level", "measure_levels"]

#: Shares of the blocks, smoothest first, whose mean energies are compared; the level is measured on the third.
_SHARES: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0)
_BASE: Final = 2

#: Places in the sorted smoothness that are looked at.
_PLACES: Final = (0.01, 0.05, 0.2, 0.5, 0.8)

#: Fewest blocks in a share (where there are as many).
_LEAST_BLOCKS: Final = 16

#: Means over the bands that tell how smooth a block is, and over those of the highest frequencies.
_SMOOTH_WEIGHTS: Final = BAND_COUNTS[:SMOOTH_BANDS] / BAND_COUNTS[:SMOOTH_BANDS].sum()
_NOISY_WEIGHTS: Final = BAND_COUNTS[SMOOTH_BANDS + 1 :] / BAND_COUNTS[SMOOTH_BANDS + 1 :].sum()


class Level(NamedTuple):
    """Variance of the noise, the standard deviation of its logarithm, and a factor on that for a 95 % interval."""

    variance: float
    error: float
    reach: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the variance."""
        spread = math.exp(self.reach * self.error)
        return self.variance / spread, self.variance * spread


#: Of blocks that hold nothing at all.
NOTHING: Final = Level(0.0, 0.0, 1.0)


def features(energy: FloatArray, *, step: int) -> tuple[_Doubles, FloatArray]:
    """Return the mean energy of the smoothest tenth of the blocks, and the curve described above.

    Parameters
    ----------
    energy : array, shape (7, groups, N)
        As in :class:`limpid.noise.blocks.Blocks`, each block divided by the variance expected at its signal. Groups are
        looked at each by itself.
    step : int
        Distance of neighbouring blocks in pixels.

    Returns
    -------
    base : array, shape (groups,)
    curve : array, shape (groups, 34)
    """
    count = energy.shape[-1]
    smooth = np.einsum("b,bgn->gn", _SMOOTH_WEIGHTS, energy[:SMOOTH_BANDS])
    ends = np.array([max(int(share * count), min(count, _LEAST_BLOCKS)) for share in _SHARES])
    apart, which = np.unique(ends, return_inverse=True)
    places = [min(int(place * count), count - 1) for place in _PLACES]
    order = rising(smooth)
    by_smoothness = taken(energy[SMOOTH_BANDS:], order)
    parts = np.add.reduceat(by_smoothness, np.concatenate([[0], apart[:-1]]), axis=-1, dtype=np.float64)
    means = (np.cumsum(parts, axis=-1) / apart)[..., which]
    base = _NOISY_WEIGHTS @ means[1:, :, _BASE]
    shares = np.moveaxis(means, 0, -1).reshape(len(base), -1)
    ratios = np.hstack([shares, taken(smooth, order[:, places])]) / np.where(base > 0, base, 1)[:, None]
    size = np.full((len(base), 1), math.log(count * step**2))
    return base, np.hstack([np.log(ratios + 1e-6), size]).astype(np.float32)


def measure_levels(energy: FloatArray, *, step: int) -> list[Level]:
    """Return the variance of the noise in groups of blocks, in the unit of their energies.

    Parameters
    ----------
    energy : array, shape (7, groups, N)
        As for :func:`features`.
    step : int
        Distance of neighbouring blocks in pixels.
    """
    networks = _networks()
    base, curve = features(energy, step=step)
    shift, error = networks.predict(curve)
    variance, reach = base * np.exp(shift), networks.constant("reach")
    return [Level(float(v), float(e), reach) if v > 0 else NOTHING for v, e in zip(variance, error, strict=True)]


def measure_level(energy: FloatArray, *, step: int) -> Level:
    """Return the variance of the noise in blocks, shape (7, N), as :func:`measure_levels` does."""
    return measure_levels(energy[:, None], step=step)[0]


def line_reach() -> float:
    """Return how many standard deviations a fitted gain or floor is to be given for a 95 % interval."""
    return _networks().constant("line_reach")


@cache
def _networks() -> Ensemble:
    return Ensemble.load("limpid.noise", "correction.npz")
