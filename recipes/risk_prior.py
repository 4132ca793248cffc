"""Train what ``limpid.evaluation.reference_free.risk`` expects of a denoiser's error, and write it into the package.

Noise is added to pieces of the training pool's pictures and removed by networks and classical methods, told the right
level or a wrong one. An ensemble learns the logarithm of the error as a multiple of variance * divergence, and its
own error, from statistics of what was removed; each member leaves out a quarter of the pictures. The factor on that
error is then chosen so that 90 % intervals hold 90 % of the left-out pictures' errors, where the noise was measured in
the noisy picture. About twenty minutes on two cores.

LIMPID_DATA=... python recipes/risk_prior.py
"""

import argparse
import dataclasses
import itertools
import math
import multiprocessing
import os
from functools import cache
from pathlib import Path

# Two processes, each of one thread; libraries read this when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from fitting import arrays, fit, standardised

from limpid.core.apply import denoise_image
from limpid.core.image import Image
from limpid.evaluation.reference_free import risk
from limpid.evaluation.reference_free.pixels import split_channels
from limpid.evaluation.reference_free.residual import Residual
from limpid.evaluation.reference_free.response import respond, white_probe
from limpid.noise.estimate import estimate_noise
from limpid.noise.levels import level_map
from limpid.noise.models import Gaussian, NoiseModel, PoissonGaussian
from limpid.training.config import Data
from limpid.training.data import open_pool, reduce
from limpid.workflows.models import load_model

TARGET = Path(risk.__file__).with_name("risk_prior.npz")
SEED = 6
DRAWS = 10
FOLDS = 4
CONFIDENCE = 0.9
SIGMAS = (0, 5, 10, 20, 40, 80)
#: That share of a normal distribution, and of a Student's t of 4 degrees of freedom, lies within this.
NORMAL_REACH, T_REACH = 1.645, 2.132
#: Denoisers and how often each is drawn; colour pieces are denoised by the network.
DENOISERS = {"fast": 0.4, "nlm": 0.24, "wavelet": 0.1, "tv": 0.1, "bilateral": 0.1, "median": 0.06}
COLOUR_SHARE = 0.2
RIGHT_LEVEL_SHARE = 0.6
MEASURED = [field.name for field in dataclasses.fields(risk.Evidence)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS, help="examples from each picture")
    parser.add_argument("--examples", type=Path, help="file that keeps the examples, or has them")
    args = parser.parse_args()
    if args.examples is None or not args.examples.exists():
        found = draw_examples(args.draws)
        if args.examples is not None:
            np.savez_compressed(args.examples, **found)
    else:
        found = dict(np.load(args.examples))
    weights, guesses = fit_members(found)
    factors = calibrated(found, guesses)
    for kind in guesses:
        report(found, guesses[kind], kind=kind, factors=factors)
    constants = {name: np.float32(value) for name, value in dataclasses.asdict(factors).items()}
    np.savez_compressed(TARGET, **weights, **constants)


def draw_examples(draws: int) -> dict[str, np.ndarray]:
    count = len(pictures())
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        rows = pool.starmap(example, [(k, draw) for k in range(count) for draw in range(draws)], chunksize=20)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@cache
def pictures() -> list[np.ndarray]:
    training, held_out = open_pool(Data(pool="train-open", channels=3))
    return [*training.pictures, *held_out.pictures]


@cache
def denoiser(name: str):
    return load_model(name, threads=1, precision="fp32")


