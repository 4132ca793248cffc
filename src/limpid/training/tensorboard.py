"""Event files for TensorBoard, by tensorboardX, which writes them without TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter
from torch import nn

from limpid.core.image import Array

__all__ = ["TensorBoard"]


class TensorBoard:
    """Writes figures and pictures of each check into a folder that ``tensorboard --logdir`` shows.

    Parameters
    ----------
    folder : Path
        Of the event files.
    step : int
        Steps done so far: later events of a run that was killed are not shown.
    """

    def __init__(self, folder: Path, *, step: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def __call__(self, step: int, figures: Mapping[str, float], network: nn.Module) -> None:  # noqa: ARG002
        """Write the figures of a check; see :class:`~limpid.training.log.Observer`."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def picture(self, step: int, sheet: Array) -> None:
        """Write a picture, shape (Y, X, 3), uint8."""
        self._writer.add_image("previews", sheet, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
