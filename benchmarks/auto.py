"""The autopilot on a collection of three known noises: python benchmarks/auto.py [--set kodak24|set12] [--minutes N]

Each picture of a test set in ``LIMPID_DATA``, in gray, has white noise of sigma 10, Poisson-Gaussian noise (variance
0.8 signal + 9) and correlated noise (white noise through a binomial window of 3 x 3, scaled to sigma 10), rounded to 8
bits. ``limpid auto`` is run on all of them; then every candidate denoises every image of its cohort, and is compared
with the clean picture: the PSNR of a cohort is that of its mean squared error, as it is where it is estimated.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from record import record
from scipy import ndimage

import limpid
from limpid.catalog.question import opened
from limpid.io.own import AUTO_FOLDER
from limpid.workflows.auto import Autopilot
from limpid.workflows.denoise import run_denoise

KERNEL = np.outer([1, 2, 1], [1, 2, 1]) / 6
NOISES = {
    "white": lambda clean, rng: 10 * rng.standard_normal(clean.shape),
    "Poisson-Gaussian": lambda clean, rng: np.sqrt(0.8 * clean + 9) * rng.standard_normal(clean.shape),
    "correlated": lambda clean, rng: 10 * ndimage.convolve(rng.standard_normal(clean.shape), KERNEL, mode="wrap"),
}

#: Candidates that differ by less are as good.
DIFFERENT_DB = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="kodak24", choices=["kodak24", "set12"])
    parser.add_argument("--minutes", type=float, default=20.0, help="for races and trainings")
    parser.add_argument("--seed", type=int, default=0, help="of noise and trainings")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record("auto", list(measured(Path(folder), args)), part="set")


def measured(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the candidates of each cohort, and how well they were chosen from."""
    clean = make(folder / "noisy", args.set, args.seed)
    started = time.monotonic()
    done = limpid.auto(folder / "noisy", folder / "out", minutes=args.minutes, seed=args.seed)
    common = {"set": args.set, "minutes": args.minutes}
    yield {**common, "what": "whole run", "seconds": round(time.monotonic() - started)}
    right = pairs = 0
    for name, images, cohort in known(done, folder, clean):
        assert cohort.decision is not None
        scores = {one.candidate.name: one for one in cohort.decision.scores}
        true = {label: psnr_of(one.candidate, images) for label, one in scores.items()}
        best = max(true, key=lambda label: true[label])
        for label, one in scores.items():
            low, high = one.interval or (math.nan, math.nan)
            yield {
                **common,
                "what": f"{name}: {label}",
                "images": len(images),
                "estimated_psnr": round(one.psnr or math.nan, 2),
                "low": round(low, 2),
                "high": round(high, 2),
                "true_psnr": round(true[label], 2),
            }
        winner = cohort.decision.winner.name
        yield {
            **common,
            "what": f"{name}: winner {winner}, best {best}: dB short",
            "short_db": round(true[best] - true[winner], 3),
        }
        for one, other in itertools.combinations(scores, 2):
            difference = true[one] - true[other]
            if abs(difference) >= DIFFERENT_DB:
                pairs += 1
                estimated = [scores[label].psnr for label in (one, other)]
                right += None not in estimated and (estimated[0] - estimated[1]) * difference > 0
    yield {**common, "what": f"share of {pairs} pairs ranked right", "share": round(right / pairs, 4)}


def make(folder: Path, name: str, seed: int) -> dict[str, np.ndarray]:
    """Write the collection and return the clean picture of each file, by its name and that of its folder."""
    clean = {}
    for number, path in enumerate(sorted((Path(os.environ["LIMPID_DATA"]) / "test" / name).glob("*.png"))):
        picture = limpid.read_image(path).planes()[0].astype(np.float64).mean(axis=2)
        for place, (noise, draw) in enumerate(NOISES.items()):
            noisy = picture + draw(picture, np.random.default_rng([seed, number, place]))
            file = folder / noise / f"{number:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            limpid.write_image(np.rint(noisy).clip(0, 255).astype(np.uint8), file)
            clean[f"{noise}/{file.name}"] = picture
    return clean


def known(done: Autopilot, folder: Path, clean: dict[str, np.ndarray]) -> Iterator[tuple[str, list, object]]:
    """Yield each cohort with what most of its images are, and these images, noisy and clean."""
    connection = opened(folder / "out" / AUTO_FOLDER)
    for cohort in done.cohorts:
        rows = connection.execute("select uri from catalogue where cohort = ?", [cohort.cohort.id]).fetchall()
        keys = ["/".join(Path(uri).parts[-2:]) for (uri,) in rows]
        kinds = [key.split("/")[0] for key in keys]
        name = max(set(kinds), key=kinds.count)
        purity = kinds.count(name) / len(kinds)
        yield f"{name} ({purity:.0%} pure)", [(folder / "noisy" / key, clean[key]) for key in keys], cohort


def psnr_of(candidate, images: list) -> float:
    """Return the PSNR of the mean squared error over images, at the level measured in each."""
    denoiser = limpid.load_model(candidate.model)
    errors = []
    for path, clean in images:
        found = run_denoise(limpid.read_image(path), denoiser, strength=candidate.strength).image
        errors.append(np.mean((found.planes()[0][..., 0].astype(np.float64) - clean) ** 2))
    return 10 * math.log10(255**2 / np.mean(errors))


if __name__ == "__main__":
    main()
