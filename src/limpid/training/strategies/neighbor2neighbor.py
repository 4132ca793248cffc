"""Neighbor2Neighbor: neighbouring pixels as two exposures."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional

from limpid.training.batch import Batch
from limpid.training.strategies.base import Loss, Predict

__all__ = ["Neighbor2Neighbor"]

#: Ordered pairs of adjacent pixels in a cell of 2 x 2, numbered in reading order.
_PAIRS: Final = torch.tensor([(0, 1), (1, 0), (2, 3), (3, 2), (0, 2), (2, 0), (1, 3), (3, 1)])

#: Weight of the term that makes up for neighbours differing in their signal; the paper's value for photographs.
_WEIGHT: Final = 2.0


class Neighbor2Neighbor:
    """Take two half-size images from the cells of 2 x 2 pixels; one is the target of the other [1]_.

    Their signals differ where there is detail; a second term compares with the difference that the whole image,
    denoised, has at the same pixels. In all planes of a stack the same pixels are taken, so that what does not move
    stays where it is.

    References
    ----------
    .. [1] T. Huang, S. Li, X. Jia, H. Lu, J. Liu, "Neighbor2Neighbor: self-supervised denoising from single noisy
       images", CVPR 2021.
    """

    needs_target: ClassVar = False
    noisy_target: ClassVar = False
    needs_white_noise: ClassVar = True
    needs_gaussian_noise: ClassVar = False
    needs_prior: ClassVar = False
    hides_pixels: ClassVar = False
    patch_multiple: ClassVar = 2

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:
        """Return the loss (see :class:`~limpid.training.strategies.base.Strategy`)."""
        count, *over, height, width = batch.noisy.shape
        picked = _PAIRS[torch.randint(len(_PAIRS), (count, height // 2, width // 2), generator=generator)]
        picked = picked.to(batch.noisy.device)
        ones = [1] * (len(over) + 1)

        def halves(image: Tensor) -> tuple[Tensor, Tensor]:
            cells = functional.pixel_unshuffle(image, 2).reshape(count, *over, 4, height // 2, width // 2)
            one = cells[..., :1, :, :]
            first, second = (
                cells.gather(-3, which.view(count, *ones, height // 2, width // 2).expand_as(one)).squeeze(-3)
                for which in picked.unbind(-1)
            )
            return first, second

        given, target = halves(batch.noisy)
        denoised = predict(given, batch.level_of(given))
        with torch.no_grad():
            whole, whole_target = halves(predict(batch.noisy, batch.level))
        consistent = denoised - target - (whole - whole_target)
        return loss(denoised, target) + _WEIGHT * consistent.square().mean()
