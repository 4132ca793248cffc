"""Train the correction of ``limpid.noise.correction`` and write it into the package.

White noise of known variance is added to the pictures of the training pool, its level drawn from 1.5 to 60 of 255,
half of it signal-dependent; the network learns log(true variance / energy of the smoothest tenth) and its own error.
The factor on that error for a 95 % interval is then read off the pictures that were held out. A few minutes.

LIMPID_DATA=... python recipes/noise_correction.py
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from fitting import arrays, fit, standardised

from limpid.core.image import Image
from limpid.noise import correction
from limpid.noise.blocks import cut_blocks
from limpid.noise.estimate import estimate_noise
from limpid.noise.models import PoissonGaussian
from limpid.training.config import Data
from limpid.training.data import Pool, open_pool, reduce

TARGET = Path(correction.__file__).with_name("correction.npz")
SEED = 5
DRAWS = 48
HELD_OUT_DRAWS = 200
MEMBERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS, help="examples from each picture")
    args = parser.parse_args()
    training, held_out = open_pool(Data(pool="train-open", channels=1))
    x, y = examples(training, args.draws)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    members = [fit(standardised(x, mean, scale), torch.from_numpy(y), seed=k) for k in range(MEMBERS)]
    x, y = examples(held_out, HELD_OUT_DRAWS)
    with torch.no_grad():
        outputs = torch.stack([m(standardised(x, mean, scale)) for m in members]).mean(dim=0).numpy()
    z = np.abs(y - outputs[:, 0]) / np.exp(outputs[:, 1])
    reach = float(np.quantile(z, 0.95))
    print(f"held out: median error of sigma {50 * np.median(np.abs(y - outputs[:, 0])):.2f} %, reach {reach:.2f}")
    weights = arrays(members) | {"mean": mean, "scale": scale, "reach": np.float32(reach)}
    np.savez_compressed(TARGET, **weights, line_reach=np.float32(2))
    np.savez_compressed(TARGET, **weights, line_reach=np.float32(line_reach(training)))


def examples(pool: Pool, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return curves, shape (N, 34), and the logarithm of what they have to be corrected by, shape (N,)."""
    curves, targets = [], []
    for k, picture in enumerate(pool.pictures):
        for draw in range(draws):
            rng = np.random.default_rng([SEED, k, draw])
            curve, target = example(picture[..., 0], rng)
            curves.append(curve)
            targets.append(target)
    return np.stack(curves), np.array(targets, np.float32)


def example(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Cut, reduce and noise a piece of a picture; return its curve and target."""
    factor = min(int(rng.choice([1, 2, 3], p=[0.1, 0.5, 0.4])), min(picture.shape) // 64)
    height, width = (
        int(min(side // factor, math.exp(rng.uniform(math.log(64), math.log(800))))) for side in picture.shape
    )
    y, x = (int(rng.integers(s - n * factor + 1)) for s, n in zip(picture.shape, (height, width), strict=True))
    clean = 255 * reduce(picture[y : y + height * factor, x : x + width * factor, None], factor)[..., 0]
    sigma = math.exp(rng.uniform(math.log(1.5), math.log(60)))
    share = 0.0 if rng.random() < 0.5 else rng.random()
    gain, floor = share * sigma**2 / 128, (1 - share) * sigma**2 + (0.25 if share else 0.0)
    noisy = clean + np.sqrt(gain * clean + floor) * rng.standard_normal(clean.shape, dtype=np.float32)
    if rng.random() < 0.3:
        noisy = np.rint(noisy)
        floor += 1 / 12
    blocks = cut_blocks(noisy[None].astype(np.float32), low=0, high=255, clipped=(False, False))
    mean = 255 * blocks.mean
    variance = np.maximum(gain * mean + floor, floor / 2) / 255**2
    energy = (blocks.energy / variance).astype(np.float32)
    if rng.random() < 0.4:  # one range of signals, as where the level is measured against the signal
        low, high = np.sort(rng.choice(mean, 2))
        inside = (mean >= low) & (mean <= high)
        if inside.sum() > 64:
            energy = energy[:, inside]
    base, curve = correction.features(energy[:, None], step=blocks.step)
    return curve[0], -math.log(base[0])


def line_reach(pool: Pool) -> float:
    """Return the factor on the error of a gain that holds the true one for 95 % of pictures."""
    correction._networks.cache_clear()
    z = []
    for k, picture in enumerate(pool.pictures):
        rng = np.random.default_rng([SEED, k])
        clean = reduce(picture, 2)[:768, :768, 0]
        gain, read = (
            math.exp(rng.uniform(math.log(low), math.log(high))) for low, high in ((5e-3, 0.08), (3e-3, 0.04))
        )
        noisy = PoissonGaussian(gain, read**2).sample(clean, rng=rng)
        channel = estimate_noise(Image.from_array(noisy, axes="YX", value_range=(0, 1))).channels[0]
        half = (channel.gain_interval[1] - channel.gain) / correction.line_reach()
        z.append(abs(channel.gain - gain) / half)
    correction._networks.cache_clear()
    print(f"gain: median error in standard deviations {np.median(z):.2f}, reach {np.quantile(z, 0.95):.2f}")
    return float(np.quantile(z, 0.95))


if __name__ == "__main__":
    main()
