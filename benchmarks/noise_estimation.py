"""Error of the noise estimate on public test sets, gray, and its speed.

LIMPID_DATA=... python benchmarks/noise_estimation.py
"""

import time
from collections.abc import Iterator

import numpy as np
from record import record

from limpid.core.image import Image
from limpid.evaluation.datasets import resolve
from limpid.evaluation.scale import luma, on_scale
from limpid.noise.estimate import estimate_noise

SETS = ("set12", "bsd68", "kodak24")
SIGMAS = (0, 5, 15, 25, 50)
SIZES = {"0.26 megapixel grey": (512, 512), "2 megapixel grey": (1024, 2048), "24 megapixel RGB": (4000, 6000, 3)}


def main() -> None:
    record("noise_estimation", [*accuracy(), *speed()])


def accuracy() -> Iterator[dict[str, object]]:
    for name in SETS:
        clean = [on_scale(luma(image)) for image in resolve(name).images()]
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


if __name__ == "__main__":
    main()
