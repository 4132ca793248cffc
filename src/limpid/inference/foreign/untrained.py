"""Published architectures with random weights, to be timed: arithmetic does not get faster by training."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from limpid.core.denoiser import Capabilities
from limpid.core.errors import ModelError
from limpid.core.plain import error_text
from limpid.inference.foreign.denoiser import ForeignDenoiser, Sizes
from limpid.inference.foreign.spandrel import Residual, imported_spandrel
from limpid.inference.precision import made_picture
from limpid.inference.runtimes import Network, Precision, Runtime
from limpid.inference.runtimes.openvino import OpenVINORuntime
from limpid.inference.runtimes.torch import TorchRuntime
from limpid.models.checkpoint import to_onnx
from limpid.models.registry import build_network

__all__ = ["ARCHITECTURES", "Candidate", "Untrained"]

_log = logging.getLogger(__name__)

#: Largest difference between a network and what it is exported as, as a share of the largest value: fp32 arithmetic in
#: another order. Random weights give values of any size.
_EXPORT_TOLERANCE: Final = 1e-3

#: Multiply-accumulates are counted on a square of so many pixels: a multiple of what every architecture halves to.
_COUNTED_PX: Final = 128


@dataclass(frozen=True)
class Candidate:
    """A network in a runtime, at one size.

    Attributes
    ----------
    denoiser : ForeignDenoiser
        Takes square planes of that size.
    precision : str
        Its arithmetic.
    """

    denoiser: ForeignDenoiser
    precision: Precision


class Untrained:
    """An architecture as its paper describes it, with random weights.

    Parameters
    ----------
    architecture : str
        A key of :data:`ARCHITECTURES`.
    channels : int
        1 or 3.
    threads : int, optional
        CPU threads; all cores where not given.

    Raises
    ------
    ModelError
        If there is no such architecture.
    """

    def __init__(self, architecture: str, *, channels: int, threads: int | None = None) -> None:
        if architecture not in ARCHITECTURES:
            raise ModelError(f"no published architecture {architecture!r}; there are {', '.join(ARCHITECTURES)}.")
        self.architecture = architecture
        self.channels = channels
        self._threads = threads
        self._module = ARCHITECTURES[architecture](channels).eval()

    @property
    def parameters(self) -> int:
        """Number of trained numbers, if it were trained."""
        return sum(one.numel() for one in self._module.parameters())

    def kmac_per_pixel(self) -> float:
        """Return the multiply-accumulates per pixel, in thousands, of convolutions, matrices and attention."""
        zeros = torch.zeros(1, self.channels, _COUNTED_PX, _COUNTED_PX)
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            self._module(zeros, zeros)
        return float(counted.get_total_flops()) / 2 / _COUNTED_PX**2 / 1000

    def in_torch(self) -> Iterator[Candidate]:
        """Yield the network in torch on the CPU, in each arithmetic that the processor has; it takes any size."""
        runtime = TorchRuntime(device="cpu", threads=self._threads)
        for precision in _without_int8(runtime):
            yield self._candidate(runtime, runtime.prepare(self._module, precision=precision), precision)

    def in_openvino(self, side: int) -> Iterator[Candidate]:
        """Yield the network in OpenVINO for planes of one size, likewise; nothing where it can't be exported.

        Parameters
        ----------
        side : int
            Height and width of the planes.
        """
        runtime = OpenVINORuntime(threads=self._threads)
        try:
            content = self._exported(side)
            exact = runtime.network(content, precision="fp32")
            self._check(exact, side)
        except (ModelError, RuntimeError) as error:
            _log.warning("%s runs in torch only: %s", self.architecture, error_text(error, 200))
            return
        for precision in _without_int8(runtime):
            network = exact if precision == "fp32" else runtime.network(content, precision=precision)
            yield self._candidate(runtime, network, precision)

    def _exported(self, side: int) -> bytes:
        try:
            return to_onnx(self._module, channels=self.channels, size_multiple=1, weights="fp32", side=side)
        except Exception as error:  # the exporter raises errors of many kinds where it does not know an operation
            raise ModelError(f"torch can't export it: {error}") from error

    def _check(self, network: Network, side: int) -> None:
        """Refuse an export that does not give what the module gives."""
        noisy = np.ascontiguousarray(made_picture(self.channels, side)[None])
        level = np.full_like(noisy, 0.1)
        with torch.inference_mode():
            expected = self._module(*(torch.from_numpy(array) for array in (noisy, level))).numpy()
        difference = np.abs(network(noisy, level) - expected).max()
        if not difference <= _EXPORT_TOLERANCE * np.abs(expected).max():
            raise ModelError("what torch exports gives another image.")

    def _candidate(self, runtime: Runtime, network: Network, precision: Precision) -> Candidate:
        denoiser = ForeignDenoiser(
            name=self.architecture,
            identity={"model": self.architecture, "weights": "random"},
            capabilities=Capabilities(channels=(self.channels,), level_map=True),
            sizes=Sizes(),
            runtime=runtime,
            network=network,
        )
        return Candidate(denoiser, precision)


def _without_int8(runtime: Runtime) -> list[Precision]:
    """Return the arithmetic of a device that needs no calibration, which random weights can't have."""
    return [precision for precision in runtime.precisions if precision != "int8"]


def _dncnn(channels: int) -> nn.Module:
    # DnCNN-S, in colour CDnCNN-B; batch normalisation is folded into the convolutions, as the authors ship them.
    depth = 17 if channels == 1 else 20
    return _of_spandrel("DnCNN", False, in_nc=channels, out_nc=channels, nc=64, nb=depth, act_mode="R")


def _ffdnet(channels: int) -> nn.Module:
    width, depth = (64, 15) if channels == 1 else (96, 12)
    return build_network("ffdnet", {"channels": channels, "width": width, "depth": depth})


def _drunet(channels: int) -> nn.Module:
    return _of_spandrel("DRUNet", True, in_nc=channels + 1, out_nc=channels, nc=[64, 128, 256, 512], nb=4, act_mode="R")


def _scunet(channels: int) -> nn.Module:
    return _of_spandrel("SCUNet", False, in_nc=channels, config=[4] * 7, dim=64)


def _of_spandrel(name: str, told: bool, **parameters: Any) -> nn.Module:
    imported_spandrel()
    network_class = getattr(importlib.import_module(f"spandrel.architectures.{name}"), name)
    return Residual(network_class(**parameters), told=told, size_multiple=1)


#: Architecture -> what builds it for so many channels, with the hyper-parameters of its paper.
ARCHITECTURES: Final[Mapping[str, Callable[[int], nn.Module]]] = {
    "dncnn": _dncnn,
    "ffdnet": _ffdnet,
    "drunet": _drunet,
    "scunet": _scunet,
}
