"""When a run stops, what is kept of it, and how it goes on."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import math
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from limpid.core.errors import ConfigError, DataError, OptionError, WriteError
from limpid.training import device as devices
from limpid.training.batch import Batch
from limpid.training.checkpoint import CHECKPOINT, averaged_weights, stored_step
from limpid.training.config import Architecture, Data, Optimiser, Stage, Stop, TrainConfig
from limpid.training.log import read_log, write_row
from limpid.training.loop import Trainer
from limpid.training.schedule import Cut, learning_rate_at, steps_of
from limpid.training.stopping import Progress

CONFIG = TrainConfig(
    name="tiny",
    seed=3,
    steps=40,
    architecture=Architecture(name="one convolution", parameters={}),
    data=Data(pool="none", channels=1),
    optimiser=Optimiser(warmup_steps=2),
    stages=(Stage(until=1.0, patch_px=8, batch=4, loss="mse"),),
)
STOP = Stop(patience=2, gain=0.01, decay=0.5)


class Convolution(nn.Module):
    size_multiple = 1

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def forward(self, noisy, level):
        return self.body(torch.cat([noisy, level], dim=1))


class Source:
    def draw(self, count, *, patch_px, rng, step):
        clean = torch.from_numpy(rng.random((count, 1, 1, 1), np.float32)).expand(count, 1, patch_px, patch_px)
        noise = torch.from_numpy(rng.standard_normal(clean.shape, np.float32))
        return Batch(clean + 0.1 * noise, torch.full(clean.shape, 0.1), clean)


class Figures:
    """A validation that gives what it was told to, check after check."""

    def __init__(self, *figures: float) -> None:
        self._left = itertools.chain(figures, itertools.repeat(figures[-1]))

    def __call__(self, network) -> dict[str, float]:
        return {"noise_left": next(self._left)}


def trainer(folder: Path, *, validate=lambda _: {}, source=None, observers=(), **changes) -> Trainer:
    config = dataclasses.replace(CONFIG, **changes)
    return Trainer(
        config, network=Convolution(), source=source or Source(), folder=folder, validate=validate, observers=observers
    )


def test_patience_runs_out_where_the_figure_gains_no_more(tmp_path: Path) -> None:
    figures = Figures(1.0, 0.9, 0.895, 0.892)
    outcome = trainer(tmp_path, validate=figures, stop=STOP).run(checkpoint_every=4)
    # Two checks without a gain end at step 16, and half as many steps follow.
    assert outcome.converged
    assert outcome.steps == 24
    assert stored_step(tmp_path) == 24


def test_many_small_gains_are_one_in_the_end(tmp_path: Path) -> None:
    figures = Figures(*(1 - 0.006 * check for check in range(12)))
    outcome = trainer(tmp_path, validate=figures, stop=STOP).run(checkpoint_every=4)
    assert not outcome.converged
    assert outcome.steps == 40


def test_a_figure_may_be_better_where_it_is_larger(tmp_path: Path) -> None:
    rising = iter(range(100))
    stop = dataclasses.replace(STOP, figure="psnr", larger_is_better=True)
    run = trainer(tmp_path, validate=lambda _: {"psnr": float(next(rising))}, stop=stop)
    assert not run.run(checkpoint_every=4).converged


def test_without_a_stop_the_figures_decide_nothing(tmp_path: Path) -> None:
    outcome = trainer(tmp_path, validate=Figures(1.0, 2.0)).run(checkpoint_every=4)
    assert (outcome.steps, outcome.converged) == (40, False)
    assert outcome.figures == {"noise_left": 2.0}


def test_a_figure_that_the_validation_does_not_give_is_named(tmp_path: Path) -> None:
    run = trainer(tmp_path, validate=lambda _: {"psnr_25": 30.0}, stop=STOP)
    with pytest.raises(ConfigError, match="'noise_left', but the validation gives psnr_25"):
        run.run(checkpoint_every=4)


def test_the_rate_falls_to_zero_over_what_is_left_of_a_schedule_that_is_cut() -> None:
    optimiser = Optimiser(learning_rate=1.0, warmup_steps=1)
    rates = [learning_rate_at(s, steps=1000, optimiser=optimiser, cut=Cut(100, 120)) for s in range(121)]
    whole = [learning_rate_at(s, steps=1000, optimiser=optimiser) for s in range(101)]
    assert rates[:101] == whole
    assert rates[110] == pytest.approx(whole[100] / 2)
    assert rates[120] == pytest.approx(0)
    assert rates == sorted(rates, reverse=True)


def test_a_schedule_that_ends_sooner_than_the_cut_would_is_left_as_it_is() -> None:
    assert Progress(converged_at=36).cut(40, STOP) is None
    assert Progress(converged_at=20).cut(40, STOP) == Cut(20, 30)
    assert Progress().cut(40, STOP) is None


def test_the_averaged_weights_of_the_best_check_are_kept(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []
    run = trainer(
        tmp_path,
        validate=Figures(1.0, 0.5, 0.7),
        stop=STOP,
        observers=[lambda step, figures, network: seen.append(network.body.weight.detach().clone())],
    )
    outcome = run.run(checkpoint_every=4)
    assert outcome.figures == {"noise_left": 0.5}
    assert torch.equal(run.weights["body.weight"], seen[1])
    assert torch.equal(averaged_weights(tmp_path)["body.weight"], seen[1])
    assert not torch.equal(run.average["body.weight"], seen[1])


@pytest.mark.parametrize("stopped_at", [3, 8, 14])
def test_a_run_that_watches_and_was_stopped_ends_as_one_that_was_not(tmp_path: Path, stopped_at: int) -> None:
    def run_of(folder: Path) -> Trainer:
        """A validation that follows from the weights alone, as a real one does."""
        return trainer(folder, validate=lambda net: {"noise_left": float(net.body.weight.detach().norm())}, stop=STOP)

    class PowerError(Exception):
        pass

    def fail(step: int, _: int, __: float) -> None:
        if step == stopped_at:
            raise PowerError

    whole = run_of(tmp_path / "whole")
    outcome = whole.run(checkpoint_every=4)
    assert outcome.converged
    assert stopped_at < outcome.steps < 40
    with pytest.raises(PowerError):
        run_of(tmp_path / "parts").run(checkpoint_every=4, save_every_s=0, after_step=fail)
    parts = run_of(tmp_path / "parts")
    assert parts.step == stopped_at - 1
    assert parts.run(checkpoint_every=4).converged
    first, second = ((tmp_path / name / CHECKPOINT).read_bytes() for name in ("whole", "parts"))
    assert first == second
    logs = [[(r["step"], r["loss"], r["noise_left"]) for r in read_log(tmp_path / n)] for n in ("whole", "parts")]
    assert logs[0] == logs[1]


@pytest.fixture
def answered():
    """Have Ctrl-C answered as Python does, whatever ran before in this process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("answered")
