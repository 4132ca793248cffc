"""Speed of ``fast`` and ``best``: the whole call against DnCNN in torch fp32; whole processes.

python benchmarks/speed.py        (needs limpid[train] for DnCNN; a quiet machine)
"""

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from record import record
from skimage import data
from torch import nn

import limpid

SIDE = 512
LIMPID = str(Path(sys.executable).parent / "limpid")


def main() -> None:
    clean = data.camera()[:SIDE, :SIDE].astype(np.float32)
    noisy = np.clip(np.rint(clean + np.random.default_rng(0).normal(0, 25, clean.shape)), 0, 255).astype(np.uint8)
    megapixels = noisy.size / 1e6
    rows: list[dict[str, object]] = []

    network, frame = dncnn(), torch.from_numpy(noisy.astype(np.float32) / 255)[None, None]
    with torch.inference_mode():
        slow = median_seconds(lambda: network(frame), runs=5)
    rows.append({"what": "DnCNN, 17 layers, torch fp32", "seconds": slow, "megapixels_per_s": megapixels / slow})
    for name, precision in itertools.product(("fast", "best"), ("auto", "fp32")):
        model = limpid.load_model(name, precision=precision)
        for blind in (False, True):
            sigma = None if blind else 25.0
            took = median_seconds(lambda m=model, s=sigma: limpid.denoise(noisy, model=m, sigma=s), runs=20)
            what = f"limpid.denoise, {name}, {precision}, {'blind' if blind else 'sigma told'}"
            row = {"what": what, "seconds": took, "megapixels_per_s": megapixels / took, "times_dncnn": slow / took}
            rows.append(row)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noisy.png"
        limpid.write_image(limpid.Image.from_array(noisy), path)
        out = Path(folder) / "clean.png"
        for command in (["--help"], ["denoise", str(path), "-o", str(out), "--model", "fast"]):
            run = lambda c=command: subprocess.run([LIMPID, *c], check=True, capture_output=True)  # noqa: E731
            rows.append({"what": f"whole process: limpid {command[0]}", "seconds": median_seconds(run, runs=5)})
    record("speed", [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows])


def median_seconds(call: Callable[[], object], *, runs: int) -> float:
    call()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def dncnn() -> nn.Module:
    """Return DnCNN-S (Zhang et al., IEEE TIP 2017) with random weights: they time the same."""
    layers: list[nn.Module] = [nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(15):
        layers += [nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(64, 1, 3, padding=1)).eval()


if __name__ == "__main__":
    main()
