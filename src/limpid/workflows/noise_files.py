"""Measure the noise of files; what is wrong with one is a row, not the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from limpid.core.errors import LimpidError
from limpid.io import DEFAULT_MAX_PIXELS, read_image
from limpid.noise.estimate import NoiseEstimate, estimate_noise
from limpid.workflows.expand import Found, find_images
from limpid.workflows.watcher import Watcher

__all__ = ["FileNoise", "measure_files"]


@dataclass(frozen=True)
class FileNoise:
    """The noise of one file in its own units, or why there is none."""

    input: str
    estimate: NoiseEstimate | None
    error: str | None = None

    @property
    def status(self) -> str:
        """``ok`` or ``error``."""
        return "error" if self.estimate is None else "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON: the same keys whatever the status."""
        unknown = {"sigma": None, "sigma_interval": None, "sigma_per_channel": None}
        measured = unknown if self.estimate is None else self.estimate.to_dict()
        return {"input": self.input, "status": self.status, "error": self.error, **measured}


def measure_files(
    inputs: Sequence[str | PathLike[str]],
    *,
    value_range: tuple[float, float] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    watcher: Watcher[FileNoise] | None = None,
) -> list[FileNoise]:
    """Return the noise of each file.

    Parameters
    ----------
    inputs : sequence of str or path
        As in :func:`~limpid.workflows.expand.find_images`.
    value_range : (float, float), optional
        Values of black and white, for float files that state none.
    max_pixels : int
        Files that announce more are refused.
    watcher : Watcher, optional
        Told of each row.

    Raises
    ------
    OptionError
        If there is no input.
    """
    found = find_images(inputs)
    if watcher is not None:
        watcher.planned(len(found))
    rows = []
    for hit in found:
        rows.append(_measure(hit, value_range, max_pixels))
        if watcher is not None:
            watcher.finished(rows[-1])
    return rows


def _measure(hit: Found, value_range: tuple[float, float] | None, max_pixels: int) -> FileNoise:
    if hit.error is not None:
        return FileNoise(str(hit.path), None, hit.error)
    try:
        image = read_image(hit.path, value_range=value_range, max_pixels=max_pixels)
        return FileNoise(str(hit.path), estimate_noise(image))
    except LimpidError as error:
        return FileNoise(str(hit.path), None, str(error).removeprefix(f"{hit.path}: "))
    except MemoryError:
        return FileNoise(str(hit.path), None, "not enough memory for it; free some, or split the image.")
