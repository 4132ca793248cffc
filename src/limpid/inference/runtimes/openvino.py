"""OpenVINO on the CPU: the default runtime, without torch."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import openvino as ov

from limpid.core.errors import ModelError, OptionError
from limpid.core.image import FloatArray
from limpid.core.plain import error_text
from limpid.inference.compiled import keep, kept
from limpid.inference.quantise import costs, observe, quantise
from limpid.inference.runtimes import PRECISIONS, Network, Precision
from limpid.inference.twofold import REST, parts, take_rest
from limpid.models.int8 import checked_int8
from limpid.models.store import StoredModel

__all__ = ["Graph", "OpenVINORuntime", "Port"]

_log = logging.getLogger(__name__)

#: In int8, of what has no type of its own: rounding the pixels themselves to bf16, in the first convolution, would cost
#: more than all of int8 does.
_HINTS = {"int8": "f32", "bf16": "bf16", "fp32": "f32"}

#: Raised whenever something else is made of a network before it is compiled, so that none made otherwise is read back.
_EDITION: Final = 2

_NONE: Final[Mapping[str, Sequence[float]]] = {}

#: Where notes stand in OpenVINO's own format.
_NOTES: Final = "limpid"

#: Compiled kernels kept for shapes met before, by OpenVINO for each model and by oneDNN inside it for the process. By
#: default these are 5000 and 1024, and a folder of pictures of many sizes takes more memory with each (measured: 90 MB
#: after 300 small ones). Making kernels again costs 5 % where three small shapes alternate, nothing where one repeats.
_SHAPE_KERNELS: Final = 16
_PROCESS_KERNELS: Final = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


class Port(NamedTuple):
    """An input or output of an ONNX file: lengths that are free are None, and so is a shape of unknown rank."""

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str


class Graph(NamedTuple):
    """What an ONNX file takes and gives, and the notes in it."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: Mapping[str, str]


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
        """int8 and bf16 where the processor multiplies them in hardware (bf16: AVX512-BF16, AMX)."""
        able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return tuple(p for p in PRECISIONS if p == "fp32" or p.upper() in able)

    def compile(self, model: StoredModel, *, precision: Precision) -> Network:
        """Return the model, ready to run; compiled by an earlier process, where the cache folder holds it."""
        content = model.network
        ranges = checked_int8(model.card.int8, name=model.card.name).ranges if precision == "int8" else _NONE
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        # Threads are none of it: they are told when it is read.
        decisive = (
            f"{_EDITION} {self.device} {ov.__version__} {sorted(capabilities)} {precision} {model.card.sha256} {ranges}"
        )
        compiled = self._read_back(decisive, self._config(precision))
        if compiled is None:
            compiled = self._compiled(content, precision, ranges)
            keep(decisive, compiled.export_model().getvalue())
        return _network(_run(compiled))

    def network(
        self, content: bytes, *, precision: Precision, ranges: Mapping[str, Sequence[float]] = _NONE
    ) -> Network:
        """Return what runs the ONNX file of a limpid network, which is not kept; arguments as of :meth:`prepare`."""
        return _network(self.prepare(content, precision=precision, ranges=ranges))

    def observer(self, model: StoredModel) -> Callable[[FloatArray, FloatArray], dict[str, FloatArray]]:
        """Return what tells the largest magnitudes in the input of each convolution that could be int8.

        By the names of the weights, of shape (C,), for a noisy image and its level as a :class:`Network` takes them.
        """
        graph = self._read(model.network)
        names = observe(graph)
        run = _run(self._core.compile_model(graph, "CPU", self._config("fp32")))

        def largest(noisy: FloatArray, level: FloatArray) -> dict[str, FloatArray]:
            outputs = run({"noisy": noisy, "level": level})
            found: dict[str, FloatArray] = {}
            for output, weights in names.items():
                found[weights] = np.maximum(found.get(weights, 0), outputs[output])
            return found

        return largest

    def costs(self, model: StoredModel, *, side: int) -> Mapping[str, int]:
        """Return the multiply-accumulates of each convolution that could be int8, for a square image of that side."""
        return costs(self._read(model.network), side=side)

    def inspect(self, content: bytes) -> Graph:
        """Return what an ONNX file takes and gives; an input that nothing depends on is left out.

        Raises
        ------
        ModelError
            If OpenVINO can't read it; the message is OpenVINO's, in one line.
        """
        model = self._read(content)
        return Graph(
            tuple(_port(port) for port in model.inputs), tuple(_port(port) for port in model.outputs), _notes(model)
        )

    def to_ir(self, content: bytes, *, notes: Mapping[str, str]) -> tuple[bytes, bytes]:
        """Return an ONNX file in OpenVINO's own format: the ``.xml`` with notes in it, and the ``.bin``."""
        model = self._read(content)
        for key, value in notes.items():
            model.set_rt_info(value, [_NOTES, key])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.xml"
            ov.save_model(model, path, compress_to_fp16=False)  # weights that are fp16 already stay so
            return path.read_bytes(), path.with_suffix(".bin").read_bytes()

    def prepare(
        self, content: bytes, *, precision: Precision, ranges: Mapping[str, Sequence[float]] = _NONE
    ) -> Callable[[Mapping[str, FloatArray]], Mapping[str, FloatArray]]:
        """Return what runs an ONNX file: outputs from inputs, by their names. Inputs that nothing uses are dropped.

        In int8, `ranges` are those of :func:`~limpid.inference.quantise.quantise`.
        """
        return _run(self._compiled(content, precision, ranges))

    def _compiled(
        self, content: bytes, precision: Precision, ranges: Mapping[str, Sequence[float]]
    ) -> ov.CompiledModel:
        graph = self._read(content)
        if ranges:
            quantise(graph, ranges, rest="bf16" if "bf16" in self.precisions else "f32")
        if precision == "bf16":
            take_rest(graph)
        with _few_kernels_kept():
            return self._core.compile_model(graph, "CPU", self._config(precision))

    def _read_back(self, decisive: str, config: Mapping[str, str | int]) -> ov.CompiledModel | None:
        """Return a network that was compiled before, None where none is kept, or OpenVINO does not take it."""
        content = kept(decisive)
        if content is None:
            return None
        try:
            with _few_kernels_kept():
                return self._core.import_model(content, "CPU", dict(config))
        except RuntimeError as error:
            _log.info("a compiled network can't be read back, and is compiled again: %s", str(error).split("\n")[0])
            return None

    def _config(self, precision: Precision) -> dict[str, str | int]:
        config: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "CPU_RUNTIME_CACHE_CAPACITY": _SHAPE_KERNELS,
            # Pinned threads of two processes share the first cores and leave the others idle.
            "ENABLE_CPU_PINNING": False,
        }
        if self._threads is not None:
            config["INFERENCE_NUM_THREADS"] = self._threads
        return config

    def _read(self, content: bytes) -> ov.Model:
        try:
            return self._core.read_model(content)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO can't read the network: {error_text(error, 300)}") from error


