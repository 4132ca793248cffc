"""Several processes that train one network, as torchrun starts them: they do together what one would do alone.

Every process draws the whole batch of a step, which follows from the seed and the number of the step, and runs the
strategy on all of it with the same random numbers. Only the network is shared out: each process passes its part of the
patches through it, and all get all answers. So the loss, whatever it compares, is that of one process, and a strategy
doesn't know how many there are. Gradients are summed over processes: each has that of its own patches.

The images in memory are not shared: each process has its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from limpid.core.errors import ConfigError, DataError
from limpid.training.config import TrainConfig
from limpid.training.strategies.base import Run

__all__ = ["ALONE", "Processes", "joined"]

_T = TypeVar("_T")

#: How long one process waits for another: the first one validates while the others wait.
_TIMEOUT: Final = dt.timedelta(hours=2)


class Processes:
    """The processes that train one network, as one of them sees them.

    Parameters
    ----------
    rank : int
        Number of this process, from 0 on.
    count : int
        Of all of them.
    device : torch.device
        What this one trains on.
    """

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | None = None) -> None:
        self.rank = rank
        self.count = count
        self._device = device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes, validates and talks."""
        return self.rank == 0

    def check(self, config: TrainConfig) -> None:
        """Refuse a configuration with fewer patches in a batch than processes.

        Raises
        ------
        ConfigError
            If there are fewer.
        """
        least = min(stage.batch for stage in config.stages)
        if least < self.count:
            raise ConfigError(
                f"a batch of {least} can't be shared by {self.count} processes; choose larger batches or fewer of them."
            )

    def shared(self, run: Run) -> Run:
        """Return what makes of a batch what `run` does, each process of its part of the patches."""
        if self.count == 1:
            return run

        def together(noisy: Tensor, level: Tensor) -> tuple[Tensor, ...]:
            count = len(noisy)
            own = slice(count * self.rank // self.count, count * (self.rank + 1) // self.count)
            made = []
            for part in run(noisy[own], level[own]):
                whole = part.new_zeros((count, *part.shape[1:]))
                # Adding zeros is exact, and takes parts of any length.
                whole[own] = part.detach()
                dist.all_reduce(whole)
                whole[own] = part  # again, with its gradient
                made.append(whole)
            return tuple(made)

        return together

    def sum_gradients(self, network: nn.Module) -> None:
        """Add up the gradients of all processes, in one message: these networks are small."""
        if self.count == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        totals = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, total in zip(gradients, totals, strict=True):
            gradient.copy_(total.view_as(gradient))

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether one of the processes has set it, the same in all of them."""
        if self.count == 1:
            return flags
        raised = torch.tensor(flags, dtype=torch.uint8, device=self._device)
        dist.all_reduce(raised, dist.ReduceOp.MAX)
        return tuple(map(bool, raised.tolist()))

    def from_first(self, make: Callable[[], _T]) -> _T:
        """Return what the first process makes; the others wait for it."""
        if self.count == 1:
            return make()
        made: list[_T | None] = [make() if self.first else None]
        dist.broadcast_object_list(made, src=0)
        return made[0]  # type: ignore[return-value]  # what the first one made

    def check_equal(self, tensors: Iterable[Tensor]) -> None:
        """Refuse to go on where processes have different numbers.

        Parameters
        ----------
        tensors : iterable of Tensor
            Compared bit by bit.

        Raises
        ------
        DataError
            If there is a difference.
        """
        if self.count == 1:
            return
        own = _digest(tensors)
        digests = [own] * self.count
        dist.all_gather_object(digests, own)
        other = next((rank for rank, digest in enumerate(digests) if digest != digests[0]), None)
        if other is not None:
            raise DataError(
                f"process {other} has other weights than process 0, so they no longer train one network: the machines "
                "or the versions of torch differ. Train on machines of one kind; the last checkpoint is whole."
            )


#: This process by itself.
ALONE: Final = Processes()


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started together; give :data:`ALONE` where it started none.

    They talk by NCCL where they train on CUDA devices, by Gloo on processors.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield Processes(dist.get_rank(), count, device)
    finally:
        dist.destroy_process_group()


def _digest(tensors: Iterable[Tensor]) -> str:
    hashed = hashlib.sha256()
    for tensor in tensors:
        hashed.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()
