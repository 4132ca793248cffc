"""The Ray engine: a cluster schedules shards, one row of Ray Data for each; that they are done is limpid's own record.

Ray Data alone loses all work when its driver is killed, and may wait for ever for a node that is gone. Here a worker
commits each shard itself, and a driver that sees nothing being done any more ends with an error.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Final

from limpid.core.errors import LimpidError, MissingExtraError, OptionError
from limpid.jobs.job import Job
from limpid.jobs.work import Receipt, Task, process_shard

__all__ = ["portions_of", "run_ray"]

#: Without any image done anywhere for so long, the cluster is taken to be stalled.
_STALL_S: Final = 1800.0
#: A cluster that is there answers within this time.
_ANSWER_S: Final = 10.0
#: How often it is looked; the folder of receipts is listed each time.
_LOOK_S: Final = 30.0
#: Shards are handed out one by one up to so many, and then in portions: each takes 1 ms and 7 KB of the driver.
_PORTIONS: Final = 10_000
#: But each worker gets so many portions, since in the end all wait for the last one.
_PORTIONS_EACH: Final = 20
#: Said where the engine gives up.
_GO_ON: Final = "What is done is on record: go on with --resume."
#: Of so many cores, one is left to Ray itself and to whatever else runs there.
_CORES_FOR_ONE_FREE: Final = 8


def run_ray(
    job: Job,
    task: Task,
    numbers: Sequence[int],
    *,
    address: str | None,
    cores: int,
    stall_s: float = _STALL_S,
) -> Generator[Receipt, None, None]:
    """Do shards of a job and yield their receipts as they are committed, in any order.

    Every node sees the folder of the job, and all that the task reads and writes, under the same path.

    Parameters
    ----------
    job : Job
        The job.
    task : Task
        What is done to an item; it is pickled.
    numbers : sequence of int
        Of the shards, ascending.
    address : str, optional
        Of a cluster, as :func:`ray.init` takes it; one is started on this machine where not given.
    cores : int
        Of each worker. Their number grows from one upward as far as the cluster has cores.
    stall_s : float
        Seconds without any sign of work after which to give up.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    OptionError
        If there is no cluster at the address.
    LimpidError
        If the cluster stalls or fails; what is done is on record.
    """
    ray = _imported()
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        yield from _watched(ray, job, task, numbers, cores=cores, stall_s=stall_s)
    finally:
        if ours:
            ray.shutdown()


class _Worker:
    """What a process of the cluster does: a shard for each row."""

    def __init__(self, job: Job, task: Task) -> None:
        self._job = job
        self._task = task

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        for shard in self._job.read_shards([int(row["shard"])]):
            process_shard(self._job, shard, self._task)
        return {"shard": row["shard"]}


def _watched(
    ray: ModuleType, job: Job, task: Task, numbers: Sequence[int], *, cores: int, stall_s: float
) -> Generator[Receipt, None, None]:
    """Yield receipts as Ray Data says of each shard that it is through."""
    through: SimpleQueue[int | Exception | None] = SimpleQueue()

    def schedule() -> None:
        try:
            for row in _rows(ray, job, task, numbers, cores=cores):
                through.put(int(row["shard"]))
            through.put(None)
        except Exception as error:  # noqa: BLE001 (it is raised where the rows are waited for)
            through.put(error)

    threading.Thread(target=schedule, name="limpid-ray", daemon=True).start()
    sign, since = job.sign_of_work(), time.monotonic()
    while True:
        try:
            message = through.get(timeout=min(_LOOK_S, stall_s / 4))
        except Empty:
            if (now := job.sign_of_work()) != sign:
                sign, since = now, time.monotonic()
            elif time.monotonic() - since > stall_s:
                raise LimpidError(
                    f"nothing was done on the Ray cluster for {stall_s:.0f} s; see whether its nodes live. {_GO_ON}"
                ) from None
            continue
        if isinstance(message, Exception):
            reason = str(message).strip().splitlines() or [""]  # the last line, after the traceback of a worker
            raise LimpidError(f"Ray ended the job ({type(message).__name__}: {reason[-1]}). {_GO_ON}") from message
        if message is None:
            break
        if job.is_committed(message):
            yield message, job.receipt(message)
        since = time.monotonic()
    if undone := [number for number in numbers if not job.is_committed(number)]:
        raise LimpidError(f"{len(undone)} shards are not done, from {undone[0]} on. {_GO_ON}")


def _rows(ray: ModuleType, job: Job, task: Task, numbers: Sequence[int], *, cores: int) -> Any:
    """Return an iterator over shards that are through."""
    from ray.data import ActorPoolStrategy, DataContext, ExecutionResources, from_items

    context = DataContext.get_current()
    context.enable_progress_bars = False
    available = int(ray.cluster_resources().get("CPU", 1))
    usable = available - available // _CORES_FOR_ONE_FREE
    context.execution_options.resource_limits = ExecutionResources.for_limits(cpu=usable)
    shards = [{"shard": number} for number in numbers]
    rows = from_items(shards, override_num_blocks=portions_of(len(shards), usable // cores))
    workers = ActorPoolStrategy(min_size=1, max_size=len(shards))  # as many as there are cores for
    return rows.map(_Worker, fn_constructor_args=(job, task), compute=workers, num_cpus=cores).iter_rows()


def portions_of(shards: int, workers: int) -> int:
    """Return in how many portions shards are handed out.

    Examples
    --------
    >>> [portions_of(shards, workers) for shards, workers in ((60, 2), (244_141, 128), (244_141, 2_048))]
    [60, 10000, 40960]
    """
    return min(shards, max(_PORTIONS, _PORTIONS_EACH * workers))


def _imported() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # limpid sends nothing anywhere
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "ray", extra="ray", purpose="--engine ray") from error
    module: ModuleType = ray
    return module


def _connect(ray: ModuleType, address: str | None) -> None:
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it warns of what is meant so
    # Without an address, Ray would join whatever cluster the environment names.
    where = {"address": "local", "include_dashboard": False} if address is None else {"address": address}
    try:
        if address is not None:
            _knock(address)
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **where)
    except (OSError, ValueError, RuntimeError) as error:
        if address is None:
            raise LimpidError(f"Ray can't be started on this machine ({error}); leave the engine out.") from error
        raise OptionError(
            f"no Ray cluster answers at {address!r} ({error}); check --address, or leave it out to start one here."
        ) from error


def _knock(address: str) -> None:
    """Fail at once where nobody listens at ``HOST:PORT``: Ray itself tries for minutes, and then ends the process."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
