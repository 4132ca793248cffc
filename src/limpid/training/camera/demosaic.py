"""Colour from a mosaic: the two missing colours of each pixel from its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from limpid.training.camera.sensor import Mosaic

__all__ = ["DEMOSAICS"]

#: Pixels around each that the filters look at.
_REACH_PX: Final = 2

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


_BILINEAR: Final = _bank(_CROSS, _BESIDE, _CORNERS)
_BY_GRADIENT: Final = _bank(_GREEN_BY_GRADIENT, _BESIDE_BY_GRADIENT, _CORNERS_BY_GRADIENT)

#: Along a row: green at red or blue, and two differences that tell how much the picture changes.
_ALONG: Final = functional.pad(
    torch.tensor([[-1 / 4, 1 / 2, 1 / 2, 1 / 2, -1 / 4], [0, -1, 0, 1, 0], [-1, 0, 2, 0, -1]])[:, None, None],
    (0, 0, _REACH_PX, _REACH_PX),
)


def _filtered(seen: Tensor, mosaic: Mosaic, *, filters: Tensor) -> Tensor:
    """Return colours by linear filters, shape (4, 1, 5, 5)."""
    green, beside, above, corners = functional.conv2d(_surrounded(seen), filters).unbind(1)
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


def _directed(seen: Tensor, mosaic: Mosaic) -> Tensor:
    """Return colours: green along the row or the column that changes less, the others by their difference to green."""
    by_row, row_change = _along_rows(seen)
    by_column, column_change = (found.mT for found in _along_rows(seen.mT))
    green = torch.where(row_change < column_change, by_row, by_column)
    for down, right, own, _ in mosaic.sites():
        if own == 1:
            at = (..., slice(down, None, 2), slice(right, None, 2))
            green[at] = seen[at]
    differences = _filtered(seen - green, mosaic, filters=_BILINEAR)
    differences[:, 1] = 0
    return green[:, None] + differences


def _along_rows(seen: Tensor) -> tuple[Tensor, Tensor]:
    green, first, second = functional.conv2d(_surrounded(seen), _ALONG).unbind(1)
    return green, first.abs() + second.abs()


def _surrounded(seen: Tensor) -> Tensor:
    # A mirror image about the last pixel goes on with the mosaic.
    return functional.pad(seen[:, None], [_REACH_PX] * 4, mode="reflect")


#: Ways to demosaic, by name. Each takes values behind the filters, shape (N, H, W) with H and W even, and which of
#: them is where, and returns colours of shape (N, 3, H, W): by means of the nearest pixels of a colour; by the same
#: corrected by the gradient of the colour that is known (H. S. Malvar, L. He, R. Cutler, "High-quality linear
#: interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004, figure 2); and along edges
#: (J. F. Hamilton, J. E. Adams, US patent 5629734, 1997), where noise chooses directions and leaves short strokes.
DEMOSAICS: Final[dict[str, Callable[[Tensor, Mosaic], Tensor]]] = {
    "bilinear": partial(_filtered, filters=_BILINEAR),
    "malvar": partial(_filtered, filters=_BY_GRADIENT),
    "directed": _directed,
}
