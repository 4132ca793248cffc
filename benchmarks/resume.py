"""A training that is killed at random moments and resumed each time, against one that is left alone: the same bytes.

python benchmarks/resume.py [--kills 10] [--steps 1000] [--seed 0]

Whole processes of the command line, ended by SIGKILL (on Windows, TerminateProcess). Moments are drawn from the seed,
each within an eighth of the time that the whole run takes, counted from where the libraries are loaded.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from record import record
from skimage import data

import limpid
from limpid.training.checkpoint import CHECKPOINT, stored_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the noise, the training and the moments")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_images(root / "noisy", rng)
        train = [sys.executable, "-m", "limpid", "train", str(root / "noisy"), "--architecture", "small", "--json"]
        train += ["--steps", str(args.steps), "--patch-px", "32", "--batch", "4", "--seed", str(args.seed)]
        whole, parts = root / "whole" / "mine", root / "parts" / "mine"
        loading, training = timed(train, whole)
        rows: list[dict[str, object]] = []
        for kill in range(1, args.kills + 1):
            moment = float(rng.uniform(0, training / 8))
            began = stored_step(parts / "run")
            kill_after(loading + moment, train, parts)
            rows.append({"kill": kill, "moment_s": round(moment, 2), "from": began, "to": stored_step(parts / "run")})
        subprocess.run(begun_or_resumed(train, parts), check=True, stdout=subprocess.DEVNULL)
        same = digests(whole) == digests(parts)
        rows.append({"kill": "none", "from": rows[-1]["to"], "to": stored_step(parts / "run"), "same_bytes": same})
    record("resume", [{**row, "steps": args.steps, "seed": args.seed} for row in rows])


def write_images(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir()
    for name in ("camera", "coins", "moon"):
        clean = getattr(data, name)()[:192, :192].astype(np.float32)
        noisy = np.clip(clean + 20 * rng.standard_normal(clean.shape), 0, 255)
        limpid.write_image(np.rint(noisy).astype(np.uint8), folder / f"{name}.png")


def timed(train: list[str], model: Path) -> tuple[float, float]:
    """Train to the end; return the seconds before the run has its folder, and after."""
    started = time.monotonic()
    with subprocess.Popen(begun_or_resumed(train, model), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (model / "run").exists():
            time.sleep(0.01)
        loaded = time.monotonic()
        process.wait()
    if process.returncode:
        raise SystemExit(f"the training ended with status {process.returncode}")
    return loaded - started, time.monotonic() - loaded


def kill_after(seconds: float, train: list[str], model: Path) -> None:
    """Begin a training, or go on with it, and kill it."""
    with subprocess.Popen(begun_or_resumed(train, model), stdout=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        if process.poll() is not None:
            raise SystemExit("the training ended before it was killed; choose more --steps, or fewer --kills")
        process.kill()


def begun_or_resumed(train: list[str], model: Path) -> list[str]:
    resume = ["--resume"] if (model / "run" / CHECKPOINT).exists() else []
    return [*train, "-o", str(model), *resume]


def digests(model: Path) -> list[str]:
    """Return hashes of the network and of the last checkpoint, which holds the optimiser's state too."""
    return [hashlib.sha256((model / name).read_bytes()).hexdigest() for name in ("model.onnx", f"run/{CHECKPOINT}")]


if __name__ == "__main__":
    main()
