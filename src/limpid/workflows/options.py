"""How files are denoised: one frozen value, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from limpid.core.apply import check_strengths
from limpid.core.arguments import check_number, check_range
from limpid.core.denoiser import Denoiser
from limpid.core.errors import OptionError
from limpid.io import DEFAULT_MAX_PIXELS, format_named

if TYPE_CHECKING:
    from limpid.inference.runtimes import Runtime

__all__ = ["ENGINES", "DenoiseOptions", "Way"]

#: What does the images of a call.
ENGINES: Final = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class DenoiseOptions:
    """How files are denoised.

    Attributes
    ----------
    model, runtime, device, precision, threads, allow_pickle
        As in :func:`limpid.load_model`.
    sigma : float or None
        Standard deviation of the noise in each file's own units, ``>= 0``; None measures it in each file.
    strength, chroma_strength
        As in :func:`limpid.denoise`, ``[0, 2]``.
    memory : int or None
        Bytes that the whole process should stay below. What a decoded image and its output take can't be avoided.
    value_range : (float, float) or None
        Values of black and white, in place of what files state; float files that state none need it.
    max_pixels : int
        Files that announce more are refused.
    format, quality, strip_metadata
        As in :func:`limpid.write_image`.
    in_place : bool
        Outputs replace their inputs.
    resume : bool
        Leave out what the record in the output folder calls done.
    checksums : bool
        Tell by the contents of an input whether it is another than when it was planned, or done; by size and time
        otherwise. Every input is then read twice.
    engine : str
        ``local``: this machine; ``ray``: a cluster. For calls that have a record.
    address : str or None
        Of a Ray cluster to join; None starts one on this machine.
    assess : bool
        Also say how good each result is, see :func:`limpid.assess`; takes about five times as long.
    dry_run : bool
        Only say what would be done.
    """

    model: str = "auto"
    sigma: float | None = None
    strength: float = 1.0
    chroma_strength: float | None = None
    runtime: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    allow_pickle: bool = False
    memory: int | None = None
    value_range: tuple[float, float] | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    format: str | None = None
    quality: int | None = None
    strip_metadata: bool = False
    in_place: bool = False
    resume: bool = False
    checksums: bool = False
    engine: str = "local"
    address: str | None = None
    assess: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        check_strengths(self.strength, self.chroma_strength)
        for name, low, high, whole in (
            ("sigma", 0, math.inf, False),
            ("quality", 0, 100, True),
            ("threads", 1, math.inf, True),
            ("memory", 1, math.inf, True),
            ("max_pixels", 1, math.inf, True),
        ):
            if (value := getattr(self, name)) is not None:
                check_number(name, value, low=low, high=high, whole=whole)
        check_range(self.value_range)
        if self.engine not in ENGINES:
            raise OptionError(f"no engine {self.engine!r}; choose one of: {', '.join(ENGINES)}.")
        if self.address is not None and self.engine != "ray":
            raise OptionError(
                f"an address is of a Ray cluster, got {self.address!r} with the engine {self.engine}; "
                "choose engine ray (--engine ray), or leave it out."
            )
        if self.format is not None:
            object.__setattr__(self, "format", format_named(self.format))

    def deciding(self, denoiser: Denoiser) -> dict[str, Any]:
        """Return the options that decide the outputs of a denoiser; memory and threads change last bits at most.

        Runtime and device are those in use, whether named or chosen; a method that is no network has none.
        """
        names = ("sigma", "strength", "chroma_strength", "precision", "value_range", "format", "quality")
        named = {name: getattr(self, name) for name in (*names, "strip_metadata", "in_place")}
        runtime: Runtime | None = getattr(denoiser, "runtime", None)
        return named | {
            "sigma": "auto" if self.sigma is None else self.sigma,
            "runtime": None if runtime is None else runtime.name,
            "device": None if runtime is None else _device(runtime),
        }


@dataclass(frozen=True)
class Way:
    """How some images of a call are denoised, where not all are denoised alike.

    Attributes
    ----------
    model, strength
        In place of those of the options. At strength 0 a file that keeps its format is copied.
    """

    model: str
    strength: float = 1.0


def _device(runtime: Runtime) -> str:
    """Return the kind of device; its full name holds the runtime's version, which may change before a resume."""
    return "cpu" if runtime.name == "openvino" or runtime.device.startswith("cpu,") else "cuda"
