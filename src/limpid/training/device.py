"""What a network is trained on, and in which precision."""

from __future__ import annotations

import os
from typing import Final

import torch

from limpid.core.errors import OptionError

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
    if name not in ("auto", "cpu", "cuda"):
        raise OptionError(f"no device {name!r}; choose one of: auto, cpu, cuda.")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise OptionError("this torch finds no CUDA device; choose the device cpu or auto.")
    if name == "cpu" or not available:
        return CPU
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def precision_of(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device multiplies it in hardware, else float32.

    A processor without AVX512-BF16 or AMX converts each number there and back, which takes longer than float32.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32
