"""Where the time goes: the stages of one small call and of one large photograph, each timed by itself.

python benchmarks/stages.py         (a quiet machine; five minutes)

Every figure is the least of several. What a call takes beyond its stages is the row "the rest". The stages of a large
photograph overlap, so that they may add up to more than the whole.
"""

import io
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
from memory import photograph
from record import record
from skimage import data

import limpid
from limpid.core.apply import tiles_of
from limpid.inference.denoiser import NetworkDenoiser
from limpid.io import read_image
from limpid.io.write import encoder
from limpid.noise.estimate import estimate_noise
from limpid.workflows.level import level_of, measured_sigma

LIMPID = str(Path(sys.executable).parent / "limpid")
CONVOLUTIONS = {"Convolution", "ConvolutionBackpropData", "GroupConvolution"}
SIGMA = 25.0


def main() -> None:
    denoiser = limpid.load_model("fast")
    assert isinstance(denoiser, NetworkDenoiser)
    precision = "bf16" if "bf16" in denoiser.runtime.precisions else "fp32"
    rows = [*small(denoiser, precision), *starts(), *large(denoiser, precision)]
    record("stages", [{k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()} for row in rows])


def small(denoiser: NetworkDenoiser, precision: str) -> list[dict[str, object]]:
    """Time gray 512 x 512, sigma told and blind."""
    clean = data.camera().astype(np.float32)
    noisy = np.clip(np.rint(clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)), 0, 255).astype(np.uint8)
    told, blind = alternately(
        lambda: limpid.denoise(noisy, model=denoiser, sigma=SIGMA), lambda: limpid.denoise(noisy, model=denoiser)
    )
    layers = graph(denoiser, precision, channels=1, shape=noisy.shape)
    estimate = least(lambda: limpid.estimate_noise(noisy), runs=30)
    what = f"gray 512x512, {precision}"
    return [
        *shares(f"{what}, sigma told", told, layers),
        *shares(f"{what}, blind", blind, {**layers, "noise estimate": estimate}),
    ]


def large(denoiser: NetworkDenoiser, precision: str) -> list[dict[str, object]]:
    """Time a 24-megapixel JPEG, the whole command and its stages."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "photo.jpg", Path(folder) / "out.jpg"
        limpid.write_image(limpid.Image.from_array(photograph(sigma=SIGMA)), path)
        command = [LIMPID, "denoise", str(path), "-o", str(out), "--model", "fast"]
        whole = least(lambda: subprocess.run(command, check=True, capture_output=True), runs=3)
        image = read_image(path)
        found = estimate_noise(image)
        stages = {
            "decoding": least(lambda: read_image(path), runs=3),
            "noise estimate": least(lambda: estimate_noise(image), runs=3),
            "level": least(lambda: level_of(image, measured_sigma(found)), runs=3),
            "encoding": least(lambda: encoder(image, str(out))(io.BytesIO()), runs=3),
        }
    plane = image.planes()[0]
    tiles = list(tiles_of(plane.shape, denoiser, None))
    size = plane[tiles[0].source].shape[:2]
    read = sum(plane[tile.source].size for tile in tiles)
    layers = {f"{name}, {len(tiles)} tiles": len(tiles) * s for name, s in graph(denoiser, precision, 3, size).items()}
    rows = shares(f"24-megapixel JPEG, {precision}, whole command", whole, {**stages, **layers})
    rows.append({"what": rows[0]["what"], "stage": "read twice", "share_percent": 100 * (read / plane.size - 1)})
    return rows


def starts() -> list[dict[str, object]]:
    """Time whole processes on a small file, with compiled networks in the cache and without."""
    with tempfile.TemporaryDirectory() as folder:
        noisy, out, cache = Path(folder) / "noisy.png", Path(folder) / "out.png", Path(folder) / "cache"
        limpid.write_image(limpid.Image.from_array(data.camera()), noisy)
        environment = {**os.environ, "LIMPID_CACHE": str(cache)}

        def denoise() -> None:
            command = [LIMPID, "denoise", str(noisy), "-o", str(out), "--model", "fast", "--sigma", str(SIGMA)]
            subprocess.run(command, check=True, capture_output=True, env=environment)

        def without() -> None:
            for compiled in (cache / "compiled").iterdir():
                compiled.unlink()
            denoise()

        denoise()  # the self-test is remembered from here on
        again, anew = alternately(denoise, without, runs=10)
    what = "limpid denoise noisy.png, whole process"
    return [
        {"what": what, "stage": "network compiled by an earlier one", "milliseconds": 1e3 * again},
        {"what": what, "stage": "network compiled anew and kept", "milliseconds": 1e3 * anew},
    ]


def graph(denoiser: NetworkDenoiser, precision: str, channels: int, shape: tuple[int, ...]) -> dict[str, float]:
    """Return the seconds of the convolutions and of the other layers, by OpenVINO's own counters."""
    core = ov.Core()
    config = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(precision, precision),
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "PERF_COUNT": True,
    }
    compiled = core.compile_model(core.read_model(denoiser.models[channels].network), "CPU", config)
    request = compiled.create_infer_request()
    noisy = np.random.default_rng(0).random((1, channels, *shape), dtype=np.float32)
    given = {"noisy": noisy, "level": np.full_like(noisy, SIGMA / 255)}
    best: dict[str, tuple[float, bool]] = {}
    for _ in range(20 if noisy.size < 10**6 else 3):
        request.infer(given, share_inputs=True)
        for layer in request.profiling_info:
            seconds = layer.real_time.total_seconds()
            least_yet = min(seconds, best.get(layer.node_name, (seconds, False))[0])
            best[layer.node_name] = least_yet, layer.node_type in CONVOLUTIONS
    sums = {kind: sum(seconds for seconds, is_kind in best.values() if is_kind == kind) for kind in (True, False)}
    return {"convolutions": sums[True], "other layers": sums[False]}


def shares(what: str, whole: float, stages: dict[str, float]) -> list[dict[str, object]]:
    """Return a row for the whole, for each stage, and for what is left."""
    each = {"whole": whole, **stages, "the rest": whole - sum(stages.values())}
    return [
        {"what": what, "stage": name, "milliseconds": 1e3 * seconds, "share_percent": 100 * seconds / whole}
        for name, seconds in each.items()
    ]


def least(call: Callable[[], object], *, runs: int) -> float:
    return alternately(call, runs=runs)[0]


def alternately(*calls: Callable[[], object], runs: int = 30) -> list[float]:
    """Return the least seconds of each; they take turns, so that a busy moment hits all."""
    best = [math.inf] * len(calls)
    for call in calls:
        call()
    for _ in range(runs):
        for index, call in enumerate(calls):
            started = time.perf_counter()
            call()
            best[index] = min(best[index], time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()
