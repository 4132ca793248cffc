"""Ways to run a stored model. Nothing is imported until one is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, Literal, Protocol

from limpid.core.errors import MissingExtraError, OptionError
from limpid.core.image import FloatArray
from limpid.models.store import StoredModel

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "RUNTIMES",
    "Network",
    "Precision",
    "Runtime",
    "check_device",
    "check_precision",
    "load_runtime",
]

Precision = Literal["int8", "bf16", "fp32"]

DEVICES: Final = ("auto", "cpu", "cuda")

#: Fastest first.
PRECISIONS: Final[tuple[Precision, ...]] = ("int8", "bf16", "fp32")


class Network(Protocol):
    """A compiled model: residual from noisy image and level, all float32 of shape (1, C, H, W).

    Of a volumetric model, they are stacks of shape (1, C, D, H, W).
    """

    def __call__(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the residual to add to `noisy`. Calls from several threads take turns."""
        ...


class Runtime(Protocol):
    """Compiles stored models for one device."""

    @property
    def name(self) -> str:
        """Name in :data:`RUNTIMES`."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, and in which version, in words; results may differ between two of them."""
        ...

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Arithmetic that the device does in hardware."""
        ...

    def compile(self, model: StoredModel, *, precision: Precision) -> Network:
        """Return the model, ready to run."""
        ...


#: Name -> ("module:class", extra that installs what it needs, package to name if it is missing).
RUNTIMES: Final[Mapping[str, tuple[str, str, str]]] = {
    "openvino": ("limpid.inference.runtimes.openvino:OpenVINORuntime", "all", "openvino"),
    "onnxruntime": ("limpid.inference.runtimes.onnxruntime:ONNXRuntime", "onnx", "onnxruntime"),
    "torch": ("limpid.inference.runtimes.torch:TorchRuntime", "train", "torch"),
}


def check_device(name: str) -> None:
    """Refuse what is no name of a device.

    Raises
    ------
    OptionError
        If it is none of :data:`DEVICES`.
    """
    if name not in DEVICES:
        raise OptionError(f"no device {name!r}; choose one of: {', '.join(DEVICES)}.")


def check_precision(precision: str, runtime: Runtime) -> None:
    """Refuse arithmetic that is unknown or that a runtime's device doesn't have; ``auto`` is neither.

    Raises
    ------
    OptionError
        If it is one of them.
    """
    if precision not in ("auto", *PRECISIONS):
        raise OptionError(f"no precision {precision!r}; choose one of: auto, {', '.join(PRECISIONS)}.")
    if precision not in ("auto", *runtime.precisions):
        raise OptionError(f"{runtime.device} has no {precision}; choose one of auto, {', '.join(runtime.precisions)}.")


def load_runtime(name: str = "auto", *, device: str = "auto", threads: int | None = None) -> Runtime:
    """Return a runtime by name.

    Parameters
    ----------
    name : str
        A key of :data:`RUNTIMES`, or ``auto``: OpenVINO, which is in the base installation, but torch for CUDA.
    device : str
        ``cpu``, ``cuda``, or ``auto``: torch and ONNX Runtime take CUDA where there is any, OpenVINO the CPU.
    threads : int, optional
        CPU threads; all cores where not given.

    Raises
    ------
    OptionError
        If there is no such runtime, or it can't have the device.
    MissingExtraError
        If what it needs is not installed.
    """
    check_device(device)
    if name == "auto":
        name = "torch" if device == "cuda" else "openvino"
    if name not in RUNTIMES:
        raise OptionError(f"no runtime {name!r}; choose one of: auto, {', '.join(RUNTIMES)}.")
    target, extra, package = RUNTIMES[name]
    module, _, attribute = target.partition(":")
    try:
        runtime: Runtime = getattr(importlib.import_module(module), attribute)(device=device, threads=threads)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or package, extra=extra, purpose=f"the runtime {name!r}") from error
    return runtime
