"""What training reaches from noisy images alone, and what it costs.

LIMPID_DATA=... python benchmarks/training.py ROW... --work DIR [--minutes N]

Each row keeps its runs under DIR and goes on from there; its figures replace its own rows of results/training.csv.
"""

import argparse
import csv
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from digits import digits
from record import RESULTS, record

import limpid
from limpid import Image, read_image, write_image

SIGMA = 25

CLASSICAL = ("nlm", "wavelet", "tv", "bilateral", "median")

#: Levels that a classical method is tried with where the clean image chooses.
SIGMAS_TRIED = (5, 7, 10, 14, 20, 28, 40, 56, 80)

#: Where the data sets lie.
DATA = Path(os.environ["LIMPID_DATA"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", choices=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--minutes", type=float, help="of training, where the row's own are not wanted")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s")
    for name in args.rows:
        figures = ROWS[name](args.work / name, args.minutes)
        record("training", [{"row": name, **row} for row in figures], part="row")


def from_scratch(strategy: str) -> Callable[[Path, float | None], list[dict[str, object]]]:
    """BSD68 at sigma 25 after training on the noisy images of train400 alone, one noisy image of each."""

    def measure(work: Path, minutes: float | None) -> list[dict[str, object]]:
        noisy = work.parent / f"train400-{SIGMA}"
        if not noisy.exists():
            write_noisy(DATA / "train" / "train400", noisy)
        model = trained(noisy, work, strategy=strategy, minutes=minutes or 90, value_range=(0, 255))
        table = limpid.benchmark("bsd68", sigma=SIGMA, denoisers=[str(work)])
        return [{**model, "data": row.data, "sigma": SIGMA, "psnr": round(row.psnr, 3)} for row in table.rows]

    return measure


def fluorescence(work: Path, minutes: float | None) -> list[dict[str, object]]:
    """W2S: single frames of fields 004-006 after training on single frames of 001-003, against the classical methods.

    Each classical method gets, for each image, the sigma that is best for it, found with the clean image in hand.
    """
    frames = DATA / "fluorescence" / "w2s"
    seen = [path for path in sorted(frames.glob("input_avg1_*.tif")) if path.stem[-5:-2] in ("001", "002", "003")]
    model = trained(seen, work, minutes=minutes or 20, batch=8)
    denoiser = limpid.load_model(work)
    rows = []
    for channel in range(3):
        scores: dict[str, list[float]] = {"noisy": [], "limpid": [], **{name: [] for name in CLASSICAL}}
        for field in ("004", "005", "006"):
            noisy = read_image(frames / f"input_avg1_{field}_{channel}.tif")
            clean = read_image(frames / f"target_avg400_{field}_{channel}.tif").values
            scores["noisy"].append(psnr(noisy.values, clean))
            scores["limpid"].append(psnr(limpid.denoise(noisy, model=denoiser).values, clean))
            for name in CLASSICAL:
                made = (limpid.denoise(noisy, model=name, sigma=sigma).values for sigma in SIGMAS_TRIED)
                scores[name].append(max(psnr(image, clean) for image in made))
        means = {name: float(np.mean(values)) for name, values in scores.items()}
        best = max(CLASSICAL, key=means.__getitem__)
        rows.append(
            {
                **model,
                "data": f"w2s 004-006, channel {channel}",
                "psnr": round(means["limpid"], 3),
                "psnr_noisy": round(means["noisy"], 3),
                "best_classical": best,
                "psnr_classical": round(means[best], 3),
            }
        )
    return rows


def one_image(work: Path, _: float | None) -> list[dict[str, object]]:
    """Central 256 x 256 crops of Kodak24 at sigma 25: what learns from the one image, against the classical methods."""
    crops = work / "kodak24-crops"
    crops.mkdir(parents=True, exist_ok=True)
    for path in sorted((DATA / "test" / "kodak24").glob("*.png")):
        image = read_image(path)
        y, x = ((length - 256) // 2 for length in image.values.shape[:2])
        crop = Image.from_array(image.values[y : y + 256, x : x + 256])
        if not (crops / path.name).exists():
            write_image(crop, crops / path.name)
    table = limpid.benchmark(crops, sigma=SIGMA, denoisers=["zero-shot", *CLASSICAL])
    return [
        {
            "strategy": row.denoiser,
            "data": "kodak24, 256 x 256 from the middle",
            "sigma": SIGMA,
            "psnr": round(row.psnr, 3),
            "seconds_per_image": round(256**2 / 1e6 / row.megapixels_per_s, 1),
        }
        for row in table.rows
    ]


def adapted(work: Path, minutes: float | None) -> list[dict[str, object]]:
    """W2S: the shipped weights, and the same adapted to single frames of fields 001-003, on fields 004-006."""
    frames = DATA / "fluorescence" / "w2s"
    seen = [path for path in sorted(frames.glob("input_avg1_*.tif")) if path.stem[-5:-2] in ("001", "002", "003")]
    model = trained(seen, work, strategy="adapt", minutes=minutes or 10)
    metrics = json.loads((work / "card.json").read_text())["metrics"]
    rows = []
    for channel in range(3):
        scores: dict[str, list[float]] = {"fast": [], str(work): []}
        for field in ("004", "005", "006"):
            noisy = frames / f"input_avg1_{field}_{channel}.tif"
            clean = read_image(frames / f"target_avg400_{field}_{channel}.tif").values
            for name in scores:
                scores[name].append(psnr(np.asarray(limpid.denoise(noisy, model=name)), clean))
        before, after = (round(float(np.mean(values)), 3) for values in scores.values())
        rows.append(
            {
                **model,
                "data": f"w2s 004-006, channel {channel}",
                "psnr": after,
                "psnr_before": before,
                "noise_left": round(metrics["noise_left"], 4),
                "noise_left_before": round(metrics["noise_left_before"], 4),
            }
        )
    return rows


def autoencoder(work: Path, minutes: float | None) -> list[dict[str, object]]:
    """Digits of 28 x 28 at sigma 50: an autoencoder with 64 latents, and what advise says of latents and patch size."""
    stacks = {name: work.parent / "digits" / name / "digits.tif" for name in ("noisy", "clean")}
    pictures = digits(20_000, seed=0)
    noisy = pictures + 50 / 255 * np.random.default_rng(0).standard_normal(pictures.shape)
    for name, values in (("noisy", noisy), ("clean", pictures)):
        if not stacks[name].exists():
            stacks[name].parent.mkdir(parents=True, exist_ok=True)
            write_image(stack(values), stacks[name])
    options = {"clean": stacks["clean"].parent, "value_range": (0, 1)}
    model = trained(
        stacks["noisy"].parent,
        work,
        architecture="autoencoder",
        parameters={"latent_dim": 64},
        minutes=minutes or 10,
        **options,
    )
    fresh = digits(2_000, seed=1)
    seen = fresh + 50 / 255 * np.random.default_rng(1).standard_normal(fresh.shape)
    made = limpid.denoise(stack(seen), model=str(work)).values
    advice = limpid.advise(
        stacks["noisy"].parent, architecture="autoencoder", questions=["patch_px", "latent_dim"], minutes=10, **options
    )
    (RESULTS / "advice-digits.png").write_bytes(advice.plot())
    scores = {"psnr": psnr(255 * made, 255 * fresh), "psnr_noisy": psnr(255 * seen, 255 * fresh)}
    rows: list[dict[str, object]] = [{**model, "data": "digits", **{k: round(v, 3) for k, v in scores.items()}}]
    for answer in advice.answers:
        rows += [
            {
                "data": f"digits, {answer.question} {row['value']}",
                "steps": row["steps"],
                "noise_left": round(row["noise_left"], 4),
            }
            for row in answer.rows
        ]
    return rows


def stack(values: np.ndarray) -> Image:
    """Return pictures of shape (N, Y, X) in [0, 1] as one image."""
    return Image.from_array(values.astype(np.float32), axes="TYX", value_range=(0, 1))


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    """Return PSNR in dB, range 255."""
    return float(-10 * np.log10(np.mean((image.astype(float) - clean.astype(float)) ** 2) / 255**2))


def trained(noisy: Path | list[Path], work: Path, **options: object) -> dict[str, object]:
    """Train, or go on where a run was stopped, or take the model that is there; return what the run says of itself."""
    log = work / "run" / "log.csv"
    if not (work / "card.json").exists():
        resume = {"resume": True} if (work / "run" / "checkpoint.safetensors").exists() else {}
        if resume:
            options.pop("minutes", None)
        limpid.train(noisy, work, **options, **resume)  # type: ignore[arg-type]
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    ends = [0, *(int(row["step"]) for row in rows)]
    minutes = sum((b - a) / float(row["steps_per_s"]) for a, b, row in zip(ends, ends[1:], rows, strict=False)) / 60
    return {"strategy": options.get("strategy", "auto"), "steps": rows[-1]["step"], "minutes": round(minutes, 1)}


def write_noisy(data: Path, folder: Path) -> None:
    """Write each image of a data set with white Gaussian noise, as float TIFF: neither clipped nor rounded."""
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(data.glob("*.png"))):
        pixels = read_image(path).values.astype(np.float32)
        noise = np.random.default_rng([SIGMA, number]).standard_normal(pixels.shape)
        tifffile.imwrite(part / f"{path.stem}.tif", (pixels + SIGMA * noise).astype(np.float32))
    part.rename(folder)


ROWS = {
    "recorrupted": from_scratch("recorrupted"),
    "noise2void": from_scratch("noise2void"),
    "fluorescence": fluorescence,
    "one_image": one_image,
    "adapted": adapted,
    "autoencoder": autoencoder,
}


if __name__ == "__main__":
    main()
