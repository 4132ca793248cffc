"""Which engine does the shards of a call, and with how many processes and threads."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from typing import Final

from limpid.core.cores import usable_cores
from limpid.jobs import Job
from limpid.jobs.engines.local import core_groups, run_local, threads_for
from limpid.jobs.work import Receipt
from limpid.workflows.job import Engine
from limpid.workflows.task import BASE_BYTES, DenoiseTask

__all__ = ["engine_for"]

#: Below so many images for each, another process takes longer to start than it saves.
_WORTH_A_PROCESS: Final = 16


def engine_for(task: DenoiseTask) -> Engine:
    """Return what does the shards of a call, as its options ask for."""
    return _local(task) if task.options.engine == "local" else _ray(task)


def _ray(task: DenoiseTask) -> Engine:
    """Return Ray, whose workers have one core each if nothing else is asked for: no core then waits for another."""
    options = task.options
    cores = options.threads or 1
    task = task.with_options(threads=cores)

    def run(job: Job, numbers: Sequence[int]) -> Generator[Receipt, None, None]:
        from limpid.jobs.engines.ray import run_ray

        return run_ray(job, task, numbers, address=options.address, cores=cores)

    return run


def _local(task: DenoiseTask) -> Engine:
    options = task.options
    cores = options.threads or usable_cores()

    def run(job: Job, numbers: Sequence[int]) -> Generator[Receipt, None, None]:
        processes = 1
        if options.deciding(task.denoiser)["device"] != "cuda":  # processes would share its memory
            images = len(numbers) * job.header.shard_size
            processes = max(min(core_groups(cores), images // _WORTH_A_PROCESS, _fitting(options.memory)), 1)
        threads = threads_for(cores // processes)
        return run_local(job, _share(task, processes, cores), numbers, processes=processes, threads=threads)

    return run


def _share(task: DenoiseTask, processes: int, cores: int) -> DenoiseTask:
    """Return the task for one of several processes, with its share of cores and memory."""
    if processes == 1:
        return task
    memory = None if task.options.memory is None else task.options.memory // processes
    return task.with_options(threads=cores // processes, memory=memory)


def _fitting(memory: int | None) -> int:
    """Return how many processes a budget has room for: each with as much for images as for itself."""
    return os.cpu_count() or 1 if memory is None else memory // (2 * BASE_BYTES)
