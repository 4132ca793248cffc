"""What training reaches from noisy images alone, and what it costs.

LIMPID_DATA=... python benchmarks/training.py ROW... --work DIR [--minutes N]

Each row keeps its runs under DIR and goes on from there; its figures replace its own rows of results/training.csv.
"""

import argparse
import csv
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from record import record

import limpid
from limpid.io import read_image

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
}


if __name__ == "__main__":
    main()