def example(k: int, draw: int) -> dict[str, object]:
    """Return the features of one piece, denoised, and what there is to learn from it."""
    rng = np.random.default_rng([SEED, k, draw])
    clean = piece(pictures()[k], rng)
    colour = clean.shape[-1] == 3
    name = "fast" if colour else str(rng.choice(list(DENOISERS), p=list(DENOISERS.values())))
    model = noise_model(rng)
    noisy = model.sample(clean, rng=rng).astype(np.float32)
    if rng.random() < 0.2:  # as 8-bit files are
        noisy, model = np.rint(255 * noisy) / np.float32(255), model + Gaussian(math.sqrt(1 / 12) / 255)
    off = 1.0 if rng.random() < RIGHT_LEVEL_SHARE else math.exp(rng.uniform(math.log(0.5), math.log(1.6)))

    def level(tile: np.ndarray) -> np.ndarray:
        return level_map(tile, model) * np.float32(off)

    constant = np.full(clean.shape[-1], model.sigma * off, np.float32) if isinstance(model, Gaussian) else None

    def rerun(planes: np.ndarray) -> np.ndarray:
        image = Image(planes, "IYXC", (0.0, 1.0))
        return np.asarray(denoise_image(image, denoiser(name), level=level if constant is None else constant))

    planes = noisy[None]
    denoised = rerun(planes)
    true = [model] * clean.shape[-1]
    everywhere = np.ones(planes.shape, np.bool_)
    sigma = np.stack([c.sigma for c in split_channels(planes, denoised, everywhere, true)], axis=-1)
    response = respond(rerun, planes, denoised, sigma, white_probe(planes.shape, rng))
    found = estimate_noise(Image(planes, "IYXC", (0.0, 1.0)))
    row: dict[str, object] = {"picture": k, "denoiser": name, "off": off, "mse": np.mean(np.square(denoised - clean))}
    for kind, models in (("told", true), ("blind", found.models)):
        channels = [
            Residual(pixels, response.channel(c))
            for c, pixels in enumerate(split_channels(planes, denoised, everywhere, models))
        ]
        seen = risk.measure(channels)
        row |= {
            f"{kind}_{key}": getattr(seen, key) for key in ("variance", "energy", "divergence", "chance", "features")
        }
        row[f"{kind}_variance_error"] = 0.0 if kind == "told" else found.variance_error
    return row


