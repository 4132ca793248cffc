"""Networks compiled once and read back by the processes that follow."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limpid.inference import compiled
from limpid.inference.runtimes import load_runtime

SHAPE = (1, 1, 40, 48)
NOISY = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
LEVEL = np.full(SHAPE, 0.1, np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    return tmp_path / compiled.FOLDER


def residual(model, *, threads=None):
    return load_runtime("openvino", threads=threads).compile(model, precision="fp32")(NOISY, LEVEL)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a network is compiled."""
    from limpid.inference.runtimes.openvino import OpenVINORuntime

    calls: list[int] = []
    compile_ = OpenVINORuntime._compiled
    monkeypatch.setattr(OpenVINORuntime, "_compiled", lambda *args: calls.append(1) or compile_(*args))
    return calls


def test_a_network_that_was_read_back_gives_the_same_bytes(tiny_model, counted, cache):
    first = residual(tiny_model)
    assert len(list(cache.iterdir())) == 1
    assert np.array_equal(residual(tiny_model), first)
    assert np.array_equal(residual(tiny_model, threads=1), first)
    assert len(counted) == 1


def test_each_arithmetic_has_a_network_of_its_own(tiny_model, cache):
    runtime = load_runtime("openvino")
    each = [precision for precision in runtime.precisions if precision != "int8"]  # which needs a calibration
    for precision in each:
        runtime.compile(tiny_model, precision=precision)
    assert len(list(cache.iterdir())) == len(each)


@pytest.mark.parametrize("damage", ["cut", "emptied", "flipped"])
def test_a_damaged_file_is_not_given_to_the_runtime_and_is_replaced(tiny_model, counted, cache, damage):
    first = residual(tiny_model)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes({"cut": whole[:middle], "emptied": b"", "flipped": flipped}[damage])

    assert np.array_equal(residual(tiny_model), first)
    assert len(counted) == 2
    assert np.array_equal(residual(tiny_model), first)
    assert len(counted) == 2


def test_what_the_runtime_does_not_take_is_compiled_again(tiny_model, counted, cache):
    first = residual(tiny_model)
    (path,) = cache.iterdir()
    content = b"no network of this version"
    path.write_bytes(compiled.hashlib.sha256(content).digest() + content)

    assert np.array_equal(residual(tiny_model), first)
    assert len(counted) == 2


def test_without_a_folder_to_write_to_networks_are_compiled_each_time(tiny_model, counted, cache):
    cache.parent.joinpath(cache.name).write_text("a file where the folder should be")
    assert np.array_equal(residual(tiny_model), residual(tiny_model))
    assert len(counted) == 2


def test_a_full_disk_leaves_nothing_behind(tiny_model, counted, cache, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    residual(tiny_model)
    assert not list(cache.iterdir())


def test_those_used_last_stay(cache, monkeypatch):
    monkeypatch.setattr(compiled, "_MOST_BYTES", 250)
    for number, name in enumerate("abc"):
        compiled.keep(name, name.encode() * 50)
        os.utime(compiled._path(name), (number, number))
    assert compiled.kept("a") == b"a" * 50  # which is used now
    compiled.keep("d", b"d" * 50)
    assert [compiled.kept(name) is not None for name in "abcd"] == [True, False, True, True]
    compiled.keep("large", b"e" * 251)
    assert compiled.kept("large") is None


_KEEP_MANY = """
import sys
from limpid.inference import compiled

for _ in range(50):
    compiled.keep("one", sys.argv[1].encode() * 300_000)
    found = compiled.kept("one")
    assert found is not None
    assert len(set(found)) == 1
"""


def test_processes_that_write_the_same_one_see_it_whole(cache):
    children = [subprocess.Popen([sys.executable, "-c", _KEEP_MANY, letter]) for letter in "ab"]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    assert len(list(cache.iterdir())) == 1
