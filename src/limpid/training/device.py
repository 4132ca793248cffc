"""What a network is trained on, and in which precision."""

from __future__ import annotations

import os
from typing import Final

import torch

from limpid.inference.runtimes import check_device
from limpid.inference.runtimes.torch import has_bf16, takes_cuda

__all__ = ["CPU", "choose_device", "precision_of"]

CPU: Final = torch.device("cpu")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name; of several CUDA devices the one that has the local number of this process.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda``, or ``auto``: CUDA where there is a device.

    Raises
    ------
    OptionError
        If the name is another one, or CUDA is asked for and not there.
    """
    check_device(name)
    if not takes_cuda(name):
        return CPU
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def precision_of(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device multiplies it in hardware, else float32."""
    return torch.bfloat16 if has_bf16(device) else torch.float32
