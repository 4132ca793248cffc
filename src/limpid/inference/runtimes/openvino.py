"""OpenVINO on the CPU: the default runtime, without torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import openvino as ov

from limpid.core.errors import OptionError
from limpid.core.image import FloatArray
from limpid.inference.runtimes import Network, Precision
from limpid.models.store import StoredModel

__all__ = ["OpenVINORuntime"]

_HINTS = {"bf16": "bf16", "fp32": "f32"}


#: Compiled kernels kept for shapes met before, by OpenVINO for each model and by oneDNN inside it for the process. By
#: default these are 5000 and 1024, and a folder of pictures of many sizes takes more memory with each (measured: 90 MB
#: after 300 small ones). Making kernels again costs 5 % where three small shapes alternate, nothing where one repeats.
_SHAPE_KERNELS: Final = 16
_PROCESS_KERNELS: Final = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


class OpenVINORuntime:
    """Compiles models for the CPU. Heights and widths stay free, so one compilation serves every size."""

    name = "openvino"

    def __init__(self, *, device: str = "auto", threads: int | None = None) -> None:
        if device == "cuda":
            raise OptionError("the runtime openvino has no device cuda; leave the runtime to auto, or choose torch.")
        self._core = ov.Core()
        self._threads = threads

    @property
    def device(self) -> str:
        """The processor's name and OpenVINO's version."""
        return f"{self._core.get_property('CPU', 'FULL_DEVICE_NAME')}, openvino {ov.__version__.partition('-')[0]}"

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """bf16 where the processor multiplies it in hardware (AVX512-BF16, AMX)."""
        return ("bf16", "fp32") if "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ("fp32",)

    def compile(self, model: StoredModel, *, precision: Precision) -> Network:
        """Return the model, ready to run."""
        config: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "CPU_RUNTIME_CACHE_CAPACITY": _SHAPE_KERNELS,
            # Pinned threads of two processes share the first cores and leave the others idle.
            "ENABLE_CPU_PINNING": False,
        }
        if self._threads is not None:
            config["INFERENCE_NUM_THREADS"] = self._threads
        with _few_kernels_kept():
            compiled = self._core.compile_model(self._core.read_model(model.network), "CPU", config)
        used = {port.any_name for port in compiled.inputs}  # OpenVINO drops an input that nothing depends on
        request = compiled.create_infer_request()
        lock = threading.Lock()

        def run(noisy: FloatArray, level: FloatArray) -> FloatArray:
            with lock:
                given = {name: value for name, value in (("noisy", noisy), ("level", level)) if name in used}
                outputs = request.infer(given, share_inputs=True)
                return np.asarray(outputs["residual"])

        return run


@contextmanager
def _few_kernels_kept() -> Iterator[None]:
    """Let oneDNN, which looks when the first model is compiled, see a small cache; what the user set goes first."""
    name, value = _PROCESS_KERNELS
    told = name in os.environ
    if not told:
        os.environ[name] = value
    try:
        yield
    finally:
        if not told:
            del os.environ[name]
