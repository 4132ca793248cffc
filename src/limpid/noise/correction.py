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

from limpid.core.ensemble import Ensemble
from limpid.core.image import FloatArray
from limpid.noise.blocks import BAND_COUNTS, SMOOTH_BANDS

__all__ = ["Level", "features", "line_reach", "measure_level"]

#: Shares of the blocks, smoothest first, whose mean energies are compared; the level is measured on the third.
_SHARES: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0)
_BASE: Final = 2

#: Places in the sorted smoothness that are looked at.
_PLACES: Final = (0.01, 0.05, 0.2, 0.5, 0.8)

#: Fewest blocks in a share (where there are as many).
_LEAST_BLOCKS: Final = 16


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


def features(energy: FloatArray, *, step: int) -> tuple[float, FloatArray]:
    """Return the mean energy of the smoothest tenth of the blocks, and the curve described above, shape (34,).

    Parameters
    ----------
    energy : array, shape (N, 7)
        As in :class:`limpid.noise.blocks.Blocks`, each block divided by the variance expected at its signal.
    step : int
        Distance of neighbouring blocks in pixels.
    """
    count = len(energy)
    smooth = energy[:, :SMOOTH_BANDS] @ (BAND_COUNTS[:SMOOTH_BANDS] / BAND_COUNTS[:SMOOTH_BANDS].sum())
    order = np.argsort(smooth)
    ends = np.array([max(int(share * count), min(count, _LEAST_BLOCKS)) for share in _SHARES])
    apart, which = np.unique(ends, return_inverse=True)
    sorted_energy = np.take(energy, order, axis=0)[:, SMOOTH_BANDS:]
    parts = np.add.reduceat(sorted_energy, np.concatenate([[0], apart[:-1]]), axis=0, dtype=np.float64)
    means = (np.cumsum(parts, axis=0) / apart[:, None])[which]
    base = float(means[_BASE, 1:] @ BAND_COUNTS[SMOOTH_BANDS + 1 :] / BAND_COUNTS[SMOOTH_BANDS + 1 :].sum())
    if base <= 0:
        return 0.0, np.zeros(len(_SHARES) * (energy.shape[1] - SMOOTH_BANDS) + len(_PLACES) + 1, np.float32)
    places = smooth[order[[min(int(place * count), count - 1) for place in _PLACES]]]
    ratios = np.concatenate([means.ravel(), places]) / base
    curve: FloatArray = np.append(np.log(ratios + 1e-6), math.log(count * step**2)).astype(np.float32)
    return base, curve


def measure_level(energy: FloatArray, *, step: int) -> Level:
    """Return the variance of the noise in blocks, in the unit of their energies; parameters as in `features`."""
    base, curve = features(energy, step=step)
    if base <= 0:
        return Level(0.0, 0.0, 1.0)
    networks = _networks()
    shift, error = networks.predict(curve)
    return Level(base * math.exp(shift), error, networks.constant("reach"))


def line_reach() -> float:
    """Return how many standard deviations a fitted gain or floor is to be given for a 95 % interval."""
    return _networks().constant("line_reach")


@cache
def _networks() -> Ensemble:
    return Ensemble.load("limpid.noise", "correction.npz")
