"""What a published method costs on this machine: its architecture with random weights, in the fastest runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from limpid.classical.bm3d import BM3D, bm3d_installed
from limpid.core.errors import MissingExtraError
from limpid.core.plain import error_text
from limpid.evaluation.published import Published
from limpid.evaluation.speed import best_seconds, fitting_side, megapixels_per_s, noisy_picture, probe_seconds, timed

if TYPE_CHECKING:
    from limpid.inference.foreign.untrained import Untrained

__all__ = ["Cost", "cost_of"]

#: Told to what is timed; networks take as long for any.
_SIGMA: Final = 25.0

_NO_CLASS: Final = "not timed: limpid has no way to build this architecture"
_NO_BM3D: Final = "not timed: the package bm3d, whose licence is for non-commercial use, is not installed"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What is known of it; the fields are those of :class:`~limpid.evaluation.frontier.FrontierRow`."""

    megapixels_per_s: float | None = None
    frame_px: int | None = None
    runtime: str = ""
    precision: str = ""
    kmac_per_pixel: float | None = None
    kmac_is: Literal["", "counted", "published"] = ""
    parameters: int | None = None
    note: str = ""


def cost_of(published: Published, *, channels: int, seconds: float, threads: int | None) -> Cost:
    """Return what a published method costs here, and what its paper says where it can't be run.

    Parameters
    ----------
    published : Published
        The method.
    channels : int
        Of the images: 1 or 3.
    seconds : float
        Time for the calls of each way to run it; loading and exporting come on top. A method that needs longer is
        timed on a smaller picture.
    threads : int, optional
        CPU threads; all cores where not given.
    """
    if published.architecture is None:
        return _as_published(published, channels, _NO_CLASS)
    if published.architecture == BM3D.name:
        return _of_bm3d(channels, seconds) if bm3d_installed() else Cost(note=_NO_BM3D)
    try:
        from limpid.inference.foreign.untrained import Untrained

        network = Untrained(published.architecture, channels=channels, threads=threads)
    except ModuleNotFoundError as error:
        missing = MissingExtraError.of(error.name or "torch", extra="spandrel", purpose="timing it")
        return _as_published(published, channels, f"not timed: {missing}")
    counted: Any = {
        "kmac_per_pixel": network.kmac_per_pixel(),
        "kmac_is": "counted",
        "parameters": network.parameters,
    }
    try:
        return Cost(**counted, **_speed(network, seconds))
    except (RuntimeError, MemoryError) as error:  # torch and OpenVINO raise these where memory is short
        return Cost(**counted, note=f"not timed: {error_text(error, 200) or 'not enough memory'}")


def _as_published(published: Published, channels: int, note: str) -> Cost:
    kmac = published.kmac_per_pixel.get(channels)
    return Cost(
        kmac_per_pixel=kmac,
        kmac_is="" if kmac is None else "published",
        parameters=published.parameters.get(channels),
        note=note,
    )


def _of_bm3d(channels: int, seconds: float) -> Cost:
    side, took = timed(BM3D(), channels, sigma=_SIGMA, limit_s=seconds)
    return Cost(megapixels_per_s=megapixels_per_s(side, took), frame_px=side)


def _speed(network: Untrained, seconds: float) -> dict[str, Any]:
    """Return the speed in the fastest of all ways, and which way that is.

    A first guess by torch, which needs no export, decides the size of the picture.
    """
    probed = [(probe_seconds(one.denoiser, network.channels, sigma=_SIGMA), one) for one in network.in_torch()]
    guess, in_torch = min(probed, key=lambda pair: pair[0])
    side = fitting_side(guess, limit_s=seconds)
    picture = noisy_picture(network.channels, side, sigma=_SIGMA)
    times = [
        (best_seconds(one.denoiser, picture, sigma=_SIGMA, limit_s=seconds), one)
        for one in (in_torch, *network.in_openvino(side))
    ]
    took, fastest = min(times, key=lambda pair: pair[0])
    return {
        "megapixels_per_s": megapixels_per_s(side, took),
        "frame_px": side,
        "runtime": fastest.denoiser.runtime.name,
        "precision": fastest.precision,
    }