def test_ctrl_c_waits_for_the_end_of_a_step_and_leaves_a_checkpoint_of_it(tmp_path: Path) -> None:
    class Interrupting(Source):
        def draw(self, *arguments, step, **options):
            if step == 5:
                os.kill(os.getpid(), signal.SIGINT)
            return super().draw(*arguments, step=step, **options)

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, source=Interrupting()).run(checkpoint_every=4)
    assert stored_step(tmp_path) == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("answered")
def test_ctrl_c_in_the_last_validation_is_not_lost(tmp_path: Path) -> None:
    def validate(_) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return {}

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, validate=validate).run()
    assert stored_step(tmp_path) == 40


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_a_run_that_diverges_keeps_its_checkpoint_and_says_why(tmp_path: Path, broken: str) -> None:
    class Diverging(Source):
        def draw(self, *arguments, step, **options):
            batch = super().draw(*arguments, step=step, **options)
            if step < 6:
                return batch
            if broken == "loss":
                return batch._replace(target=batch.target + math.inf)
            # The square of this error is finite, the norm of its gradient isn't.
            return batch._replace(noisy=batch.noisy + 1e18)

    with pytest.raises(DataError, match=rf"the {broken} is (inf|nan) at step 6.*checkpoint before is kept.*0\.001"):
        trainer(tmp_path, source=Diverging()).run(checkpoint_every=4)
    assert stored_step(tmp_path) == 4
    assert all(torch.isfinite(w).all() for w in averaged_weights(tmp_path).values())


def test_a_full_disk_keeps_the_checkpoint_before_and_says_so(tmp_path: Path, monkeypatch) -> None:
    run = trainer(tmp_path)
    flushed = iter(range(100))

    def fsync(_: int) -> None:
        if next(flushed) >= 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("limpid.io.atomic.os.fsync", fsync)
    with pytest.raises(WriteError, match=r"step 8 can't be written.*step 8 is kept.*disk is full.*go on with resume"):
        run.run(checkpoint_every=4)
    monkeypatch.undo()
    assert trainer(tmp_path).run().steps == 40


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a file system")
def test_a_file_system_that_is_really_full_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        run = trainer(small)
        run.run(checkpoint_every=10)
        before = (small / CHECKPOINT).read_bytes()
        (small / "other").write_bytes(bytes(os.statvfs(small).f_bavail * os.statvfs(small).f_frsize))
        with pytest.raises(WriteError, match="step 40 is kept: the disk is full"):
            run._save()
        assert (small / CHECKPOINT).read_bytes() == before
        assert not list(small.glob(".limpid*"))
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_checkpoint_is_written_by_the_clock_too(tmp_path: Path) -> None:
    steps = []
    trainer(tmp_path).run(save_every_s=0, after_step=lambda *_: steps.append(stored_step(tmp_path)))
    assert steps[1:5] == [1, 2, 3, 4]


def test_a_check_that_is_made_again_replaces_its_row(tmp_path: Path) -> None:
    for step, loss in ((4, 0.5), (8, 0.25), (8, 0.125), (4, 1.0)):
        write_row(tmp_path, step, {"loss": loss})
    assert read_log(tmp_path) == [{"step": "4", "loss": "1.0"}]


def test_an_epoch_covers_the_pixels_once() -> None:
    assert steps_of(1, pixels=8 * 64**2 * 10, batch=8, patch_px=64) == 10
    assert steps_of(0.5, pixels=8 * 64**2 * 10 + 1, batch=8, patch_px=64) == 6
    assert steps_of(0.001, pixels=100, batch=8, patch_px=64) == 1


@pytest.mark.parametrize(
    ("avx512", "amx", "precision"),
    [(False, False, torch.float32), (True, False, torch.bfloat16), (False, True, torch.bfloat16)],
)
def test_bfloat16_is_for_processors_that_multiply_it(monkeypatch, avx512: bool, amx: bool, precision) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert devices.precision_of(devices.CPU) == precision


def test_a_device_that_is_not_there_is_said_to_be(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose_device("auto") == devices.CPU
    with pytest.raises(OptionError, match="no CUDA device"):
        devices.choose_device("cuda")
    with pytest.raises(OptionError, match="no device 'gpu'"):
        devices.choose_device("gpu")


@pytest.mark.parametrize("changes", [{"patience": 0}, {"gain": -1.0}, {"decay": 0.0}, {"decay": 1.5}])
def test_a_stop_that_makes_no_sense_is_refused(changes) -> None:
    with pytest.raises(ConfigError, match="a stop needs"):
        Stop(**changes)
