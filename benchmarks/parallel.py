"""Training by two processes against one: weights bit by bit, and the validation against what another seed changes.

python benchmarks/parallel.py [--steps 200] [--strategy recorrupted]

The script starts itself under torchrun; each process leaves its own weights.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from record import record
from skimage import data

import limpid
from limpid.training.collection import Collection
from limpid.training.config import Architecture, Data, Optimiser, Stage, TrainConfig
from limpid.training.loop import Trainer
from limpid.training.parallel import joined
from limpid.training.start import initial_network
from limpid.training.validation import HeldOut
from limpid.workflows.training_config import NAMED

PATCH_PX, BATCH = 32, 8
SEEDS = (0, 1, 2)
PICTURES = ("camera", "coins", "moon", "brick", "grass", "gravel")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--strategy", default="recorrupted")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder is not None:
        train(args.folder, args.strategy, args.steps, args.seed)
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_images(root)
        rows = [measured(root, args.strategy, args.steps, processes=2, seed=SEEDS[0])]
        rows += [measured(root, args.strategy, args.steps, processes=1, seed=seed) for seed in SEEDS]
    record("parallel", [{"strategy": args.strategy, "steps": args.steps, **row} for row in rows], part="strategy")


def write_images(root: Path) -> None:
    rng = np.random.default_rng(0)
    for number, name in enumerate(PICTURES):
        folder = root / ("training" if number < 4 else "held_out")
        folder.mkdir(exist_ok=True)
        clean = getattr(data, name)()[:256, :256].astype(np.float32)
        noisy = np.clip(clean + 20 * rng.standard_normal(clean.shape), 0, 255)
        limpid.write_image(np.rint(noisy).astype(np.uint8), folder / f"{name}.png")


def measured(root: Path, strategy: str, steps: int, *, processes: int, seed: int) -> dict[str, object]:
    """Train in processes of their own; return how the held-out images were denoised, and whether weights are equal."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    options = ["--steps", str(steps), "--strategy", strategy, "--seed", str(seed), "--folder", str(root)]
    subprocess.run([*torchrun, __file__, *options], check=True)
    found = [torch.load(root / f"{rank}.pt", weights_only=True) for rank in range(processes)]
    equal = all(torch.equal(found[0][name], other[name]) for other in found for name in other)
    left = (root / "noise_left.txt").read_text()
    return {"processes": processes, "seed": seed, "noise_left": left, "weights_equal": equal if processes > 1 else ""}


def train(root: Path, strategy: str, steps: int, seed: int) -> None:
    """Train as one of the processes."""
    architecture, parameters = NAMED["small"]
    config = TrainConfig(
        name="parallel",
        seed=seed,
        steps=steps,
        architecture=Architecture(name=architecture, parameters={"channels": 1, **parameters}),
        data=Data(pool="images of scikit-image", channels=1),
        optimiser=Optimiser(name="muon", warmup_steps=20),
        stages=(Stage(until=1.0, patch_px=PATCH_PX, batch=BATCH, loss="mse"),),
        strategy=strategy,
    )
    training, held_out = (
        Collection([(path, None) for path in sorted((root / part).iterdir())], patch_px=PATCH_PX)
        for part in ("training", "held_out")
    )
    validate = HeldOut(held_out, strategy=strategy, patch_px=PATCH_PX)
    with joined(torch.device("cpu")) as processes, tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            config,
            network=initial_network(config),
            source=training,
            folder=Path(folder),
            validate=validate,
            processes=processes,
        )
        outcome = trainer.run(checkpoint_every=max(1, steps // 4))
        torch.save(trainer.network.state_dict(), root / f"{processes.rank}.pt")
        if processes.first:
            (root / "noise_left.txt").write_text(f"{outcome.figures['noise_left']:.5f}")


if __name__ == "__main__":
    main()
