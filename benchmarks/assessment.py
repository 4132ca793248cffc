"""Quality estimated without clean images against the true quality: error, coverage and width of intervals, verdicts.

Noise is neither clipped nor rounded; each image is a float array, denoised and assessed by `limpid.assess`. Told: with
the noise model given; blind: with nothing given. Networks run in fp32. Images are clusters: confidence intervals of
coverage come from drawing images, not runs. Two hours with 10 seeds on two cores; --keep FILE keeps what is done, so
that a later call goes on from there.

LIMPID_DATA=... python benchmarks/assessment.py
"""

import argparse
import itertools
import json
import math
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from record import record

import limpid
from limpid.core.image import Image
from limpid.evaluation.datasets import resolve
from limpid.evaluation.scale import luma, on_scale
from limpid.workflows.models import load_model

SIGMAS = (15, 25, 50)
#: Gain and read noise, as shares of the value range.
POISSON = ((0.01, 0.005), (0.02, 0.03), (0.05, 0.01))
DENOISERS = ("fast", "nlm")
LOADED: dict[str, limpid.Denoiser] = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="file of what is done, a line each; it is added to")
    args = parser.parse_args()
    halves = [("half", index, sigma) for sigma in SIGMAS for index in range(len(resolve("bsd68")))]
    photographs = [("camera", index) for index in range(len(resolve("cc15")))]
    runs = [
        ("one", data, index, noise, denoiser, seed)
        for seed in range(args.seeds)
        for data, noises in (("bsd68", SIGMAS), ("kodak24", POISSON))
        for noise in noises
        for denoiser in DENOISERS
        for index in range(len(resolve(data)))
    ]
    rows = done([*photographs, *halves, *runs], args.keep)
    found = [
        {"data": data, "index": index, "noise": noise, "denoiser": denoiser, **row}
        for (_, data, index, noise, denoiser, _), row in zip(runs, rows[-len(runs) :], strict=True)
    ]
    record(
        "assessment",
        [
            *estimates(found, args.seeds),
            *verdicts(found),
            *trust(found),
            *half_rows(rows[len(photographs) : -len(runs)]),
            real(rows[: len(photographs)]),
        ],
    )


def done(tasks: list[tuple], keep: Path | None) -> list[dict[str, object]]:
    """Return the result of each task, from the file that keeps them where it is there."""
    kept = {}
    if keep is not None and keep.exists():
        lines = [json.loads(line) for line in keep.read_text().splitlines()]
        kept = {json.dumps(task): row for task, row in lines}
    todo = [task for task in tasks if json.dumps(task) not in kept]
    with (
        multiprocessing.get_context("spawn").Pool(2) as pool,
        Path(os.devnull if keep is None else keep).open("a", buffering=1) as file,
    ):
        for task, row in zip(todo, pool.imap(do, todo, chunksize=4), strict=True):
            file.write(json.dumps([task, row]) + "\n")
            kept[json.dumps(task)] = row
    return [kept[json.dumps(task)] for task in tasks]


def do(task: tuple) -> dict[str, object]:
    kind, *arguments = task
    return {"one": one, "half": at_half, "camera": camera}[kind](*arguments)


