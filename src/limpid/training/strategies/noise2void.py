"""Noise2Void: pixels are predicted from their surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from limpid.training.batch import Batch
from limpid.training.strategies.base import Loss, Predict

__all__ = ["Noise2Void"]

#: One pixel is predicted in each cell; its sides are this plus twice the mask's reach: squares of 4 x 4 without.
_CELL: Final = 4

#: How much further than the mask the surroundings go whose values take its place.
_RING: Final = 2


@dataclass(frozen=True)
class Noise2Void:
    """Hide pixels from the network and ask for their noisy value [1]_.

    White noise can't be predicted from its surroundings, so that what is learnt is the signal. One pixel in 16 is
    hidden, and gets the value of one of the 5 x 5 pixels around it, never its own: N2V2 [2]_ found that its own value,
    which the paper may draw too, leaves a checkerboard. Its median in place of a drawn value is for networks without a
    residual path; here it left half as much noise again (``recipes/LOG.md``).

    Noise that is correlated can be predicted from the neighbours it is correlated with. They are hidden with the pixel,
    and each gets the value of a pixel up to two outside of all of them [3]_.

    In stacks, pixels are hidden in each plane by itself: their noise is taken to be independent between planes.

    What is learnt uses a pixel's surroundings alone. The pixel's own value is mixed back after training
    (:mod:`limpid.training.mixing`).

    Attributes
    ----------
    mask_px : (int, int)
        How many pixels above and below, and to either side, are hidden with each pixel. The noise must be correlated
        no further: (0, 0) is for white noise, (0, 3) for noise that is correlated along rows alone.

    References
    ----------
    .. [1] A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void: learning denoising from single noisy images", CVPR 2019.
    .. [2] E. Höck, T.-O. Buchholz, A. Brachmann, F. Jug, A. Freytag, "N2V2: fixing Noise2Void checkerboard artifacts
       with modified sampling strategies and a tweaked network architecture", ECCV workshops 2022.
    .. [3] C. Broaddus, A. Krull, M. Weigert, U. Schmidt, G. Myers, "Removing structured noise with self-supervised
       blind-spot networks", ISBI 2020 ("structN2V").
    """

    mask_px: tuple[int, int] = (0, 0)

    needs_target: ClassVar = False
    noisy_target: ClassVar = False
    needs_gaussian_noise: ClassVar = False
    needs_prior: ClassVar = False
    hides_pixels: ClassVar = True
    patch_multiple: ClassVar = 1

    @property
    def needs_white_noise(self) -> bool:
        """Whether no neighbour is hidden."""
        return self.mask_px == (0, 0)

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:
        """Return the loss at hidden pixels (see :class:`~limpid.training.strategies.base.Strategy`)."""
        noisy = _planes(batch.noisy)
        image, y, x = self._picked(noisy, generator)
        hidden = noisy.clone()
        height, width = hidden.shape[2:]
        reach_y, reach_x = self.mask_px
        steps = [(dy, dx) for dy in range(-reach_y, reach_y + 1) for dx in range(-reach_x, reach_x + 1)]
        drawn = self._drawn(noisy, image, y, x, count=len(steps), generator=generator)
        for (dy, dx), values in zip(steps, drawn, strict=True):
            inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
            # Pixels of all channels at one place are hidden together: their noise may be alike.
            hidden[image[inside], :, y[inside] + dy, x[inside] + dx] = values[inside]
        given = _stacked(hidden, like=batch.noisy)
        denoised = _planes(predict(given, batch.level_of(given)))
        return loss(denoised[image, :, y, x], noisy[image, :, y, x])

    def _picked(self, noisy: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return image, row and column of one pixel in each cell."""
        count, _, height, width = noisy.shape
        cell_y, cell_x = (
            min(_CELL + 2 * reach, side) for reach, side in zip(self.mask_px, (height, width), strict=True)
        )
        down, across = -(-height // cell_y), -(-width // cell_x)
        y, x = (
            torch.randint(side, (count, down, across), generator=generator) + side * torch.arange(n).view(shape)
            for side, n, shape in ((cell_y, down, (1, -1, 1)), (cell_x, across, (1, 1, -1)))
        )
        inside = (y < height) & (x < width)
        image = torch.arange(count).view(-1, 1, 1).expand_as(y)
        image, y, x = (places[inside].to(noisy.device) for places in (image, y, x))
        return image, y, x

    def _drawn(
        self, noisy: Tensor, image: Tensor, y: Tensor, x: Tensor, *, count: int, generator: torch.Generator
    ) -> Tensor:
        """Return values drawn from what surrounds the mask of each place, shape (count, places, C)."""
        reach_y, reach_x = self.mask_px
        most_y, most_x = reach_y + _RING, reach_x + _RING
        steps = [
            (dy, dx)
            for dy in range(-most_y, most_y + 1)
            for dx in range(-most_x, most_x + 1)
            if abs(dy) > reach_y or abs(dx) > reach_x
        ]
        down, across = torch.tensor(steps, device=noisy.device).unbind(-1)
        rows, columns = y[:, None] + down, x[:, None] + across
        # What lies outside of the image is left out; mirrored, it could be a pixel of the mask.
        inside = (rows >= 0) & (rows < noisy.shape[2]) & (columns >= 0) & (columns < noisy.shape[3])
        picked = torch.multinomial(inside.float().cpu(), count, replacement=True, generator=generator).to(noisy.device)
        rows, columns = rows.gather(1, picked), columns.gather(1, picked)
        return noisy[image[:, None], :, rows, columns].transpose(0, 1)


def _planes(patches: Tensor) -> Tensor:
    """Return patches, shape (N, C, H, W), as they are; of stacks, shape (N, C, D, H, W), each plane as one."""
    return patches.transpose(1, 2).flatten(0, 1) if patches.ndim == 5 else patches


def _stacked(planes: Tensor, *, like: Tensor) -> Tensor:
    """Return what :func:`_planes` made of patches of another's shape, in that shape."""
    return planes.reshape(like.transpose(1, 2).shape).transpose(1, 2) if like.ndim == 5 else planes
