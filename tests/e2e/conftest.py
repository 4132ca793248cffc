"""The console script as a process of its own, and images for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[str]"]

LIMPID = [str(Path(sys.executable).with_name("limpid"))]


@pytest.fixture
def environment() -> dict[str, str]:
    """Return the environment of the processes."""
    return {**os.environ, "COLUMNS": "80"}


@pytest.fixture
def limpid(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Run ``limpid`` with arguments, in the test's folder."""

    def run(*arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [*LIMPID, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=timeout)

    return run


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``limpid`` in the test's folder and go on; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([*LIMPID, *arguments], cwd=tmp_path, env=environment, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def noisy(shape: tuple[int, ...] = (40, 48), *, sigma: float = 12, seed: int = 0) -> np.ndarray:
    """Return a ramp with noise, uint8."""
    ramp = np.linspace(60, 190, shape[1])[None, :, *[None] * (len(shape) - 2)]
    values = np.broadcast_to(ramp, shape) + np.random.default_rng(seed).normal(0, sigma, shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def picture(path: Path, **kwargs: object) -> Path:
    """Write a small noisy picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy(**kwargs)).save(path)  # type: ignore[arg-type]
    return path


@pytest.fixture(name="picture")
def picture_fixture() -> Callable[..., Path]:
    return picture


@pytest.fixture(name="noisy")
def noisy_fixture() -> Callable[..., np.ndarray]:
    return noisy
