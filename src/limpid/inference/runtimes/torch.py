"""PyTorch: for GPUs, and as the reference that other runtimes are compared with."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from torch import nn

from limpid.core.errors import OptionError
from limpid.core.image import FloatArray
from limpid.inference.runtimes import Network, Precision
from limpid.models.architectures.ensemble import Ensemble
from limpid.models.checkpoint import load_network
from limpid.models.layout import channels_last, layout_of
from limpid.models.store import StoredModel

__all__ = ["TorchRuntime", "has_bf16", "takes_cuda"]


def takes_cuda(device: str) -> bool:
    """Return whether ``cpu``, ``cuda`` or ``auto`` stands for CUDA here: ``auto`` does where there is a device.

    Raises
    ------
    OptionError
        If CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise OptionError("this torch finds no CUDA device; choose the device cpu or auto.")
    return available and device != "cpu"


def has_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware.

    A processor without AVX512-BF16 or AMX converts each number there and back. A training step of a small U-Net took
    20 ms in bfloat16 and 38 in float32 on one thread with AVX512-BF16; with that switched off (ONEDNN_MAX_CPU_ISA) it
    took 78 ms and 37, with AVX2 alone 379 and 39.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class TorchRuntime:
    """Runs models on a CUDA device where there is one, else on the CPU.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda`` or ``auto``.
    threads : int, optional
        CPU threads of this process' torch, all cores where not given.

    Raises
    ------
    OptionError
        If CUDA is asked for and not there.
    """

    name = "torch"

    def __init__(self, *, device: str = "auto", threads: int | None = None) -> None:
        self.torch_device = torch.device("cuda" if takes_cuda(device) else "cpu")
        if threads is not None:
            torch.set_num_threads(threads)

    @property
    def device(self) -> str:
        """The device's name and torch's version."""
        cuda = self.torch_device.type == "cuda"
        return f"{torch.cuda.get_device_name() if cuda else 'cpu'}, torch {torch.__version__}"

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """bf16 where the device multiplies it in hardware."""
        return ("bf16", "fp32") if has_bf16(self.torch_device) else ("fp32",)

    def compile(self, model: StoredModel, *, precision: Precision) -> Network:
        """Return the model, ready to run."""
        return self.prepare(load_network(model), precision=precision)

    def prepare(self, module: nn.Module, *, precision: Precision) -> Network:
        """Return what runs a module that is called as ``module(noisy, level)``. The module itself may be moved."""
        if precision == "bf16":
            module = copy.deepcopy(module)  # its first layer is changed
        network = module.eval().to(self.torch_device, memory_format=layout_of(module))  # type: ignore[call-overload]
        if precision == "bf16":
            _spare_pixels(network, self.torch_device)
        lock = threading.Lock()

        def run(noisy: FloatArray, level: FloatArray) -> FloatArray:
            inputs = [self._tensor(array) for array in (noisy, level)]
            with (
                lock,
                torch.inference_mode(),
                torch.autocast(self.torch_device.type, torch.bfloat16, enabled=precision == "bf16"),
            ):
                return np.asarray(network(*inputs).float().cpu().numpy())

        return run

    def _tensor(self, array: FloatArray) -> torch.Tensor:
        # torch warns of arrays that are read-only, as a level for all pixels is.
        tensor = torch.from_numpy(np.require(array, requirements="W"))
        return tensor.to(self.torch_device, memory_format=channels_last(tensor))


def _spare_pixels(network: nn.Module, device: torch.device) -> None:
    """Let the first convolution multiply in fp32: what bf16 would round there are the pixels themselves."""
    members: Iterable[nn.Module] = network.members if isinstance(network, Ensemble) else [network]
    for member in members:
        kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d
        first = next((module for module in member.modules() if isinstance(module, kinds)), None)
        if first is not None:
            first.forward = partial(_in_fp32, first.forward, device)  # type: ignore[method-assign]


def _in_fp32(layer: Callable[[torch.Tensor], torch.Tensor], device: torch.device, values: torch.Tensor) -> torch.Tensor:
    with torch.autocast(device.type, enabled=False):
        return layer(values.float())
