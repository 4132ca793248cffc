"""Peak memory of whole processes on a 24-megapixel JPEG, tiled against untiled, and memory over 200 small images.

python benchmarks/memory.py
"""

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
from limpid.workflows.denoise import denoise
from limpid.io import write_image
def resident():
    return int(next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmRSS")).split()[1])
sizes = []
for path in sorted(Path(sys.argv[1]).iterdir()):
    write_image(denoise(path), Path(sys.argv[2]) / path.name)
    sizes.append(resident())
print(json.dumps(sizes))
"""


def main() -> None:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo = folder / "photo.jpg"
        limpid.write_image(limpid.Image.from_array(photograph()), photo)
        for extra in ([], ["--memory", "500MB"]):
            command = [LIMPID, "denoise", str(photo), "-o", str(folder / "out.png"), *extra]
            peak, seconds = peak_of(command)
            what = " ".join(["limpid denoise photo.jpg", *extra])
            rows.append({"what": what, "megapixels": HEIGHT * WIDTH / 1e6, "peak_mb": peak, "seconds": seconds})
        rows.append(
            {"what": "tiled against untiled, 24 megapixel, largest difference of 255", **tiled_difference(photo)}
        )
        rows.append({"what": "200 small images in one process", **many(folder)})
    record("memory", rows)


def photograph() -> np.ndarray:
    """Return a noisy 24-megapixel picture: enlarged coffee cup, sigma 10."""
    from skimage.transform import resize

    clean = resize(data.coffee(), (HEIGHT, WIDTH), order=1, preserve_range=True).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(clean.shape, dtype=np.float32)
    return np.clip(np.rint(clean + 10 * noise), 0, 255).astype(np.uint8)


def peak_of(command: list[str]) -> tuple[float, float]:
    """Run a command in a fresh process; return its peak resident memory in MB (10^6 bytes) and its seconds."""
    code = (
        "import json, resource, subprocess, sys, time; t = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
        "print(json.dumps([kib * 1024 / 1e6, time.perf_counter() - t]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    peak, seconds = json.loads(done.stdout)
    return round(peak, 1), round(seconds, 2)


def tiled_difference(photo: Path) -> dict[str, object]:
    image = limpid.read_image(photo)
    whole = limpid.denoise(image, sigma=10, memory=64 * 10**9, model=limpid.load_model("fast", precision="fp32"))
    differences = {}
    for label, memory in (("default", None), ("500MB", 150 * 10**6)):
        tiled = limpid.denoise(image, sigma=10, memory=memory, model=limpid.load_model("fast", precision="fp32"))
        differences[label] = int(np.abs(np.asarray(tiled).astype(int) - np.asarray(whole)).max())
    return differences


def many(folder: Path) -> dict[str, object]:
    source, target = folder / "many", folder / "cleaned"
    source.mkdir()
    target.mkdir()
    rng = np.random.default_rng(0)
    picture = data.astronaut()
    for index in range(200):
        y, x = rng.integers(64, 300, 2)
        noisy = np.clip(picture[:y, :x] + rng.normal(0, 20, (y, x, 3)), 0, 255).astype(np.uint8)
        limpid.write_image(limpid.Image.from_array(noisy), source / f"{index:03}.png")
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(source), str(target)], check=True, capture_output=True, text=True
    )
    sizes = np.array(json.loads(done.stdout)) * 1024 / 1e6
    return {
        "after_20_mb": round(sizes[19], 1),
        "after_200_mb": round(sizes[-1], 1),
        "largest_mb": round(sizes.max(), 1),
    }


if __name__ == "__main__":
    main()
