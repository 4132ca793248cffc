"""The Ray engine on real clusters of this machine; left out where Ray is not installed: pip install "limpid[ray]"."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpid.core.errors import OptionError
from limpid.io.stores import store_at
from limpid.jobs import About, Item, Job, JobFolder, Row
from limpid.jobs.engines.ray import run_ray

pytest.importorskip("ray", reason='Ray is not installed: pip install "limpid[ray]"')

#: Ray warns of many things of its own, some of them after it was shut down.
pytestmark = pytest.mark.filterwarnings("default")

ABOUT = About(model={"model": "none"}, options={})


class Slow:
    """Takes its time, and counts how often each item was done."""

    def __init__(self, root: Path, seconds: float) -> None:
        self.root = root
        self.seconds = seconds

    def __call__(self, item: Item, *, begun: bool) -> Row:
        time.sleep(self.seconds)
        with (self.root / str(item.output)).open("a") as file:
            file.write("x")
        return {"status": "ok"}


def planned(root: Path, count: int) -> Job:
    return JobFolder(store_at(root)).add([Item(n, f"../in/{n}", str(n)) for n in range(count)], ABOUT)


def images(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def limpid(*arguments: str, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "limpid", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    """Return a cluster of two nodes with two cores each; the driver is on the first."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_a_cluster_gives_the_bytes_of_one_process(picture, tmp_path: Path, environment: dict[str, str]) -> None:
    for number in range(6):
        picture(tmp_path / "in" / f"{number}.png", seed=number)
    (tmp_path / "in" / "bad.png").write_bytes(b"")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return limpid(*arguments, cwd=tmp_path, environment=environment)

    done = run("denoise", "in", "-o", "out", "-m", "fast", "--engine", "ray", "--json")
    whole = run("denoise", "in", "-o", "whole", "-m", "fast", "--threads", "1")

    assert done.returncode == whole.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["done"], answer["failed"]) == (6, 1)
    assert "in/bad.png: the file is empty" in done.stderr
    assert images(tmp_path / "out") == images(tmp_path / "whole")
    assert run("verify", "out", "--checksums").returncode == 0


def test_a_job_goes_on_when_a_node_is_lost_and_does_no_shard_twice(two_nodes: Any, tmp_path: Path) -> None:
    job = planned(tmp_path, 40)
    receipts = run_ray(job, Slow(tmp_path, 0.5), job.pending(), address=None, cores=1)

    first = [next(receipts) for _ in range(6)]
    before = len(job.committed())
    two_nodes.remove_node(two_nodes.worker_nodes.copy().pop(), allow_graceful=False)
    rest = list(receipts)

    assert len({number for number, _ in [*first, *rest]}) == 40
    assert before < 40
    assert job.pending() == []
    # What was committed was not done again: at most what the lost workers were at.
    assert sum(len((tmp_path / str(n)).read_text()) for n in range(40)) <= 42


STALLED = """
import sys, time
from limpid.io.stores import store_at
from limpid.jobs import Job
from limpid.jobs.engines.ray import run_ray

class Endless:
    def __call__(self, item, *, begun):
        time.sleep(3600)

job = Job.open(store_at(sys.argv[1]))
list(run_ray(job, Endless(), job.pending(), address=None, cores=1, stall_s=15))
"""


def test_a_driver_whose_cluster_stalls_ends(tmp_path: Path, environment: dict[str, str]) -> None:
    job = planned(tmp_path, 2)

    command = [sys.executable, "-c", STALLED, job.address]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 1
    assert "LimpidError: nothing was done on the Ray cluster for 15 s" in done.stderr
    assert job.pending() == [0, 1]


def test_a_driver_that_was_killed_is_resumed(picture, tmp_path: Path, environment: dict[str, str]) -> None:
    for number in range(12):
        picture(tmp_path / "in" / f"{number:02}.png", shape=(160, 160), seed=number)
    command = ("denoise", "in", "-o", "out", "-m", "nlm", "--engine", "ray")
    driver = subprocess.Popen([sys.executable, "-m", "limpid", *command], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 240
    while len(list((tmp_path / "out").rglob("*.jsonl"))) < 2:
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    committed = len(list((tmp_path / "out").rglob("*.jsonl")))

    resumed = limpid(*command, "--resume", "--json", cwd=tmp_path, environment=environment)

    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["skipped"] >= committed
    assert limpid("verify", "out", "--checksums", cwd=tmp_path, environment=environment).returncode == 0


def test_an_address_without_a_cluster_is_refused(tmp_path: Path) -> None:
    job = planned(tmp_path, 1)

    with pytest.raises(OptionError, match="no Ray cluster answers at"):
        list(run_ray(job, Slow(tmp_path, 0), [0], address="127.0.0.1:1", cores=1))
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
