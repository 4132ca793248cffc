"""Colour from a mosaic: the two missing colours of each pixel from its neighbours, by linear filters."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from limpid.training.camera.sensor import Mosaic

__all__ = ["DEMOSAICS", "REACH_PX", "demosaicked"]

#: Pixels around each that the filters look at.
REACH_PX: Final = 2

_CROSS: Final = [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
_BESIDE: Final = [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
_CORNERS: Final = [[0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]]

_GREEN_BY_GRADIENT: Final = [
    [0, 0, -1, 0, 0],
    [0, 0, 2, 0, 0],
    [-1, 2, 4, 2, -1],
    [0, 0, 2, 0, 0],
    [0, 0, -1, 0, 0],
]
_BESIDE_BY_GRADIENT: Final = [
    [0, 0, 1, 0, 0],
    [0, -2, 0, -2, 0],
    [-2, 8, 10, 8, -2],
    [0, -2, 0, -2, 0],
    [0, 0, 1, 0, 0],
]
_CORNERS_BY_GRADIENT: Final = [
    [0, 0, -3, 0, 0],
    [0, 4, 0, 4, 0],
    [-3, 0, 12, 0, -3],
    [0, 4, 0, 4, 0],
    [0, 0, -3, 0, 0],
]


def _bank(green: list[list[int]], beside: list[list[int]], corners: list[list[int]]) -> Tensor:
    """Return filters of sum 1, shape (4, 1, 5, 5): for green at red or blue, a colour beside, above, and in corners."""
    filters = torch.tensor([green, beside, beside, corners], dtype=torch.float32)
    filters[2] = filters[1].T
    return (filters / filters.sum((1, 2), keepdim=True))[:, None]


#: Filters by name: means of the nearest pixels of a colour, and the same corrected by the gradient of the colour that
#: is known (H. S. Malvar, L. He, R. Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color
#: images", ICASSP 2004, figure 2).
DEMOSAICS: Final = {
    "bilinear": _bank(_CROSS, _BESIDE, _CORNERS),
    "malvar": _bank(_GREEN_BY_GRADIENT, _BESIDE_BY_GRADIENT, _CORNERS_BY_GRADIENT),
}


def demosaicked(seen: Tensor, mosaic: Mosaic, filters: Tensor) -> Tensor:
    """Return the colours of mosaics.

    Parameters
    ----------
    seen : Tensor, shape (N, H, W)
        Values behind the filters; H and W are even.
    mosaic : Mosaic
        Which filter is where.
    filters : Tensor, shape (4, 1, 5, 5)
        One of :data:`DEMOSAICS`.

    Returns
    -------
    Tensor, shape (N, 3, H, W)
    """
    # A mirror image about the last pixel goes on with the mosaic.
    around = functional.pad(seen[:, None], [REACH_PX] * 4, mode="reflect")
    green, beside, above, corners = functional.conv2d(around, filters).unbind(1)
    colours = seen.new_empty((len(seen), 3, *seen.shape[1:]))
    for down, right, own, neighbour in mosaic.sites():
        at = (..., slice(down, None, 2), slice(right, None, 2))
        red, _, blue = each = [colours[:, c] for c in range(3)]
        each[own][at] = seen[at]
        if own == 1:
            each[neighbour][at] = beside[at]
            each[2 - neighbour][at] = above[at]
        else:
            each[1][at] = green[at]
            (blue if own == 0 else red)[at] = corners[at]
    return colours
