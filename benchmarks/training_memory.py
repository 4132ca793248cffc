"""Peak memory of training on many files against few: it depends on what may be in memory, not on how many there are.

python benchmarks/training_memory.py [--counts 200 20000] [--steps 2100] [--memory 32MB]        (Linux)

Files are made in a temporary folder: PNG and TIFF, gray, 256 x 256, with noise. Each training is a process of its own,
and its peak is what the kernel reports at its end (VmHWM). Other images are read every 1000 steps.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from record import record
from skimage import data

import limpid
from limpid.cli.options import size_value

#: Runs in a process of its own and prints its peak of resident memory, in KiB, and the number of files it left out.
TRAIN = """
import json, sys
from pathlib import Path
import limpid
folder, output, steps, memory = sys.argv[1:]
done = limpid.train(
    folder, output, architecture="small", steps=int(steps), patch_px=32, batch=2, memory=int(memory)
)
lines = Path("/proc/self/status").read_text().splitlines()
print(json.dumps([int(next(l for l in lines if l.startswith("VmHWM")).split()[1]), len(done.skipped), done.seconds]))
"""

SIDE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 20_000])
    parser.add_argument("--steps", type=int, default=2100, help="images are exchanged every 1000")
    parser.add_argument("--memory", type=size_value, default=size_value("32MB"), help="for images, at a time")
    parser.add_argument("--dry-run", action="store_true", help="print, and leave the results as they are")
    args = parser.parse_args()
    rows: list[dict[str, object]] = []
    for count in args.counts:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            write_images(root / "noisy", count)
            given = [str(root / "noisy"), str(root / "mine"), str(args.steps), str(args.memory)]
            done = subprocess.run([sys.executable, "-c", TRAIN, *given], check=True, capture_output=True, text=True)
        kib, skipped, seconds = json.loads(done.stdout)
        peak = {"peak_mb": round(kib * 1024 / 1e6, 1), "skipped": skipped, "seconds": round(seconds)}
        rows.append({"files": count, "memory_mb": args.memory / 1e6, "steps": args.steps, **peak})
    if args.dry_run:
        print(*rows, sep="\n")
    else:
        record("training_memory", rows)


def write_images(folder: Path, count: int) -> None:
    """Write noisy pieces of a picture, every second one as TIFF."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    picture = data.camera().astype(np.float32)
    for number in range(count):
        y, x = rng.integers(0, 512 - SIDE, 2)
        noisy = picture[y : y + SIDE, x : x + SIDE] + rng.normal(0, 15, (SIDE, SIDE))
        pixels = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        limpid.write_image(pixels, folder / f"{number:05}{'.tif' if number % 2 else '.png'}")


if __name__ == "__main__":
    main()
