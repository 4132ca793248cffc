"""Peak memory of whole processes on a 24-megapixel JPEG, tiled against untiled, and memory over 200 small images.

python benchmarks/memory.py        (Linux; 16 GB for the untiled run)
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from record import record
from skimage import data

import limpid

LIMPID = str(Path(sys.executable).parent / "limpid")
HEIGHT, WIDTH = 4000, 6000

# Runs in a process of its own and prints its resident memory after each image, in KiB.
MANY = """
import json, sys
from pathlib import Path
from limpid.workflows.files import denoise_files
class Watcher:
    sizes = []
    def planned(self, count): pass
    def finished(self, row):
        assert row.status == "ok", row.error
        lines = Path("/proc/self/status").read_text().splitlines()
        self.sizes.append(int(next(l for l in lines if l.startswith("VmRSS")).split()[1]))
denoise_files([sys.argv[1]], sys.argv[2], watcher=Watcher())
print(json.dumps(Watcher.sizes))
"""


def main() -> None:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = folder / "photo.jpg"
        for name, made in PHOTOGRAPHS.items():
            limpid.write_image(limpid.Image.from_array(photograph(**made)), photo)
            for extra in ([], ["--memory", "500MB"]):
                command = [LIMPID, "denoise", str(photo), "-o", str(folder / "out.png"), "--model", "fast", *extra]
                what = " ".join([f"{name}: limpid denoise photo.jpg --model fast", *extra])
                rows.append({"what": what, "megapixels": HEIGHT * WIDTH / 1e6, "peak_mb": peak_of(command)})
        limpid.write_image(limpid.Image.from_array(photograph(sigma=10)), photo)
        for sigma in (10, 25, 50):
            what = f"tiled against untiled, 24 megapixel, sigma {sigma}: largest difference of 255"
            rows.append({"what": what, **tiled_difference(photo, sigma)})
        rows.append({"what": "200 small images of many sizes in one call", **many(folder)})
    record("memory", rows)


#: Each takes another way through the program: bf16 or fp32, one level or one per pixel, impulses repaired or not.
PHOTOGRAPHS = {
    "sigma 10": {"sigma": 10},
    "sigma 25": {"sigma": 25},
    "gain 2, floor 50": {"sigma": 50**0.5, "gain": 2},
    "sigma 25, impulses": {"sigma": 25, "impulses": 0.003},
}


def photograph(*, sigma: float, gain: float = 0.0, impulses: float = 0.0) -> np.ndarray:
    """Return a noisy 24-megapixel picture: an enlarged coffee cup."""
    from skimage.transform import resize

    clean = resize(data.coffee(), (HEIGHT, WIDTH), order=1, preserve_range=True).astype(np.float32)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(clean.shape, dtype=np.float32)
    noisy = np.clip(np.rint(clean + np.sqrt(gain * clean + sigma**2) * noise), 0, 255).astype(np.uint8)
    if impulses:
        noisy[rng.random(noisy.shape, dtype=np.float32) < impulses] = 255
    return noisy


def peak_of(command: list[str]) -> float:
    """Run a command in a fresh process; return its peak resident memory in MB (10^6 bytes)."""
    code = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return round(int(done.stdout) * 1024 / 1e6, 1)


class Whole:
    """A denoiser that is given whole planes."""

    def __init__(self, denoiser: limpid.Denoiser) -> None:
        self.name, self.identity = denoiser.name, denoiser.identity
        self.capabilities = dataclasses.replace(denoiser.capabilities, halo_px=None)
        self.denoise_plane = denoiser.denoise_plane


def tiled_difference(photo: Path, sigma: float) -> dict[str, object]:
    image, model = limpid.read_image(photo), limpid.load_model("fast")
    whole = np.asarray(limpid.denoise(image, sigma=sigma, model=Whole(model))).astype(np.int16)
    differences = {}
    for label, memory in (("tiles by default", None), ("tiles of 64 MB", 64_000_000)):
        tiled = np.asarray(limpid.denoise(image, sigma=sigma, memory=memory, model=model))
        differences[label] = int(np.abs(tiled - whole).max())
    return differences


def many(folder: Path) -> dict[str, object]:
    source, target = folder / "many", folder / "cleaned"
    source.mkdir()
    rng = np.random.default_rng(0)
    picture = data.astronaut()
    for index in range(200):
        # The largest comes first, so that what is taken later is not a larger picture's work.
        y, x = rng.integers(64, 300, 2) if index else (300, 300)
        noisy = np.clip(picture[:y, :x] + rng.normal(0, 20, (y, x, 3)), 0, 255).astype(np.uint8)
        limpid.write_image(noisy, source / f"{index:03}.png")
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(source), str(target)], check=True, capture_output=True, text=True
    )
    sizes = np.array(json.loads(done.stdout)) * 1024 / 1e6
    return {"after_20_mb": round(sizes[19], 1), "largest_later_mb": round(sizes[20:].max(), 1)}


if __name__ == "__main__":
    main()