def _network(run: Callable[[Mapping[str, FloatArray]], Mapping[str, FloatArray]]) -> Network:
    return lambda noisy, level: run({"noisy": noisy, "level": level})["residual"]


def _run(compiled: ov.CompiledModel) -> Callable[[Mapping[str, FloatArray]], Mapping[str, FloatArray]]:
    used = {port.any_name for port in compiled.inputs}  # OpenVINO drops an input that nothing depends on
    request = compiled.create_infer_request()
    lock = threading.Lock()

    def run(inputs: Mapping[str, FloatArray]) -> Mapping[str, FloatArray]:
        if REST in used:
            noisy, rest = parts(inputs["noisy"])
            inputs = {**inputs, "noisy": noisy, REST: rest}
        with lock:
            given = {name: value for name, value in inputs.items() if name in used}
            outputs = request.infer(given, share_inputs=True)
            return {port.any_name: np.asarray(value) for port, value in outputs.items()}

    return run


def _port(port: ov.Output) -> Port:
    dims = port.partial_shape
    shape = None
    if dims.rank.is_static:
        shape = tuple(None if length.is_dynamic else length.get_length() for length in dims)
    return Port(port.any_name, shape, port.element_type.to_string())


def _notes(model: ov.Model) -> dict[str, str]:
    """Return the metadata of an ONNX file, which OpenVINO keeps with what it knows of the framework."""
    info = dict(model.get_rt_info())
    return {key: str(note.value) for key, note in info.get("framework", {}).items()}


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
            os.environ.pop(name, None)  # another thread may have compiled at the same time
