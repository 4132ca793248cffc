"""Error of `estimate_noise` on public test sets, and its speed.

Run with LIMPID_DATA set to the folder that holds ``test/set12``, ``test/bsd68`` and ``test/kodak24``; prints two
tables and writes ``benchmarks/results/noise_estimation.csv``.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from limpid.core.image import Image
from limpid.noise.estimate import estimate_noise

SETS = ("set12", "bsd68", "kodak24")
SIGMAS = (0, 5, 15, 25, 50)
SIZES = {"0.26 megapixel grey": (512, 512), "2 megapixel grey": (1024, 2048), "24 megapixel RGB": (4000, 6000, 3)}


def accuracy(root: Path) -> Iterator[dict[str, object]]:
    for name in SETS:
        paths = sorted((root / "test" / name).glob("*.png"))
        clean = [np.asarray(PillowImage.open(path).convert("L"), dtype=np.float32) for path in paths]
        for stored in ("float", "uint8"):
            for sigma in SIGMAS:
                found = [
                    estimate_noise(_noisy(image, sigma, seed=seed, stored=stored)) for seed, image in enumerate(clean)
                ]
                error = np.array([estimate.sigma - sigma for estimate in found]) * (100 / sigma if sigma else 1)
                inside = [e.sigma_interval[0] <= sigma <= e.sigma_interval[1] for e in found]
                yield {
                    "what": f"{name} {stored} sigma {sigma}",
                    "unit": "percent" if sigma else "sigma",
                    "mean_abs_error": round(float(np.abs(error).mean()), 3),
                    "mean_error": round(float(error.mean()), 3),
                    "p90_abs_error": round(float(np.percentile(np.abs(error), 90)), 3),
                    "coverage": round(float(np.mean(inside)), 3),
                }


def speed() -> Iterator[dict[str, object]]:
    for name, shape in SIZES.items():
        image = Image.from_array(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        took = []
        for _ in range(5):
            start = time.perf_counter()
            estimate_noise(image)
            took.append(time.perf_counter() - start)
        rate = round(image.values.size / min(took) / 1e6, 1)
        yield {"what": name, "unit": "s", "seconds": round(min(took), 4), "million_values_per_s": rate}


def _noisy(clean: np.ndarray, sigma: float, *, seed: int, stored: str) -> Image:
    noisy = clean + sigma * np.random.default_rng(seed).standard_normal(clean.shape, dtype=np.float32)
    if stored == "uint8":
        return Image.from_array(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return Image.from_array(noisy, axes="YX", value_range=(0, 255))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def main() -> None:
    rows = [*accuracy(Path(os.environ["LIMPID_DATA"])), *speed()]
    made = {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "hardware": _processor(),
    }
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    fields = list(dict.fromkeys(key for row in rows for key in row)) + list(made)
    target = Path(__file__).parent / "results" / "noise_estimation.csv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **made} for row in rows)


if __name__ == "__main__":
    main()
