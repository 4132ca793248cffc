"""Error of the noise estimate on public test sets, its intervals, what it calls white, and its speed.

White Gaussian noise on gray pictures; Poisson-Gaussian noise on Kodak24 (gray, not clipped, 10 seeds, gain and read
noise as shares of the range); white noise on Kodak24 in colour, as it is and after what makes it correlated.

LIMPID_DATA=... python benchmarks/noise_estimation.py
"""

import io
import itertools
import math
import time
from collections.abc import Iterator

import numpy as np
import PIL.Image
from record import record
from scipy import ndimage

from limpid.core.image import Image
from limpid.evaluation.datasets import resolve
from limpid.evaluation.scale import luma, on_scale
from limpid.noise.estimate import estimate_noise
from limpid.noise.models import PoissonGaussian

SETS = ("set12", "bsd68", "kodak24")
SIGMAS = (0, 5, 15, 25, 50)
GAINS = (0.01, 0.02, 0.05)
READ_NOISES = (0.005, 0.03)
SEEDS = 10
SIZES = {"0.26 megapixel grey": (512, 512), "2 megapixel grey": (1024, 2048), "24 megapixel RGB": (4000, 6000, 3)}


def main() -> None:
    record("noise_estimation", [*accuracy(), *poisson_gaussian(), *whiteness(), *speed()])


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


def poisson_gaussian() -> Iterator[dict[str, object]]:
    clean = [on_scale(luma(image)) / np.float32(255) for image in resolve("kodak24").images()]
    held = np.zeros((len(clean), 0))
    for gain, read in itertools.product(GAINS, READ_NOISES):
        model = PoissonGaussian(gain, read**2)
        found = [
            [
                estimate_noise(
                    Image.from_array(
                        model.sample(image, rng=np.random.default_rng([seed, k])), axes="YX", value_range=(0, 1)
                    )
                )
                for seed in range(SEEDS)
            ]
            for k, image in enumerate(clean)
        ]
        inside = np.array([[e.gain_interval[0] <= gain <= e.gain_interval[1] for e in row] for row in found])
        held = np.hstack([held, inside])
        yield _row(
            f"kodak24 gain {gain} read noise {read}: gain", [[e.gain / gain - 1 for e in r] for r in found], inside
        )
        for signal in (0.1, 0.5, 0.9):
            true = math.sqrt(float(model.variance(signal)))
            errors = [[math.sqrt(float(e.model.variance(signal))) / true - 1 for e in row] for row in found]
            yield _row(f"kodak24 gain {gain} read noise {read}: noise at {signal:.0%}", errors)
    rng = np.random.default_rng(0)
    means = [held[rng.integers(len(held), size=len(held))].mean() for _ in range(2000)]
    low, high = np.quantile(means, [0.025, 0.975])
    yield {
        "what": f"kodak24 coverage of the gain's 95 % intervals, 95 % interval {low:.3f} to {high:.3f} over pictures",
        "unit": "share",
        "coverage": round(float(held.mean()), 3),
    }


def _row(what: str, errors: list[list[float]], inside: np.ndarray | None = None) -> dict[str, object]:
    percent = 100 * np.abs(np.array(errors))
    return {
        "what": what,
        "unit": "percent",
        "median_abs_error": round(float(np.median(percent)), 3),
        "mean_abs_error": round(float(percent.mean()), 3),
        "p90_abs_error": round(float(np.percentile(percent, 90)), 3),
    } | ({} if inside is None else {"coverage": round(float(inside.mean()), 3)})


def whiteness() -> Iterator[dict[str, object]]:
    pictures = [on_scale(image) for image in resolve("kodak24").images()]
    for sigma in (10, 25):
        for name, made in (
            ("white", None),
            ("3x3 box blur", blur),
            ("bilinear demosaicking", demosaic),
            ("JPEG 80", jpeg),
        ):
            called = []
            for k, clean in enumerate(pictures):
                noisy = clean + sigma * np.random.default_rng(k).standard_normal(clean.shape, dtype=np.float32)
                values = noisy if made is None else made(noisy)
                called.append(estimate_noise(Image.from_array(values, axes="YXC", value_range=(0, 255))).white)
            right = [white is (made is None) for white in called]
            yield {
                "what": f"kodak24 sigma {sigma} {name}: called {'white' if made is None else 'correlated'}",
                "unit": "share",
                "mean": round(float(np.mean(right)), 3),
            }


def blur(noisy: np.ndarray) -> np.ndarray:
    return ndimage.uniform_filter(noisy, (3, 3, 1))


def demosaic(noisy: np.ndarray) -> np.ndarray:
    """Keep what an RGGB mosaic keeps and interpolate the rest bilinearly."""
    y, x = np.indices(noisy.shape[:2])
    kept = np.stack([(y % 2 == 0) & (x % 2 == 0), (y + x) % 2 == 1, (y % 2 == 1) & (x % 2 == 1)], axis=-1)
    near = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)
    both = [ndimage.convolve(part.astype(np.float32), near[..., None], mode="mirror") for part in (noisy * kept, kept)]
    return np.where(kept, noisy, both[0] / both[1])


def jpeg(noisy: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    PIL.Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
    return np.asarray(PIL.Image.open(file))


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
