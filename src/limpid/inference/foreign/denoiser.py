"""A network from elsewhere as a denoiser: sizes it takes, how far it sees, and what it is fed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from limpid.core.denoiser import Capabilities
from limpid.core.errors import ModelError, OptionError
from limpid.core.image import FloatArray
from limpid.inference.denoiser import denoised
from limpid.inference.foreign.card import OnnxCard
from limpid.inference.runtimes import Network, Precision, Runtime, check_precision, load_runtime

__all__ = ["ForeignDenoiser", "Sizes", "chosen_runtime", "file_digest"]


@dataclass(frozen=True)
class Sizes:
    """Heights and widths that a network takes: multiples of `multiple`, at least `minimum`, equal if `square`."""

    multiple: int = 1
    minimum: int = 0
    square: bool = False

    def padding(self, height: int, width: int) -> tuple[int, int]:
        """Return the pixels that an image lacks, at the bottom and at the right."""
        sides = [max(n, self.minimum) + -max(n, self.minimum) % self.multiple for n in (height, width)]
        if self.square:
            sides = [max(sides)] * 2
        return sides[0] - height, sides[1] - width


@dataclass(frozen=True, kw_only=True)
class ForeignDenoiser:
    """Runs one network that is not limpid's own.

    Attributes
    ----------
    name : str
        Name of its file, without the ending.
    identity : mapping
        With the SHA-256 of the file.
    capabilities : Capabilities
        What it can be asked for.
    sizes : Sizes
        What planes are continued to, by their mirror image.
    runtime : Runtime
        Where it runs.
    network : Network
        Gives the residual to add.
    as_onnx : callable or None
        Returns an ONNX file of the network and the card that goes with it; None where there is no way to one.
    as_weights : callable or None
        Returns the weights as torch tensors by name; None where they belong to no torch module.
    """

    name: str
    identity: Mapping[str, Any]
    capabilities: Capabilities
    sizes: Sizes
    runtime: Runtime
    network: Network
    as_onnx: Callable[[], tuple[bytes, OnnxCard]] | None = None
    as_weights: Callable[[], Mapping[str, Any]] | None = None

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane, see :meth:`limpid.core.denoiser.Denoiser.denoise_plane`."""
        return self._denoised(noisy, level)

    def denoise_stack(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised stack, see :meth:`limpid.core.denoiser.StackDenoiser.denoise_stack`."""
        return self._denoised(noisy, level)

    def _denoised(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        pad = self.sizes.padding(*noisy.shape[-3:-1])
        return denoised(self.network, noisy, level, pad=pad, volumetric=self.capabilities.volumetric)


def chosen_runtime(
    path: Path, only: str, *, runtime: str, device: str, precision: str, threads: int | None
) -> tuple[Runtime, Precision]:
    """Return the one runtime that a file runs in, and the arithmetic, which is fp32 unless asked for.

    Raises
    ------
    OptionError
        If another one is asked for, or the arithmetic is not to be had.
    """
    if runtime not in ("auto", only):
        raise OptionError(f"{path.name} runs in {only} only, not in {runtime!r}; leave the runtime to auto.")
    found = load_runtime(only, device=device, threads=threads)
    check_precision(precision, found)
    if precision == "int8":
        raise OptionError(f"{path.name} has not been calibrated for int8; leave the precision to auto.")
    return found, "fp32" if precision == "auto" else cast(Precision, precision)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    ModelError
        If it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} can't be read ({error.strerror}).", source=str(path)) from error