def one(data: str, index: int, noise: object, denoiser: str, seed: int) -> dict[str, object]:
    """Denoise and assess one noisy image, told and blind."""
    clean = pictures(data)[index]
    model = limpid.Gaussian(noise / 255) if isinstance(noise, int) else limpid.PoissonGaussian(noise[0], noise[1] ** 2)
    rng = np.random.default_rng([seed, index, *(np.atleast_1d(noise) * 1000).astype(int)])
    noisy = Image.from_array(model.sample(clean, rng=rng).astype(np.float32), axes="YX", value_range=(0, 1))
    row: dict[str, object] = {}
    for kind, told in (("told", model), ("blind", None)):
        found = limpid.assess(noisy, model=loaded(denoiser), noise=told)
        error = np.square(np.asarray(found.denoised) - clean)
        low, high = found.psnr_interval or (math.nan, math.nan)
        row |= {
            f"{kind}_true": -10 * math.log10(float(error.mean())),
            f"{kind}_psnr": math.nan if found.psnr is None else found.psnr,
            f"{kind}_low": low,
            f"{kind}_high": high,
            f"{kind}_verdict": found.verdict,
        }
        if kind == "told" and found.confidence is not None:
            worst = np.argsort(found.confidence.ravel())[: error.size // 10]
            row["held_by_least_trusted"] = float(error.ravel()[worst].sum() / error.sum())
            doubtful = found.doubtful
            row["doubtful_ratio"] = float(error[doubtful].mean() / error.mean()) if doubtful.any() else math.nan
    return row


def estimates(found: list[dict[str, object]], seeds: int) -> Iterator[dict[str, object]]:
    """Yield errors and coverage by group, and of all together."""
    keys = [("all", "all", "all"), *dict.fromkeys((r["data"], str(r["noise"]), r["denoiser"]) for r in found)]
    for kind, key in itertools.product(("told", "blind"), keys):
        rows = [r for r in found if key[0] == "all" or (r["data"], str(r["noise"]), r["denoiser"]) == key]
        true, psnr, low, high = (np.array([r[f"{kind}_{n}"] for r in rows]) for n in ("true", "psnr", "low", "high"))
        known = np.isfinite(psnr)
        held = (low[known] <= true[known]) & (true[known] <= high[known])
        images = np.array([f"{r['data']} {r['index']}" for r in rows])[known]
        least, most = clustered(held, images)
        error = psnr[known] - true[known]
        yield {
            "what": f"{kind}: {' '.join(key) if key[0] != 'all' else f'all, {seeds} seeds'}",
            "images": len(rows),
            "estimated": int(known.sum()),
            "median_abs_error_db": round(float(np.median(np.abs(error))), 3),
            "mean_error_db": round(float(error.mean()), 3),
            "p90_abs_error_db": round(float(np.quantile(np.abs(error), 0.9)), 3),
            "coverage_90": round(float(held.mean()), 3),
            "coverage_low": round(least, 3),
            "coverage_high": round(most, 3),
            "median_width_db": round(float(np.median((high - low)[known])), 3),
        }


def clustered(held: np.ndarray, images: np.ndarray) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share, drawing whole images."""
    names = np.unique(images)
    sums = np.array([[held[images == name].sum(), (images == name).sum()] for name in names], float)
    drawn = np.random.default_rng(0).integers(len(names), size=(4000, len(names)))
    hits, totals = np.moveaxis(sums[drawn].sum(axis=1), -1, 0)
    return tuple(np.quantile(hits / totals, [0.025, 0.975]))


def verdicts(found: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    for kind, data, denoiser in itertools.product(("told", "blind"), ("bsd68", "kodak24"), DENOISERS):
        for noise in dict.fromkeys(str(r["noise"]) for r in found if r["data"] == data):
            rows = [r for r in found if (r["data"], r["denoiser"], str(r["noise"])) == (data, denoiser, noise)]
            flagged = np.mean([r[f"{kind}_verdict"] != "good" for r in rows])
            what = f"verdict at the right sigma, {kind}: {data} {noise} {denoiser}: flagged"
            yield {"what": what, "images": len(rows), "share": round(float(flagged), 3)}


def trust(found: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    for noise, denoiser in itertools.product(SIGMAS, DENOISERS):
        rows = [r for r in found if r["data"] == "bsd68" and r["noise"] == noise and r["denoiser"] == denoiser]
        for name, what in (
            ("held_by_least_trusted", "share of the squared error in the tenth least trusted"),
            ("doubtful_ratio", "mean squared error of doubtful pixels, of that of all"),
        ):
            share = float(np.nanmean([r[name] for r in rows]))
            yield {"what": f"bsd68 {noise} {denoiser}: {what}", "images": len(rows), "share": round(share, 3)}


def at_half(index: int, sigma: int) -> dict[str, object]:
    """Denoise at half the right sigma; assess with nothing told, and told the right sigma."""
    clean = pictures("bsd68")[index]
    noisy = clean + sigma / 255 * np.random.default_rng([index, sigma]).standard_normal(clean.shape, dtype=np.float32)
    image = Image.from_array(noisy, axes="YX", value_range=(0, 1))
    row: dict[str, object] = {"sigma": sigma}
    for denoiser in DENOISERS:
        denoised = limpid.denoise(image, model=loaded(denoiser), sigma=sigma / 510)
        for kind, told in (("blind", None), ("told", sigma / 255)):
            row[f"{denoiser}, {kind}"] = limpid.assess(image, denoised, sigma=told).verdict != "good"
            # Without the denoiser, by what was removed alone.
            alone = limpid.assess(image, np.asarray(denoised), sigma=told)
            row[f"{denoiser}, {kind}, files alone"] = alone.verdict != "good"
    return row


def half_rows(found: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    for sigma in SIGMAS:
        rows = [r for r in found if r["sigma"] == sigma]
        for name in (n for n in rows[0] if n != "sigma"):
            what = f"verdict at half of sigma {sigma}, bsd68, {name}: flagged"
            yield {"what": what, "images": len(rows), "share": round(float(np.mean([r[name] for r in rows])), 3)}


def camera(index: int) -> dict[str, object]:
    """Return the verdict of plain denoising of a real photograph, for white noise."""
    noisy, _ = next(itertools.islice(resolve("cc15").pairs(), index, None))
    return {"verdict": limpid.assess(noisy, model=loaded("fast")).verdict}


def real(rows: list[dict[str, object]]) -> dict[str, object]:
    what = "cc15, fast: called 'too little removed'"
    share = float(np.mean([row["verdict"] == "too little removed" for row in rows]))
    return {"what": what, "images": len(rows), "share": round(share, 3)}


def pictures(name: str) -> list[np.ndarray]:
    if name not in PICTURES:
        PICTURES[name] = [on_scale(luma(image)) / np.float32(255) for image in resolve(name).images()]
    return PICTURES[name]


PICTURES: dict[str, list[np.ndarray]] = {}


def loaded(name: str) -> limpid.Denoiser:
    if name not in LOADED:
        LOADED[name] = load_model(name, threads=1, precision="fp32")
    return LOADED[name]


if __name__ == "__main__":
    main()
