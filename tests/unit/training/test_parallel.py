"""Two processes train as one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from limpid.core.errors import ConfigError, DataError
from limpid.training.batch import Batch
from limpid.training.checkpoint import averaged_weights
from limpid.training.config import STRATEGY_NAMES, Architecture, Data, Optimiser, Stage, TrainConfig
from limpid.training.log import read_log
from limpid.training.loop import Trainer
from limpid.training.parallel import Processes, joined
from limpid.training.strategies import STRATEGIES

COUNT = 2


class Convolution(torch.nn.Module):
    size_multiple = 1

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = torch.nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def forward(self, noisy, level):
        return self.body(torch.cat([noisy, level], dim=1))

    def prior(self, noisy):
        """A mean that does see the pixel, and a variance: what the numbers are does not matter here."""
        mean = self(noisy, torch.zeros_like(noisy))
        return mean, (0.01 + mean.square())[:, None]


class Source:
    def draw(self, count, *, patch_px, rng, step):
        clean = torch.from_numpy(rng.random((count, 1, 1, 1), np.float32)).expand(count, 1, patch_px, patch_px)
        noisy, other = (clean + 0.1 * torch.from_numpy(rng.standard_normal(clean.shape, np.float32)) for _ in range(2))
        return Batch(noisy, torch.full(clean.shape, 0.1), other)


def trainer(folder: Path, strategy: str, **options) -> Trainer:
    loss = None if STRATEGIES[strategy].needs_prior else "mse"
    config = TrainConfig(
        name="tiny",
        seed=0,
        steps=12,
        architecture=Architecture(name="one convolution", parameters={}),
        data=Data(pool="none", channels=1),
        optimiser=Optimiser(warmup_steps=1),
        stages=(Stage(until=1.0, patch_px=16, batch=5, loss=loss),),  # odd: the shares differ in size
        strategy=strategy,
    )
    held_out = Source().draw(4, patch_px=16, rng=np.random.default_rng(9), step=0)

    @torch.no_grad()
    def validate(network) -> dict[str, float]:
        return {"error": float((held_out.noisy + network(*held_out[:2]) - held_out.target).square().mean())}

    return Trainer(config, network=Convolution(), source=Source(), folder=folder, validate=validate, **options)


def train_all(root: Path, processes: Processes) -> None:
    """Train by every strategy; each process leaves its own weights."""
    for strategy in sorted(STRATEGY_NAMES):
        run = trainer(root / strategy, strategy, processes=processes)
        run.run(checkpoint_every=6)
        torch.save(run.network.state_dict(), root / strategy / f"weights-{processes.rank}.pt")


def diverge(root: Path, processes: Processes) -> None:
    """Change one weight of the second process by one unit in the last place; say what is raised."""
    run = trainer(root / "changed", "supervised", processes=processes)

    def change(step: int, _: int, __: float) -> None:
        if step == 6 and not processes.first:
            with torch.no_grad():
                run.network.body.weight[0, 0, 0, 0].nextafter_(torch.tensor(9.0))

    try:
        run.run(checkpoint_every=6, after_step=change)
    except DataError as error:
        (root / f"said-{processes.rank}.txt").write_text(str(error))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(COUNT)]
    done = subprocess.run(
        [*command, __file__, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("strategy", sorted(STRATEGY_NAMES))
def test_all_processes_have_the_same_weights_and_those_of_one_process_but_for_rounding(
    together: Path, tmp_path: Path, strategy: str
) -> None:
    first, second = (torch.load(together / strategy / f"weights-{rank}.pt", weights_only=True) for rank in range(COUNT))
    assert all(torch.equal(first[name], second[name]) for name in first)

    alone = trainer(tmp_path, strategy)
    start = {name: weight.clone() for name, weight in alone.average.items()}
    alone.run(checkpoint_every=6)
    for name, weight in averaged_weights(together / strategy).items():
        moved = (alone.average[name] - start[name]).abs().max()
        # Sums in another order, in bfloat16's products: far less than what was learnt.
        assert (weight - alone.average[name]).abs().max() < 0.01 * moved
    losses, others = ([float(row["loss"]) for row in read_log(folder)] for folder in (together / strategy, tmp_path))
    assert losses == pytest.approx(others, rel=1e-3)
    errors, others = ([float(row["error"]) for row in read_log(folder)] for folder in (together / strategy, tmp_path))
    assert errors == pytest.approx(others, rel=1e-3)


def test_a_weight_that_differs_in_its_last_bit_ends_the_run(together: Path) -> None:
    for rank in range(COUNT):
        assert "process 1 has other weights than process 0" in (together / f"said-{rank}.txt").read_text()
    assert not (together / "changed" / "checkpoint.safetensors").exists()


def test_the_first_process_alone_writes(together: Path) -> None:
    assert [row["step"] for row in read_log(together / "supervised")] == ["6", "12"]


def test_more_processes_than_patches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch of 5 can't be shared by 6"):
        trainer(tmp_path, "supervised", processes=Processes(0, 6))


if __name__ == "__main__":
    with joined(torch.device("cpu")) as group:
        train_all(Path(sys.argv[1]), group)
        diverge(Path(sys.argv[1]), group)
