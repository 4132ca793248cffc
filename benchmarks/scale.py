"""Work at scale: what images cost, what the record of a job costs, and a billion images on clusters that lose nodes.

python benchmarks/scale.py [cost] [plan] [record] [requests] [cluster]     (Linux; all: 20 minutes, 2 GB of disk)

``cost``: processor time and bytes of an image, of each verb. ``plan``: writing and opening a plan, and doing its shards
with nothing to do in them. ``record``: the receipts of a billion images on disk, listed. ``requests``: what a job asks
of an object store. ``cluster``: a job of a billion images on 16, 256 and 2,048 nodes, in simulated time; what is real
there and what is not is said in `cluster.py`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from cluster import Cluster, Record, Remembered, simulate
from record import record
from skimage import data

import limpid
from limpid.io.stores import store_at
from limpid.jobs import About, Item, Job, JobFolder, Row, last_rows, manifest
from limpid.jobs.engines.ray import portions_of
from limpid.jobs.job import Header
from limpid.jobs.manifest import shard_size
from limpid.jobs.work import process_shard
from limpid.workflows.files import denoise_files
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.task import FileResult

LIMPID = [sys.executable, "-m", "limpid"]
Figures = dict[str, object]
Made = TypeVar("Made")

IMAGES = 1_000_000_000

#: A row of a receipt as denoising writes it, of common length.
ROW: Row = {
    "status": "ok",
    "error": None,
    "changed": False,
    "model": "fast-colour",
    "sigma": 15.083121299743652,
    "sigma_per_channel": [15.118, 15.041, 15.090],
    "blind": True,
    "strength": 1.0,
    "seconds": 0.241,
    "input_size": 634_517,
    "input_version": "1764096888273645463",
    "input_sha256": "5" * 64,
    "output_size": 402_113,
    "output_version": "1764096888273645463",
    "output_sha256": "7" * 64,
    "assessment": None,
}


def main() -> None:
    parts = {"cost": cost, "plan": plan, "record": receipts, "requests": requests, "cluster": clusters}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    for name in parser.parse_args().parts or parts:
        with tempfile.TemporaryDirectory() as folder:
            record("scale", [{"part": name, **row} for row in parts[name](Path(folder))], part="part")


# What an image costs: the difference between a process that does some images and one that does few, so that what
# starting it costs is left out. Processor time hardly depends on what else the machine does.


def cost(folder: Path) -> Iterator[Figures]:
    """Yield core seconds and bytes of an image, of each verb."""
    kinds: list[tuple[str, tuple[int, ...], str, int]] = [
        ("gray 512x512 PNG", (512, 512), "png", 40),
        ("colour 512x512 JPEG", (512, 512, 3), "jpg", 40),
        ("colour 4000x3000 JPEG", (3000, 4000, 3), "jpg", 1),
    ]
    for kind, shape, suffix, count in kinds:
        few, many = (folder / suffix / f"{shape[0]}-{number}" for number in (1, 1 + count))
        for where, number in ((few, 1), (many, 1 + count)):
            write_images(where, number, shape=shape, suffix=suffix)
        bytes_in = np.mean([path.stat().st_size for path in many.iterdir()])
        verbs: dict[str, list[str]] = {"survey": ["survey"], "denoise": ["denoise", "-m", "fast"]}
        verbs["denoise --assess"] = [*verbs["denoise"], "--assess"]
        for verb, (name, *options) in verbs.items():
            used = []
            for where in (few, many):
                out = where.with_name(f"{where.name}-{verb}")
                used.append(core_seconds([*LIMPID, name, str(where), "-o", str(out), *options]))
            each = (used[1] - used[0]) / count
            row: Figures = {"what": f"{verb}, {kind}", "core_s": f"{each:.3g}", "bytes_in": f"{bytes_in:.0f}"}
            if name == "denoise":
                written = [path.stat().st_size for path in out.glob(f"*.{suffix}")]
                lines = [path.stat().st_size for path in out.glob("limpid-job/*/receipts/*.jsonl")]
                row |= {"bytes_out": f"{np.mean(written):.0f}", "receipt_bytes": f"{np.mean(lines):.0f}"}
            yield row


def core_seconds(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime


def write_images(folder: Path, count: int, *, shape: tuple[int, ...], suffix: str) -> None:
    """Write photographs with noise of sigma 15, each turned or mirrored in another way."""
    folder.mkdir(parents=True)
    scene = data.astronaut() if len(shape) == 3 else data.camera()
    times = [-(-wanted // there) for wanted, there in zip(shape[:2], scene.shape[:2], strict=True)]
    large = np.tile(scene, (*times, *[1] * (len(shape) - 2)))[: shape[0], : shape[1]].astype(np.float32)
    for number in range(count):
        noise = 15 * np.random.default_rng(number).standard_normal(shape, dtype=np.float32)
        noisy = np.clip(np.rint(np.roll(large, 31 * number, axis=1) + noise), 0, 255).astype(np.uint8)
        limpid.write_image(noisy, folder / f"{number:04}.{suffix}")


# What a plan costs. Seconds are those of processors, here too: waiting for the disk is not counted.


def plan(folder: Path) -> Iterator[Figures]:
    """Yield core seconds, bytes and memory of plans, each in a process of its own."""
    for count, names in ((1_000_000, "numbered"), (1_000_000, "random"), (10_000_000, "numbered")):
        where = folder / f"{count}-{names}"
        found, peak = alone(planned, where, count, names)
        yield {"what": f"a plan of {count:,} images, {names} names", **found, "peak_mb": peak}
    found, peak = alone(worked, where)
    yield {"what": "shards of 4,096 images with nothing to do in them", **found, "peak_mb": peak}


def planned(folder: Path, count: int, names: str) -> Figures:
    """Plan a simulated listing, and open the plan again."""
    started = time.process_time()
    folder.mkdir()
    job = JobFolder(store_at(folder)).add(listing(count, names), About(model={"model": "none"}, options={}))
    seconds = time.process_time() - started
    started = time.process_time()
    Job.open(job.store)
    opened = time.process_time() - started
    size = Path(job.address, "manifest.parquet").stat().st_size
    return {"plan_s": f"{seconds:.3g}", "open_s": f"{opened:.3g}", "manifest_bytes": f"{size / count:.3g}"}


def listing(count: int, names: str) -> Iterator[Item]:
    """Yield files, 1000 to a folder; names that are random can't be compressed."""
    rng = np.random.default_rng(0)
    for number in range(count):
        name = f"{number:010}" if names == "numbered" else rng.bytes(16).hex()
        path = f"{number // 1000:06}/{name}.jpg"
        yield Item(number, f"../photos/{path}", path, None, 300_000 + number * 7919 % 99_991, f"{number * 10**9}")