def piece(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut and reduce a piece, gray or colour, shape (Y, X, C)."""
    colour = rng.random() < COLOUR_SHARE
    most = 300 if colour else 640
    factor = min(int(rng.choice([1, 2, 3], p=[0.15, 0.5, 0.35])), min(picture.shape[:2]) // 96)
    height, width = (
        int(min(side // factor, math.exp(rng.uniform(math.log(96), math.log(most))))) for side in picture.shape[:2]
    )
    y, x = (int(rng.integers(s - n * factor + 1)) for s, n in zip(picture.shape, (height, width), strict=False))
    cut = picture[y : y + height * factor, x : x + width * factor]
    if not colour:
        cut = np.rint(cut @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
    return reduce(cut, factor)


def noise_model(rng: np.random.Generator) -> NoiseModel:
    sigma = math.exp(rng.uniform(math.log(3), math.log(65))) / 255
    if rng.random() < 0.5:
        return Gaussian(sigma)
    share = rng.uniform(0.1, 1)
    return PoissonGaussian(2 * share * sigma**2, (1 - share) * sigma**2 + 1e-6)


def fit_members(found: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the weights, and for each example what the member that did not see its picture says."""
    target = np.log(found["mse"] / (found["told_variance"] * found["told_divergence"])).astype(np.float32)
    features = found["told_features"]
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    fold = found["picture"] % FOLDS
    members, guesses = [], {kind: np.zeros((len(target), 2)) for kind in ("told", "blind")}
    for k in range(FOLDS):
        seen = fold != k
        # Measured variances differ a little from true ones; learnt from both, it takes neither for granted.
        x = np.concatenate([found["told_features"][seen], found["blind_features"][seen]])
        y = np.concatenate([target[seen], target[seen]])
        members.append(fit(standardised(x, mean, scale), torch.from_numpy(y), seed=k, weight_decay=0.1))
        for kind, guess in guesses.items():
            with torch.no_grad():
                guess[~seen] = members[-1](standardised(found[f"{kind}_features"][~seen], mean, scale)).numpy()
    weights = arrays(members) | {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}
    for kind, guess in guesses.items():
        off = np.abs(guess[:, 0] - target)
        print(f"prior, {kind}: median error {10 / math.log(10) * np.median(off):.3f} dB")
    return weights, guesses


def intervals(
    found: dict[str, np.ndarray], guess: np.ndarray, *, kind: str, factors: risk.Calibration
) -> list[risk.Risk]:
    return [
        risk.posterior(
            risk.Evidence(*(found[f"{kind}_{key}"][i] for key in MEASURED)),
            prior=(float(guess[i, 0]), float(np.exp(guess[i, 1]))),
            variance_error=float(found[f"{kind}_variance_error"][i]),
            calibration=factors,
        )
        for i in range(len(guess))
    ]


def held(found: dict[str, np.ndarray], risks: list[risk.Risk]) -> np.ndarray:
    return np.array([r.interval[0] <= m <= r.interval[1] for r, m in zip(risks, found["mse"], strict=True)])


def report(found: dict[str, np.ndarray], guess: np.ndarray, *, kind: str, factors: risk.Calibration) -> None:
    """Print how good the intervals are."""
    risks = intervals(found, guess, kind=kind, factors=factors)
    inside = held(found, risks)
    width = np.array([10 * math.log10(r.interval[1] / r.interval[0]) for r in risks])
    error = np.array([10 * abs(math.log10(r.mse / m)) for r, m in zip(risks, found["mse"], strict=True)])
    print(f"{kind}, {factors}: median error {np.median(error):.3f} dB, width {np.median(width):.2f} dB")
    sigma = 255 * np.sqrt(found["told_variance"])
    groups = {name: found["denoiser"] == name for name in DENOISERS}
    groups |= {f"sigma {low} to {high}": (sigma >= low) & (sigma < high) for low, high in itertools.pairwise(SIGMAS)}
    for name, of in ({"all": sigma > 0} | groups).items():
        print(f"  {name}: {inside[of].mean():.3f} held of {of.sum()}, median error {np.median(error[of]):.3f} dB")


def calibrated(found: dict[str, np.ndarray], guesses: dict[str, np.ndarray]) -> risk.Calibration:
    """Return factors at which told and blind intervals hold as many errors as they say.

    The first two are what each of the two estimates needs by itself, times one factor for both; then that of the
    measured variance follows.
    """
    variance, mse = found["told_variance"], found["mse"]
    stein = found["told_energy"] - 1 + 2 * found["told_divergence"]
    chance = np.quantile(np.abs(stein - mse / variance) / found["told_chance"], CONFIDENCE) / NORMAL_REACH
    off = np.log(mse / (variance * found["told_divergence"])) - guesses["told"][:, 0]
    prior = np.quantile(np.abs(off) / np.exp(guesses["told"][:, 1]), CONFIDENCE) / T_REACH
    print(f"alone: prior {prior:.2f}, chance {chance:.2f}")

    def told(factor: float) -> risk.Calibration:
        return risk.Calibration(prior * factor, chance * factor, 1.0)

    everywhere = np.ones(len(mse), np.bool_)
    known = told(bisected(found, guesses["told"], "told", told, among=everywhere))
    # The fainter and the stronger half each by itself, then the line through both, in logarithms.
    variance = found["blind_variance"]
    faint = variance < np.median(variance)
    places, factors = [], []
    for half in (faint, ~faint):
        places.append(float(np.log(variance[half]).mean()))
        factor = bisected(
            found, guesses["blind"], "blind", lambda v: dataclasses.replace(known, variance=v), among=half
        )
        factors.append(math.log(factor))
    fading = (factors[0] - factors[1]) / (places[1] - places[0])
    at_tenth = math.exp(factors[1] - fading * (math.log(0.01) - places[1]))
    return dataclasses.replace(known, variance=at_tenth, fading=fading)


def bisected(found, guess, kind: str, factors, *, among: np.ndarray) -> float:
    """Return the factor at which the intervals of some examples hold the share of errors that they say."""
    found, guess = {name: value[among] for name, value in found.items()}, guess[among]
    low, high = 0.3, 8.0
    for _ in range(8):
        middle = math.sqrt(low * high)
        share = held(found, intervals(found, guess, kind=kind, factors=factors(middle))).mean()
        print(f"{kind} {middle:.2f}: {share:.3f}", flush=True)
        low, high = (middle, high) if share < CONFIDENCE else (low, middle)
    return math.sqrt(low * high)


if __name__ == "__main__":
    main()
