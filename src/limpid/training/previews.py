"""Pictures of a run: how a few that are not trained on look after each check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from torch import nn

from limpid.core.image import Array, FloatArray
from limpid.evaluation.figures import Panel, contact_sheet
from limpid.io import write_image

__all__ = ["PREVIEWS", "Previews"]

#: Name of the folder of pictures in the folder of a run.
PREVIEWS: Final = "previews"

#: Pictures of a sheet, and their longest side.
_PICTURES: Final = 3
_SIDE_PX: Final = 256

#: Multiples of the noise's standard deviation that black and white are from mid-gray where what was removed is shown.
_REACH: Final = 3.0


class Album(Protocol):
    """What has pictures to show, as :class:`~limpid.training.collection.Collection` does."""

    def samples(self, count: int, *, side_px: int) -> list[tuple[FloatArray, FloatArray]]:
        """Return noisy pictures and their level, float32, the value range as ``[0, 1]``.

        Both of shape (C, H, W), or (C, D, H, W) for networks that take stacks.
        """
        ...


class Previews:
    """Draws noisy, denoised, and what was removed, side by side; a file for each check, under ``previews``.

    Parameters
    ----------
    album : Album
        Images that are held out. Three are shown, of each the middle 256 x 256 pixels, and of stacks the middle plane.
    folder : Path
        Of the run.
    also : callable, optional
        Told of the step and the sheet, shape (Y, X, 3), uint8.
    """

    def __init__(
        self,
        album: Album,
        folder: Path,
        *,
        also: Callable[[int, Array], None] | None = None,
    ) -> None:
        self._pictures = album.samples(_PICTURES, side_px=_SIDE_PX)
        self._folder = folder / PREVIEWS
        self._also = also

    def __call__(self, step: int, figures: Mapping[str, float], network: nn.Module) -> None:
        """Write the sheet of a check; see :class:`~limpid.training.log.Observer`."""
        shown = [f"{name} {value:.4g}" for name, value in figures.items() if name != "steps_per_s"]
        heading = [f"Step {step}", "   ".join(shown)]
        sheet = contact_sheet([_row(*picture, network) for picture in self._pictures], heading=heading)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_image(sheet, self._folder / f"{step:07}.png")
        if self._also is not None:
            self._also(step, sheet)


@torch.no_grad()
def _row(noisy: FloatArray, level: FloatArray, network: nn.Module) -> list[Panel]:
    multiple: int = network.size_multiple  # type: ignore[assignment]  # a module's attributes have no types
    device = next(network.parameters()).device
    height, width = (length // multiple * multiple for length in noisy.shape[-2:])
    noisy, level = (np.ascontiguousarray(part[..., :height, :width]) for part in (noisy, level))
    inputs, told = (torch.from_numpy(part[None]).to(device) for part in (noisy, level))
    residual = network(inputs, told)[0].float().cpu().numpy()
    if noisy.ndim == 4:
        noisy, level, residual = (part[:, part.shape[1] // 2] for part in (noisy, level, residual))
    sigma = float(np.sqrt(np.mean(np.square(level)))) or 1 / 255
    removed = 0.5 - residual / (2 * _REACH * sigma)
    return [
        Panel(_pixels(noisy), "noisy"),
        Panel(_pixels(noisy + residual), "denoised"),
        Panel(_pixels(removed), f"removed, {1 / (2 * _REACH * sigma):.3g} times as strong"),
    ]


def _pixels(values: FloatArray) -> Array:
    """Return 8-bit pixels, shape (Y, X) or (Y, X, 3), of which the first three channels are shown."""
    pixels = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return pixels[0] if len(pixels) < 3 else pixels[:3].transpose(1, 2, 0)