def worked(folder: Path) -> Figures:
    """Do shards in which nothing is to be done: first as one process does them, then as a worker of Ray does."""
    job = JobFolder(store_at(folder)).jobs()[0]
    numbers = range(0, job.shards, job.shards // 20)

    def nothing(item: Item, *, begun: bool) -> Row:  # noqa: ARG001 (a task's signature)
        return ROW

    started = time.process_time()
    shards = list(job.read_shards(range(20)))
    together = (time.process_time() - started) / 20
    started = time.process_time()
    for number in numbers:
        next(job.read_shards([number]))
    alone_s = (time.process_time() - started) / len(numbers)
    started = time.process_time()
    for shard in shards:
        process_shard(job, shard, nothing)
    recorded = (time.process_time() - started) / 20
    size = Path(job.address, "receipts", "000000.jsonl").stat().st_size / job.header.shard_size
    items, item_bytes = held(
        lambda: {(one.input, one.output): one for n in job.read_shards(range(20)) for one in n.items}
    )
    rows, row_bytes = held(lambda: last_rows([job]))
    results, result_bytes = held(
        lambda: [FileResult.of(row, row["input"], row["output"]) for row in recorded_rows(job)]
    )
    seconds = {"read_s": together, "read_alone_s": alone_s, "receipt_s": recorded}
    sizes = {
        "receipt_bytes": size,
        "item_bytes": item_bytes / len(items),
        "row_bytes": row_bytes / len(rows),
        "result_bytes": result_bytes / len(results),
    }
    return {name: f"{value:.3g}" for name, value in (seconds | sizes).items()}


def recorded_rows(job: Job) -> Iterator[Row]:
    for number in sorted(job.committed()):
        yield from job.receipt(number)


def held(make: Callable[[], Made]) -> tuple[Made, int]:
    """Return what a function makes, and the bytes of memory it takes."""
    tracemalloc.start()
    made = make()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return made, size


# What is asked of a store.


def requests(folder: Path) -> Iterator[Figures]:
    """Yield requests to a server that speaks S3, of an image and of a shard of a job."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"})
    try:
        yield from counted(folder)
    finally:
        server.stop()


def counted(folder: Path) -> Iterator[Figures]:
    from s3fs import S3FileSystem

    asked: Counter[str] = Counter()
    call = S3FileSystem._call_s3

    async def counting(self: S3FileSystem, method: str, *arguments: object, **options: object) -> object:
        asked[method] += 1
        answer = await call(self, method, *arguments, **options)
        asked["bytes"] += answer["ContentLength"] if method == "get_object" else 0
        return answer

    S3FileSystem._call_s3 = counting
    files = S3FileSystem()
    files.mkdir("photos")
    with tarfile.open(folder / "shard.tar", "w") as shard:
        for number in range(40):
            path = folder / f"{number:02}.png"
            limpid.write_image(np.random.default_rng(number).integers(0, 256, (64, 64), dtype=np.uint8), path)
            shard.add(path, path.name)
            files.put_file(path, f"photos/objects/{path.name}")
    files.put_file(folder / "shard.tar", "photos/shards/a.tar")
    for source, target in (("objects", folder), ("shards", folder), ("objects", "s3://photos")):
        size, used = files.du(f"photos/{source}"), {}
        for length in (1, 10):  # of a shard
            manifest._SHARDS = 40 // length
            asked.clear()
            out = f"{target}/out-{source}-{length}"
            done = denoise_files([f"s3://photos/{source}"], out, options=DenoiseOptions(model="median", threads=1))
            assert done.count("ok") == 40
            used[length] = Counter(asked)
        what = f"denoise, {'tar ' * (source == 'shards')}{source} to {'a disk' if target == folder else 'a store'}"
        of_shard = {name: (used[1][name] - used[10][name]) / 36 for name in CALLS}
        of_image = {name: (used[10][name] - 4 * of_shard[name]) / 40 for name in CALLS}
        yield {"what": f"{what}: an image", **rounded(of_image), "read_share": f"{used[1]['bytes'] / size:.2f}"}
        yield {"what": f"{what}: a shard of the job", **rounded(of_shard)}


#: What stores ask money for.
CALLS = ("get_object", "head_object", "list_objects_v2", "put_object", "delete_object")


def rounded(calls: Mapping[str, float]) -> Figures:
    return {name.split("_")[0]: f"{number:.1f}" for name, number in calls.items()}


# What the receipts of a billion images cost.


def receipts(folder: Path) -> Iterator[Figures]:
    """Yield core seconds to say what is pending of a billion images when half of the shards are done."""
    job = job_of(folder / "job", IMAGES)
    done = range(0, job.shards, 2)
    with without_sync():
        started = time.process_time()
        for number in done:
            job.commit(number, [{"item": number}])
        seconds = (time.process_time() - started) / len(done)
    found, peak = alone(opened, job)
    yield {
        "what": f"{len(done):,} receipts of {job.shards:,} shards",
        "receipt_s": f"{seconds:.2g}",
        **found,
        "peak_mb": peak,
    }
    claims = [job.claim(number) for number in range(1, 8192, 2)]
    started = time.process_time()
    job.sign_of_work()
    yield {"what": f"beside {len(claims):,} shards in work", "sign_s": f"{time.process_time() - started:.3g}"}


def opened(job: Job) -> Figures:
    started = time.process_time()
    pending = job.pending()
    return {"pending_s": f"{time.process_time() - started:.3g}", "pending": len(pending)}


def job_of(folder: Path, images: int) -> Job:
    """Return a job of so many images that has no plan: nobody asks for its items."""
    (folder / "receipts").mkdir(parents=True)
    return Job(
        store_at(folder), Header(model={}, options={}, manifest_sha256="", items=images, shard_size=shard_size(images))
    )


@contextmanager
def without_sync() -> Iterator[None]:
    """Don't wait for the disk: a receipt is written as ever, but may be lost if power is."""
    real, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = real


# A billion images on clusters.

#: Core seconds of an image, somewhat more than those of a small colour one in the part `cost`; and of Ray's driver for
#: a portion, as in the part `ray` of job.csv.
IMAGE_S, HAND_OUT_S = 0.5, 0.01
CORES, DRIVER_LIVES_S = 8, 72 * 3600.0


def clusters(folder: Path) -> Iterator[Figures]:
    """Yield what became of a billion images on several clusters; the record of one of them is on disk."""
    shards = -(-IMAGES // shard_size(IMAGES))
    for nodes in (16, 256, 2048):
        for days in (30, 1):
            for way in ("ray", "ray in 10,000 portions", "ranges"):
                setting = cluster_of(nodes, days, way, shards)
                yield simulated(setting, Remembered(shards), f"{nodes} nodes, {way}, a node lives {days} days")
    job = job_of(folder / "job", IMAGES)
    with without_sync():
        found = simulated(cluster_of(256, 1, "ray", shards), job, "256 nodes, ray, a node lives 1 days; record on disk")
    rows = [json.loads(path.read_bytes())["item"] for path in Path(job.address, "receipts").glob("*.jsonl")]
    left = [path.name for path in Path(job.address, "receipts").iterdir() if path.suffix != ".jsonl"]
    assert sorted(rows) == list(range(shards)), "a receipt for each shard, and one row in each"
    assert not job.pending()
    yield found | {"receipts": len(rows), "claims_left": len(left)}


def cluster_of(nodes: int, days: float, way: str, shards: int) -> Cluster:
    """Return a cluster that hands shards to its cores as the Ray engine does, now or before; or ranges to its nodes."""
    cluster = partial(Cluster, nodes=nodes, cores=CORES, node_lives_s=days * 86_400.0, hand_out_s=HAND_OUT_S)
    if way == "ranges":  # some 20 for each node, by a queue that is never lost
        length = max(round(shards / (20 * nodes) / CORES), 1) * CORES
        return cluster(portion=length, to_nodes=True, ahead=1, begin_s=30, driver_lives_s=math.inf)
    portion = -(-shards // (portions_of(shards, nodes * CORES) if way == "ray" else 10_000))
    return cluster(portion=portion, to_nodes=False, ahead=2, begin_s=0, driver_lives_s=DRIVER_LIVES_S)


def simulated(cluster: Cluster, kept: Record, what: str) -> Figures:
    shard_s = IMAGE_S * shard_size(IMAGES)
    found = simulate(cluster, kept, shard_s=shard_s, rng=np.random.default_rng(0))
    assert found.lost_with_a_node <= cluster.cores, "no more than was in work on the node"
    assert found.lost_with_a_driver <= found.in_work
    return {
        "what": what,
        "portion": cluster.portion,
        "hours": f"{found.seconds / 3600:.1f}",
        "of_ideal": f"{found.seconds / found.ideal_s:.2f}",
        "nodes_lost": found.nodes_lost,
        "drivers_lost": found.drivers_lost,
        "shards_lost": found.lost,
        "most_with_a_node": found.lost_with_a_node,
        "most_with_a_driver": found.lost_with_a_driver,
        "in_work": found.in_work,
        "lost_share": f"{found.lost_share:.4f}",
        "each_once": set(found.commits) == {1},
    }


def alone(work: Callable[..., Figures], *arguments: object) -> tuple[Figures, int]:
    """Return what a function returns in a process of its own, and the peak of that process in MB."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result(), pool.submit(peak_mb).result()


def peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


if __name__ == "__main__":
    main()
