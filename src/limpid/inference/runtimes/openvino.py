"""OpenVINO on the CPU: the default runtime, without torch."""

from __future__ import annotations

import threading

import numpy as np
import openvino as ov

from limpid.core.image import FloatArray
from limpid.inference.runtimes import Network, Precision
from limpid.models.store import StoredModel

__all__ = ["OpenVINORuntime"]

_HINTS = {"bf16": "bf16", "fp32": "f32"}


class OpenVINORuntime:
    """Compiles models for the CPU. Heights and widths stay free, so one compilation serves every size."""

    name = "openvino"

    def __init__(self, *, threads: int | None = None) -> None:
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
        config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        if self._threads is not None:
            config["INFERENCE_NUM_THREADS"] = self._threads
        request = self._core.compile_model(self._core.read_model(model.network), "CPU", config).create_infer_request()
        lock = threading.Lock()

        def run(noisy: FloatArray, level: FloatArray) -> FloatArray:
            with lock:
                outputs = request.infer({"noisy": noisy, "level": level}, share_inputs=True)
                return np.asarray(outputs["residual"])

        return run
