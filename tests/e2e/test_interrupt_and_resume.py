"""Whenever a run ends, what is there is whole; a second run does the rest, and only the rest."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LIMPID = [str(Path(sys.executable).with_name("limpid"))]
RECORD = "limpid-job"
COUNT = 40


def default_interrupt() -> None:
    """Undo what a shell does to the interrupts of a background job, which pytest may be part of."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(*arguments: str, cwd: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*LIMPID, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=default_interrupt,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.005)


def receipts(folder: Path) -> list[Path]:
    return sorted((folder / RECORD).glob("*/receipts/*.jsonl"))


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for path in receipts(folder) for line in path.read_bytes().splitlines()]


def digests(folder: Path) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def images(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


@pytest.fixture
def folder(tmp_path: Path, picture) -> Path:
    for number in range(COUNT):
        picture(tmp_path / "in" / f"{number % 3}" / f"{number:02}.png", shape=(160, 160), seed=number)
    return tmp_path / "in"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_ended_is_resumed_to_the_same_bytes(limpid, folder, tmp_path, environment, how) -> None:
    command = ("denoise", "in", "-o", "out", "-m", "nlm")
    with running(*command, cwd=tmp_path, environment=environment) as process:
        wait_for(lambda: len(rows(tmp_path / "out")) >= 3)
        process.send_signal(how)
        started = time.monotonic()
        status = process.wait(10)
        took = time.monotonic() - started
        said = process.communicate()[1]

    recorded = rows(tmp_path / "out")
    assert status == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert 3 <= len(recorded) < COUNT
    for path in images(tmp_path / "out"):
        Image.open(tmp_path / "out" / path).load()
    if how == signal.SIGINT:
        assert took < 2
        assert "Traceback" not in said
        assert not list((tmp_path / "out").rglob(".limpid*"))

    resumed = limpid(*command, "--resume", "--json")
    whole = limpid("denoise", "in", "-o", "whole", "-m", "nlm")

    assert resumed.returncode == whole.returncode == 0
    answer = json.loads(resumed.stdout)
    assert answer["skipped"] == len(recorded)
    assert answer["done"] == COUNT - len(recorded)
    assert images(tmp_path / "out") == images(tmp_path / "whole")


def test_an_interrupt_is_answered_while_the_program_is_still_loading(tmp_path: Path) -> None:
    slow = tmp_path / "typer.py"
    slow.write_text("import pathlib, time; pathlib.Path('loading').touch(); time.sleep(60)")
    code = "import sys; sys.path.insert(0, '.'); from limpid.cli.start import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=default_interrupt
    )
    try:
        wait_for((tmp_path / "loading").exists)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()

    assert process.returncode == 130
    assert said.split() == ["limpid:", "interrupted"]


