"""ONNX Runtime: for CPUs that OpenVINO does not know, and for CUDA where the installed package has it."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np
import onnxruntime

from limpid.core.errors import ModelError, OptionError
from limpid.core.image import FloatArray
from limpid.core.plain import error_text
from limpid.inference.runtimes import Network, Precision
from limpid.models.store import StoredModel

__all__ = ["ONNXRuntime"]

_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"

#: Only errors are logged, which are raised as well.
_QUIET: Final = 3


class ONNXRuntime:
    """Runs models in fp32.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda``, or ``auto``: CUDA where the installed package was built for it.
    threads : int, optional
        CPU threads; all cores where not given.

    Raises
    ------
    OptionError
        If CUDA is asked for and not there.
    """

    name = "onnxruntime"
    precisions: tuple[Precision, ...] = ("fp32",)

    def __init__(self, *, device: str = "auto", threads: int | None = None) -> None:
        has_cuda = _CUDA in onnxruntime.get_available_providers()
        if device == "cuda" and not has_cuda:
            raise OptionError(
                "this onnxruntime has no CUDA; install onnxruntime-gpu in its place, or choose the device cpu or auto."
            )
        self._providers = [_CUDA, _CPU] if has_cuda and device != "cpu" else [_CPU]
        self._must = device == "cuda"
        self._threads = threads

    @property
    def device(self) -> str:
        """The kind of device and ONNX Runtime's version."""
        kind = "cuda" if _CUDA in self._providers else "cpu"
        return f"{kind}, onnxruntime {onnxruntime.__version__}"

    def compile(self, model: StoredModel, *, precision: Precision) -> Network:  # noqa: ARG002 (there is one)
        """Return the model, ready to run.

        Raises
        ------
        ModelError
            If ONNX Runtime can't read it; the message is its own.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        try:
            # Its own fallback prints to standard output.
            session = onnxruntime.InferenceSession(model.network, options, providers=self._providers, enable_fallback=0)
        except Exception as error:  # its errors have no other common root
            raise ModelError(f"ONNX Runtime can't read the network: {error_text(error, 300)}") from error
        self._check_device(session.get_providers())
        lock = threading.Lock()

        def run(noisy: FloatArray, level: FloatArray) -> FloatArray:
            given = {"noisy": noisy, "level": level}
            with lock:
                (residual,) = session.run(["residual"], {port.name: given[port.name] for port in session.get_inputs()})
            return np.asarray(residual, np.float32)

        return run

    def _check_device(self, running: list[str]) -> None:
        """Take note of CUDA that a package was built for and that is not to be had, such as without a driver."""
        if self._providers[0] in running:
            return
        if self._must:
            raise OptionError("ONNX Runtime finds no working CUDA device; choose the device cpu or auto.")
        self._providers = [_CPU]
