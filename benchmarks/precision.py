"""What each arithmetic gives and costs: PSNR, worst pixel and speed of the shipped networks, in every runtime.

python benchmarks/precision.py        (needs limpid[all] and the pool train-open below LIMPID_DATA; a quiet machine)
"""

import time
from collections.abc import Mapping

import numpy as np
from record import record

from limpid.core.image import FloatArray
from limpid.inference.precision import made_picture, sigma_min
from limpid.inference.runtimes import RUNTIMES, Network, load_runtime
from limpid.models.store import StoredModel, shipped_models
from limpid.training.config import Data
from limpid.training.data import open_pool

CROPS, SIDE_PX = 100, 128
SIGMAS = (15, 25, 50)
#: Of the picture that is timed: whole tiles of many images are about as large.
TIMED_PX = 512
ROUNDS = 15


def main() -> None:
    rows = []
    for model in shipped_models():
        networks = compiled(model)
        seconds = best_seconds(networks, model.card.channels)
        _, held_out = open_pool(Data(pool="train-open", channels=model.card.channels))
        crops = held_out.draw(CROPS, patch_px=SIDE_PX, rng=np.random.default_rng(2))
        for sigma in SIGMAS:
            figures = compared(networks, crops, sigma / 255)
            for (runtime, precision), (change, worst) in figures.items():
                rows.append(
                    {
                        "model": model.card.name,
                        "runtime": runtime,
                        "precision": precision,
                        "sigma": sigma,
                        "psnr_change_db": round(change, 4),
                        "worst_pixel_of_255": round(255 * worst, 2),
                        "megapixels_per_s": round(TIMED_PX**2 / 1e6 / seconds[runtime, precision], 2),
                    }
                )
    record("precision", rows)


def compiled(model: StoredModel) -> dict[tuple[str, str], Network]:
    """Return the network in each runtime and arithmetic that its card and this machine allow."""
    runtimes = [load_runtime(name, device="cpu") for name in RUNTIMES]
    return {
        (runtime.name, precision): runtime.compile(model, precision=precision)
        for runtime in runtimes
        for precision in reversed(runtime.precisions)
        if np.isfinite(sigma_min(model.card, precision))
    }


def best_seconds(networks: Mapping[tuple[str, str], Network], channels: int) -> dict[tuple[str, str], float]:
    """Return the shortest of many times of each; they take turns, so that a busy moment hits all."""
    noisy = made_picture(channels, TIMED_PX)[None] + np.float32(0.1)
    level = np.full_like(noisy, 0.1)
    best = dict.fromkeys(networks, float("inf"))
    for _ in range(ROUNDS):
        for key, network in networks.items():
            started = time.perf_counter()
            network(noisy, level)
            best[key] = min(best[key], time.perf_counter() - started)
    return best


def compared(
    networks: Mapping[tuple[str, str], Network], crops: FloatArray, sigma: float
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return how the mean PSNR changes from fp32, and the largest difference of a pixel to it."""
    exact = networks["openvino", "fp32"]
    changes: dict[tuple[str, str], list[float]] = {key: [] for key in networks}
    worst = dict.fromkeys(networks, 0.0)
    rng = np.random.default_rng(3)
    for clean in crops:
        noisy = (clean + sigma * rng.standard_normal(clean.shape)).astype(np.float32)[None]
        level = np.full_like(noisy, sigma)
        answer = exact(noisy, level)
        error = np.mean(np.square(noisy + answer - clean))
        for key, network in networks.items():
            given = network(noisy, level)
            worst[key] = max(worst[key], float(np.abs(given - answer).max()))
            changes[key].append(float(10 * np.log10(error / np.mean(np.square(noisy + given - clean)))))
    return {key: (float(np.mean(changes[key])), worst[key]) for key in networks}


if __name__ == "__main__":
    main()
