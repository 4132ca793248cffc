"""PyTorch: for GPUs, and as the reference that other runtimes are compared with."""

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import nn

from limpid.core.errors import OptionError
from limpid.core.image import FloatArray
from limpid.inference.runtimes import Network, Precision
from limpid.models.checkpoint import load_network
from limpid.models.store import StoredModel

__all__ = ["TorchRuntime"]


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
        available = torch.cuda.is_available()
        if device == "cuda" and not available:
            raise OptionError("this torch finds no CUDA device; choose the device cpu or auto.")
        self.torch_device = torch.device("cuda" if available and device != "cpu" else "cpu")
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
        if self.torch_device.type == "cuda":
            fast = torch.cuda.is_bf16_supported()
        else:
            fast = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        return ("bf16", "fp32") if fast else ("fp32",)

    def compile(self, model: StoredModel, *, precision: Precision) -> Network:
        """Return the model, ready to run."""
        return self.prepare(load_network(model), precision=precision)

    def prepare(self, module: nn.Module, *, precision: Precision) -> Network:
        """Return a module that is called as ``module(noisy, level)``, ready to run."""
        network = module.eval().to(self.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
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
        writable = np.require(array, requirements="W")
        return torch.from_numpy(writable).to(self.torch_device, memory_format=torch.channels_last)
