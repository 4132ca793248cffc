"""Where the constants of ``noise.estimate`` come from: every combination, on pictures of the training pool.

No test image is looked at. Pictures are the luma of the pool's, reduced by 2 to at most 768 pixels a side; noise is
white Gaussian, not clipped. The figure is the mean over the levels of (mean absolute relative error / the level's own
median error over all combinations), so that no level outweighs the others.

LIMPID_DATA=... python benchmarks/noise_selection.py
"""

import itertools

import numpy as np
from record import record

from limpid.core.image import Image
from limpid.noise import estimate
from limpid.training.config import Data
from limpid.training.data import open_pool, reduce

LEVELS = (5, 15, 25, 50)
CUTS = (4, 6, 8)
FEW = (0.02, 0.05, 0.1)
MORE = (0.2, 0.4)
CORRECTIONS = (0.5, 1.0, 1.5)
PICTURES = 40


def main() -> None:
    training, _ = open_pool(Data(pool="train-open", channels=1))
    every = training.pictures[:: len(training.pictures) // PICTURES][:PICTURES]
    pictures = [reduce(p, 2)[:768, :768, 0] * 255 for p in every]
    combinations = [c for c in itertools.product(CUTS, FEW, MORE, CORRECTIONS) if c[1] < c[2]]
    errors = np.zeros((len(combinations), len(LEVELS), len(pictures)))
    for (j, level), (k, clean) in itertools.product(enumerate(LEVELS), enumerate(pictures)):
        noise = np.random.default_rng([level, k]).standard_normal(clean.shape, dtype=np.float32)
        image = Image.from_array(clean + level * noise, value_range=(0, 255))
        for i, combination in enumerate(combinations):
            choose(*combination)
            errors[i, j, k] = abs(estimate.estimate_noise(image).sigma / level - 1)
    mean = errors.mean(axis=2)
    score = (mean / np.median(mean, axis=0)).mean(axis=1)
    rows = [
        dict(zip(("cut", "few", "more", "correction"), combinations[i], strict=True))
        | {f"error_percent_{level}": round(100 * mean[i, j], 2) for j, level in enumerate(LEVELS)}
        | {"score": round(score[i], 3), "pictures": len(pictures)}
        for i in np.argsort(score)
    ]
    record("noise_selection", rows)


def choose(cut: int, few: float, more: float, correction: float) -> None:
    """Set the constants of the estimator."""
    if cut != estimate._CUT:
        estimate._CUT = cut
        estimate._DCT, estimate._FINE_FROM = estimate._dct_of_blocks()
        estimate._FINE_COUNT = estimate._SIDE**2 - estimate._FINE_FROM
    estimate._FEW, estimate._MORE, estimate._CORRECTION = few, more, correction


if __name__ == "__main__":
    main()
