"""A job over a folder: its speed against a bare loop, and what is left of it after kills, a full disk and lost nodes.

python benchmarks/job.py [speed] [kills] [disk] [plan] [ray]        (Linux; disk needs leave to mount, ray needs Ray)

Whole processes of the command line, but for the bare loop. A part that can't be measured here is left out, and said so.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from record import record
from skimage import data

import limpid
from limpid.io.stores import store_at
from limpid.jobs import About, Item, Job, JobFolder

LIMPID = [sys.executable, "-m", "limpid"]
Row = dict[str, object]

# Decode, measure and denoise, encode, one file after the other: what a user would write. Seconds from the second file
# on, since the first one compiles the network; the same codecs, the same model, all cores.
BARE = """
import json, sys, time
from pathlib import Path
import limpid
model = limpid.load_model("fast")
files = sorted(Path(sys.argv[1]).iterdir())
limpid.write_image(limpid.denoise(files[0], model=model), Path(sys.argv[2]) / files[0].name)
started = time.perf_counter()
for path in files[1:]:
    limpid.write_image(limpid.denoise(path, model=model), Path(sys.argv[2]) / path.name)
print(json.dumps(time.perf_counter() - started))
"""

# The same files as a job; the clock starts with the first receipt, when as many as two more are in work already.
JOB = """
import json, sys, time
from limpid.workflows.files import denoise_files
from limpid.workflows.options import DenoiseOptions
class Watcher:
    times = []
    def planned(self, count): pass
    def finished(self, row):
        assert row.status == "ok", row.error
        self.times.append(time.perf_counter())
