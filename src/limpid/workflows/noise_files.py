"""Measure the noise of files; what is wrong with one is a row, not the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from limpid.core.arguments import check_number, check_range
from limpid.core.errors import LimpidError, OptionError
from limpid.io import DEFAULT_MAX_PIXELS, read_image
from limpid.noise.estimate import estimate_noise
from limpid.noise.result import NoiseEstimate
from limpid.workflows.expand import Found, find_images
from limpid.workflows.noise import write_noise_plot
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
        measured = dict.fromkeys(NoiseEstimate.keys()) if self.estimate is None else self.estimate.to_dict()
        return {"input": self.input, "status": self.status, "error": self.error, **measured}


def measure_files(
    inputs: Sequence[str | PathLike[str]],
    *,
    value_range: tuple[float, float] | None = None,
    offset: float = 0.0,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    plot: Path | None = None,
    watcher: Watcher[FileNoise] | None = None,
) -> list[FileNoise]:
    """Return the noise of each file.

    Parameters
    ----------
    inputs : sequence of str or path
        As in :func:`~limpid.workflows.expand.find_images`.
    value_range : (float, float), optional
        Values of black and white, for float files that state none.
    offset : float
        Value of no light, in the files' own units.
    max_pixels : int
        Files that announce more are refused.
    plot : path, optional
        PNG file that what was measured is drawn into; for one input.
    watcher : Watcher, optional
        Told of each row.

    Raises
    ------
    OptionError
        If there is no input, an option is wrong, or a plot is asked for and there are several.
    MissingExtraError, WriteError
        If the plot can't be drawn or written.
    """
    check_number("offset", offset)
    check_range(value_range)
    found = find_images(inputs)
    if plot is not None:
        _check_plot(plot, found)
    if watcher is not None:
        watcher.planned(len(found))
    rows = []
    for hit in found:
        rows.append(_measure(hit, value_range, offset, max_pixels, plot))
        if watcher is not None:
            watcher.finished(rows[-1])
    return rows


def _check_plot(plot: Path, found: Sequence[Found]) -> None:
    if len(found) != 1:
        raise OptionError(f"a plot shows one image, got {len(found)}; name one input, or leave out the plot.")
    if plot.suffix.lower() != ".png":
        raise OptionError(f"the plot is written as PNG, got {plot.name!r}; give it a name that ends in .png.")
    if plot.resolve() == found[0].path.resolve():
        raise OptionError(f"the plot would replace its own input {plot}; give it another name.")


def _measure(
    hit: Found, value_range: tuple[float, float] | None, offset: float, max_pixels: int, plot: Path | None
) -> FileNoise:
    if hit.error is not None:
        return FileNoise(str(hit.path), None, hit.error)
    try:
        image = read_image(hit.path, value_range=value_range, max_pixels=max_pixels)
        noise = estimate_noise(image, offset=offset)
    except LimpidError as error:
        return FileNoise(str(hit.path), None, str(error).removeprefix(f"{hit.path}: "))
    except MemoryError:
        return FileNoise(str(hit.path), None, "not enough memory for it; free some, or split the image.")
    if plot is not None:
        write_noise_plot(image, noise, plot)
    return FileNoise(str(hit.path), noise)
