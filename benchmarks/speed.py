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

LIMPID = str(Path(sys.executable).parent / "limpid")
FAMILIES = ("fast", "best")
#: Of 512 x 512 pixels.
PICTURES = {"gray": data.camera, "RGB": data.astronaut}
#: Layers of DnCNN in gray and in colour (Zhang et al., IEEE TIP 2017).
LAYERS = {1: 17, 3: 20}


def main() -> None:
    rows: list[dict[str, object]] = []
    for kind, picture in PICTURES.items():
        noisy = with_noise(picture())
        planes = np.atleast_3d(noisy).transpose(2, 0, 1)
        megapixels = planes[0].size / 1e6
        network, frame = dncnn(len(planes)), torch.from_numpy(planes.astype(np.float32) / 255)[None]
        with torch.inference_mode():
            slow = median_seconds(lambda n=network, f=frame: n(f), runs=5)
        what = f"{kind}: DnCNN, {LAYERS[len(planes)]} layers, torch fp32"
        rows.append({"what": what, "seconds": slow, "megapixels_per_s": megapixels / slow})
        for name, precision, sigma in itertools.product(FAMILIES, ("auto", "fp32"), (25.0, None)):
            model = limpid.load_model(name, precision=precision)
            took = median_seconds(lambda i=noisy, m=model, s=sigma: limpid.denoise(i, model=m, sigma=s), runs=20)
            what = f"{kind}: limpid.denoise, {name}, {precision}, {'blind' if sigma is None else 'sigma told'}"
            row = {"what": what, "seconds": took, "megapixels_per_s": megapixels / took, "times_dncnn": slow / took}
            rows.append(row)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noisy.png"
        limpid.write_image(limpid.Image.from_array(with_noise(data.camera())), path)
        out = Path(folder) / "clean.png"
        for command in (["--help"], ["denoise", str(path), "-o", str(out), "--model", "fast"]):
            run = lambda c=command: subprocess.run([LIMPID, *c], check=True, capture_output=True)  # noqa: E731
            rows.append({"what": f"whole process: limpid {command[0]}", "seconds": median_seconds(run, runs=5)})
    record("speed", [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows])


def with_noise(clean: np.ndarray) -> np.ndarray:
    values = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def median_seconds(call: Callable[[], object], *, runs: int) -> float:
    call()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def dncnn(channels: int) -> nn.Module:
    """Return DnCNN with random weights: they time the same."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 64, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(LAYERS[channels] - 2):
        layers += [nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(64, channels, 3, padding=1)).eval()


if __name__ == "__main__":
    main()
