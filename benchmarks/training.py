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
}


if __name__ == "__main__":
    main()