def test_an_interrupt_is_answered_while_a_library_is_busy_in_one_call(tmp_path: Path) -> None:
    code = """
import hashlib, pathlib
from limpid.cli.interrupt import end_promptly
from limpid.io.atomic import replacing
end_promptly()
with replacing(pathlib.Path("a.png")) as file:
    file.write(b"half of it")
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)  # half a minute in C
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, preexec_fn=default_interrupt)
    try:
        wait_for(lambda: any(tmp_path.iterdir()))
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        status = process.wait(60)
    finally:
        process.kill()

    assert status == 130
    assert time.monotonic() - started < 2
    assert not list(tmp_path.iterdir())


def test_resume_without_a_receipt_does_that_file_again(limpid, picture, tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png")
    limpid("denoise", "in", "-o", "out", "-m", "median")
    receipts(tmp_path / "out")[2].unlink()

    done = limpid("denoise", "in", "-o", "out", "-m", "median", "--resume", "--json")

    assert [row["status"] for row in json.loads(done.stdout)["results"]] == ["skipped", "skipped", "ok"]
    assert len(rows(tmp_path / "out")) == 3


def test_resume_does_what_changed_failed_or_is_new(limpid, picture, tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    limpid("denoise", "in", "-o", "out", "-m", "median")
    picture(tmp_path / "in" / "a.png", seed=5)
    (tmp_path / "out" / "b.png").unlink()
    picture(tmp_path / "in" / "bad.png")
    picture(tmp_path / "in" / "new.png")

    done = limpid("denoise", "in", "-o", "out", "-m", "median", "--resume", "--json")

    status = {Path(row["input"]).name: row["status"] for row in json.loads(done.stdout)["results"]}
    assert status == {"a.png": "ok", "b.png": "ok", "bad.png": "ok", "c.png": "skipped", "new.png": "ok"}
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (("--strength", 0.5), "strength was 1.0, now 0.5"),
        (("--sigma", 7), "sigma was auto, now 7.0"),
        (("--model", "bilateral"), "model was median, now bilateral"),
        (("--format", "png"), "format was not given, now png"),
    ],
)
def test_resume_with_other_options_is_refused_and_names_them(limpid, picture, tmp_path, option, named) -> None:
    picture(tmp_path / "in" / "a.png")
    limpid("denoise", "in", "-o", "out", "--model", "median")
    before = digests(tmp_path / "out")

    model = () if option[0] == "--model" else ("--model", "median")
    done = limpid("denoise", "in", "-o", "out", *model, *option, "--resume")

    assert done.returncode == 2
    assert named in done.stderr
    assert digests(tmp_path / "out") == before


def test_in_place_is_resumed_without_denoising_twice(limpid, picture, tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / "in" / f"{name}.png")
    limpid("denoise", "in", "--in-place", "-m", "median")
    once = images(tmp_path / "in")
    # As if the process was killed after it replaced b and before it said so.
    last = receipts(tmp_path / "in")[-1]
    last.rename(last.with_suffix(".claim"))

    done = limpid("denoise", "in", "--in-place", "-m", "median", "--resume", "--json")

    assert [row["status"] for row in json.loads(done.stdout)["results"]] == ["skipped", "skipped"]
    assert images(tmp_path / "in") == once


def test_without_resume_everything_is_done_anew_to_the_same_bytes(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    command = ("denoise", "in", "-o", "out", "-m", "fast")
    limpid(*command)
    first, first_rows = images(tmp_path / "out"), rows(tmp_path / "out")
    os.utime(tmp_path / "in" / "a.png")

    again = limpid(*command)

    assert again.returncode == 0
    assert images(tmp_path / "out") == first
    assert len(rows(tmp_path / "out")) == len(first_rows) == 1
    assert np.asarray(Image.open(tmp_path / "out" / "a.png")).shape == (40, 48)


TRAINING = ("train", "in", "--steps", "40", "--architecture", "small", "--batch", "2", "--patch-px", "32")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_training_that_was_ended_is_resumed_to_the_same_bytes(limpid, picture, tmp_path, environment, how) -> None:
    for number in range(2):
        picture(tmp_path / "in" / f"{number}.png", shape=(96, 96), seed=number)
    log = tmp_path / "parts" / "mine" / "run" / "log.csv"
    with running(*TRAINING, "-o", "parts/mine", cwd=tmp_path, environment=environment) as process:
        wait_for(log.exists, timeout=120)
        process.send_signal(how)
        status = process.wait(60)
        said = process.communicate()[1]

    assert status == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if how == signal.SIGINT:
        assert "of 40 steps; go on from there with resume" in said
        assert "Traceback" not in said
        assert not list(log.parent.rglob(".limpid*"))

    resumed = limpid(*TRAINING, "-o", "parts/mine", "--resume")
    whole = limpid(*TRAINING, "-o", "whole/mine")

    assert resumed.returncode == whole.returncode == 0
    for name in ("model.onnx", "run/checkpoint.safetensors"):
        assert (tmp_path / "parts" / "mine" / name).read_bytes() == (tmp_path / "whole" / "mine" / name).read_bytes()


def test_torchrun_trains_one_model_that_one_process_speaks_of(picture, tmp_path, environment) -> None:
    picture(tmp_path / "in" / "a.png", shape=(96, 96))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "limpid", *TRAINING, "-o", "mine", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 40
    assert (tmp_path / "mine" / "model.onnx").exists()
