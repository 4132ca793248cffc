"""Noise2Void: pixels are predicted from their surroundings."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional

from limpid.training.batch import Batch
from limpid.training.strategies.base import Loss, Predict

__all__ = ["Noise2Void"]

#: One pixel in this many is hidden: one in each square of 8 x 8.
_CELL: Final = 8

#: Side of the surroundings whose median takes its place.
_SIDE: Final = 5


class Noise2Void:
    """Hide one pixel in 64 from the network and ask for its noisy value [1]_.

    White noise can't be predicted from its surroundings, so that what is learnt is the signal. A hidden pixel gets the
    median of the 5 x 5 pixels around it without itself, as in N2V2 [2]_, whose replacement leaves no checkerboard.

    References
    ----------
    .. [1] A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void: learning denoising from single noisy images", CVPR 2019.
    .. [2] E. Höck, T.-O. Buchholz, A. Brachmann, F. Jug, A. Freytag, "N2V2: fixing Noise2Void checkerboard artifacts
       with modified sampling strategies and a tweaked network architecture", ECCV workshops 2022.
    """

    needs_target: ClassVar = False
    noisy_target: ClassVar = False
    needs_white_noise: ClassVar = True
    patch_multiple: ClassVar = 1

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:
        """Return the loss at hidden pixels (see :class:`~limpid.training.strategies.base.Strategy`)."""
        count, _, height, width = batch.noisy.shape
        down, across = -(-height // _CELL), -(-width // _CELL)
        y, x = (
            torch.randint(_CELL, (count, down, across), generator=generator) + _CELL * torch.arange(n).view(shape)
            for n, shape in ((down, (1, -1, 1)), (across, (1, 1, -1)))
        )
        inside = (y < height) & (x < width)
        # Pixels of all channels at one place are hidden together: their noise may be alike.
        image = torch.arange(count).view(-1, 1, 1).expand_as(y)[inside]
        image, y, x = (places.to(batch.noisy.device) for places in (image, y[inside], x[inside]))
        hidden = batch.noisy.clone()
        hidden[image, :, y, x] = _medians(batch.noisy, image, y, x)
        denoised = predict(hidden, batch.level)
        return loss(denoised[image, :, y, x], batch.noisy[image, :, y, x])


def _medians(noisy: Tensor, image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return the median of what surrounds each place, shape (places, C)."""
    reach = _SIDE // 2
    padded = functional.pad(noisy, (reach,) * 4, mode="reflect")
    steps = [(dy, dx) for dy in range(_SIDE) for dx in range(_SIDE) if (dy, dx) != (reach, reach)]
    around = torch.stack([padded[image, :, y + dy, x + dx] for dy, dx in steps])
    middle: Tensor = around.sort(dim=0).values[len(steps) // 2 - 1 : len(steps) // 2 + 1].mean(dim=0)
    return middle