denoise_files([sys.argv[1]], sys.argv[2], options=DenoiseOptions(model="fast"), watcher=Watcher())
print(json.dumps(Watcher.times[-1] - Watcher.times[0]))
"""


def main() -> None:
    parts = {"speed": speed, "kills": kills, "disk": disk, "plan": plan, "ray": ray}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    parser.add_argument("--images", type=int, default=120, help="in the runs for speed")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in the plan")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and of the moments")
    args = parser.parse_args()
    for name in args.parts or parts:
        with tempfile.TemporaryDirectory() as folder:
            if rows := parts[name](Path(folder), args):
                record("job", [{"part": name, **row} for row in rows], part="part")


def speed(folder: Path, args: argparse.Namespace) -> list[Row]:
    """Images per second of the bare loop and of the job, three times in turn."""
    rows: list[Row] = []
    for suffix in ("png", "jpg"):
        write_images(folder / suffix, args.images, shape=(512, 512, 3), suffix=suffix, seed=args.seed)
        seconds: dict[str, list[float]] = {"bare loop": [], "job": []}
        for number in range(3):
            for what, program in (("bare loop", BARE), ("job", JOB)):
                out = folder / f"{suffix}-{what}-{number}"
                out.mkdir()
                done = subprocess.run(
                    [sys.executable, "-c", program, str(folder / suffix), str(out)],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                seconds[what].append(float(json.loads(done.stdout)))
                shutil.rmtree(out)
        rates = {what: (args.images - 1) / float(np.median(taken)) for what, taken in seconds.items()}
        for what, rate in rates.items():
            spread = f"{min(seconds[what]):.1f} to {max(seconds[what]):.1f}"
            share = round(rate / rates["bare loop"], 3)
            shown = f"{args.images} {suffix}, 512x512 colour: {what}"
            rows.append({"what": shown, "images_per_s": round(rate, 2), "of_bare_loop": share, "seconds": spread})
    return rows


def kills(folder: Path, args: argparse.Namespace) -> list[Row]:
    """Kill a job at random moments, resume it each time, and compare with one that was left alone."""
    rng = np.random.default_rng(args.seed)
    write_images(folder / "in", 200, shape=(256, 256), suffix="png", seed=args.seed)
    command = [*LIMPID, "denoise", str(folder / "in"), "-m", "fast"]
    started = time.perf_counter()
    quietly([*command, "-o", str(folder / "whole")])
    took = time.perf_counter() - started
    out, again = folder / "out", 0
    begun: dict[str, set[str]] = {}
    killed = 0
    while killed < args.kills and len(outputs(out)) < 200:
        resume = ["--resume"] if (out / "limpid-job").exists() else []
        with subprocess.Popen([*command, "-o", str(out), *resume], stdout=subprocess.DEVNULL) as process:
            time.sleep(float(rng.uniform(0.3, 1)) * took / 6)
            process.send_signal(signal.SIGKILL)
        killed += 1
        now = {name: {path.stat().st_ino} for name, path in outputs(out).items()}
        again += sum(bool(begun[name] - now.get(name, set())) for name in begun)
        begun = now
    quietly([*command, "-o", str(out), "--resume"])
    account = verified(out)
    return [
        {
            "what": f"200 images, SIGKILL at {killed} random moments, resumed each time",
            "same_bytes": digests(out) == digests(folder / "whole"),
            "accounted": f"{account['done']} of {account['images']}, {len(account['problems'])} problems",
            "written_again": again,
            "temporary_files_left": len(list(out.glob(".limpid-*.tmp"))),
        }
    ]


def disk(folder: Path, args: argparse.Namespace) -> list[Row]:
    """Fill the disk in mid-job, free it, and resume."""
    write_images(folder / "in", 60, shape=(256, 256, 3), suffix="png", seed=args.seed)
    command = [*LIMPID, "denoise", str(folder / "in"), "-m", "fast"]
    quietly([*command, "-o", str(folder / "whole")])
    size = sum(path.stat().st_size for path in outputs(folder / "whole").values())
    with small_disk(folder / "disk", megabytes=4 + size / 1e6) as mounted:
        if mounted is None:
            print("disk: left out, a small disk can't be mounted here")
            return []
        (mounted / "ballast").write_bytes(bytes(size // 2 + 3_000_000))
        full = subprocess.run([*command, "-o", str(mounted / "out")], capture_output=True, text=True, check=False)
        before = len(outputs(mounted / "out"))
        (mounted / "ballast").unlink()
        freed = subprocess.run([*command, "-o", str(mounted / "out"), "--resume"], capture_output=True, check=False)
        account = verified(mounted / "out")
        return [
            {
                "what": f"60 images, disk full after {before}, then freed and resumed",
                "status": f"{full.returncode}, then {freed.returncode}",
                "said": "disk is full" in full.stderr,
                "same_bytes": digests(mounted / "out") == digests(folder / "whole"),
                "accounted": f"{account['done']} of {account['images']}, {len(account['problems'])} problems",
            }
        ]


def plan(folder: Path, args: argparse.Namespace) -> list[Row]:
    """Plan a million rows of a listing, open the plan again, and say what is pending when half of it is done."""
    record_folder = JobFolder(store_at(folder))
    items = (
        Item(n, f"../in/{n // 1000:04}/{n:07}.png", f"{n // 1000:04}/{n:07}.png", None, 300_000 + n, str(n * 10**9))
        for n in range(args.rows)
    )
    started = time.perf_counter()
    job = record_folder.add(items, About(model={"model": "none"}, options={}))
    planned = time.perf_counter() - started
    for shard in job.read_shards(range(0, job.shards, 2)):
        job.commit(
            shard.number, [{"item": item.number, "input": item.input, "output": item.output} for item in shard.items]
        )
    started = time.perf_counter()
    pending = len(Job.open(job.store).pending())
    opened = time.perf_counter() - started
    size = Path(job.address, "manifest.parquet").stat().st_size / 1e6
    what = f"{args.rows:,} rows of a simulated listing, {job.shards} shards, {pending} pending"
    simulated = {"planned_s": round(planned, 2), "pending_s": round(opened, 3), "manifest_mb": round(size, 1)}
    return [{"what": what, **simulated}, listed(folder, args.rows // 10)]


def listed(folder: Path, count: int) -> Row:
    """List empty files, 1000 to a folder, and plan them."""
    for number in range(count):
        path = folder / "in" / f"{number // 1000:04}" / f"{number:07}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    started = time.perf_counter()
    quietly([*LIMPID, "denoise", str(folder / "in"), "-o", str(folder / "out"), "-m", "median", "--plan"])
    what = f"{count:,} files in folders, the whole process of limpid denoise --plan"
    return {"what": what, "planned_s": round(time.perf_counter() - started, 2)}


def ray(folder: Path, args: argparse.Namespace) -> list[Row]:
    """Lose one of two nodes in mid-job; kill a driver in mid-job and run it again; hand out shards of nothing."""
    if importlib.util.find_spec("ray") is None:
        print('ray: left out, it is not installed: pip install "limpid[ray]"')
        return []
    write_images(folder / "in", 60, shape=(256, 256), suffix="png", seed=args.seed)
    command = [*LIMPID, "denoise", str(folder / "in"), "-m", "fast"]
    quietly([*command, "-o", str(folder / "whole"), "--threads", "1"])
    return [lost_node(folder, command), killed_driver(folder, command), handed_out(folder / "rate")]


def lost_node(folder: Path, command: list[str]) -> Row:
    from ray.cluster_utils import Cluster

    out = folder / "node"
    # The driver's node does nothing else, so that two shards in work are one on each of the others.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    node, _ = (cluster.add_node(num_cpus=1) for _ in range(2))
    cluster.wait_for_nodes()
    engine = ["--engine", "ray", "--address", cluster.address]
    with subprocess.Popen([*command, "-o", str(out), *engine], stdout=subprocess.DEVNULL) as driver:
        wait_for(lambda: len(receipts(out)) >= 10 and len(receipts(out, "claim")) == 2, driver)
        before = {path.name: path.stat().st_mtime_ns for path in outputs(out).values()}
        done = len(receipts(out))
        cluster.remove_node(node, allow_graceful=False)
        driver.wait()
    cluster.shutdown()
    again = sum(
        path.stat().st_mtime_ns != before.get(path.name, path.stat().st_mtime_ns) for path in outputs(out).values()
    )
    return {
        "what": f"Ray, two nodes of one core, one killed after {done} of 60 shards",
        "status": str(driver.returncode),
        "written_again": again,
        **same(folder, out),
    }


def killed_driver(folder: Path, command: list[str]) -> Row:
    out = folder / "driver"
    with subprocess.Popen([*command, "-o", str(out), "--engine", "ray"], stdout=subprocess.DEVNULL) as driver:
        wait_for(lambda: len(receipts(out)) >= 10, driver)
        done = len(receipts(out))
        driver.kill()
    rerun = subprocess.run(
        [*command, "-o", str(out), "--engine", "ray", "--resume"], stdout=subprocess.DEVNULL, check=False
    )
    what = f"Ray, driver killed after {done} of 60 shards and run again"
    return {"what": what, "status": str(rerun.returncode), **same(folder, out)}


class Nothing:
    """Does nothing to an item."""

    def __call__(self, item: Item, *, begun: bool) -> dict[str, str]:  # noqa: ARG002 (a task's signature)
        return {"status": "ok"}


def handed_out(folder: Path, count: int = 1999) -> Row:
    """Hand out shards in which nothing is to be done: processor time of the driver, from the first receipt on."""
    from limpid.jobs.engines.ray import run_ray

    folder.mkdir()
    record_folder = JobFolder(folder)
    record_folder.path.mkdir()
    items = (Item(number, f"{number}.png", f"{number}.png") for number in range(count))
    job = record_folder.add(items, About(model={"model": "none"}, options={}))
    receipts = run_ray(job, Nothing(), job.pending(), address=None, cores=1)
    next(receipts)
    used = time.process_time()
    done = sum(1 for _ in receipts)
    return {"what": f"Ray, {count:,} shards of nothing", "driver_s": f"{(time.process_time() - used) / done:.2g}"}


def same(folder: Path, out: Path) -> Row:
    account = verified(out)
    return {
        "same_bytes": digests(out) == digests(folder / "whole"),
        "accounted": f"{account['done']} of {account['images']}, {len(account['problems'])} problems",
    }


def write_images(folder: Path, count: int, *, shape: tuple[int, ...], suffix: str, seed: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    clean = (data.astronaut() if len(shape) == 3 else data.camera())[: shape[0], : shape[1]].astype(np.float32)
    for number in range(count):
        noisy = np.clip(np.rint(clean + rng.normal(0, 15, clean.shape)), 0, 255).astype(np.uint8)
        limpid.write_image(noisy, folder / f"{number:04}.{suffix}")


@contextmanager
def small_disk(folder: Path, *, megabytes: float) -> Iterator[Path | None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1e6)}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def outputs(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.glob("*.png") if not path.name.startswith(".")}


def receipts(folder: Path, suffix: str = "jsonl") -> list[Path]:
    return list(folder.glob(f"limpid-job/*/receipts/*.{suffix}"))


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in outputs(folder).items()}


def verified(folder: Path) -> dict[str, list[object]]:
    command = [*LIMPID, "verify", str(folder), "--checksums", "--json"]
    found: dict[str, list[object]] = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not condition():
        if process.poll() is not None:
            raise SystemExit(f"it ended with status {process.returncode} before it came so far")
        time.sleep(0.01)


def quietly(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    main()
