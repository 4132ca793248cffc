"""Geometry of tiles: which pixels a tile reads and which it is trusted to write."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Span", "Tile", "plane_tiles", "read_length", "round_up", "tile_size", "tile_spans"]

_T = TypeVar("_T", bound=np.generic)


class Span(NamedTuple):
    """One tile along one axis: it reads ``[start, stop)`` and writes ``[keep_start, keep_stop)``."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


class Tile(NamedTuple):
    """One tile of a plane (rows, columns), or of a stack (planes, rows, columns)."""

    spans: tuple[Span, ...]

    @property
    def source(self) -> tuple[slice, ...]:
        """Pixels that it reads."""
        return tuple(slice(s.start, s.stop) for s in self.spans)

    @property
    def target(self) -> tuple[slice, ...]:
        """Pixels that it writes."""
        return tuple(slice(s.keep_start, s.keep_stop) for s in self.spans)

    def kept(self, values: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """Return what is to be written of values read at this tile."""
        return values[tuple(slice(s.keep_start - s.start, s.keep_stop - s.start) for s in self.spans)]


def plane_tiles(height: int, width: int, *, tile: tuple[int, int], halo: int, align: int = 1) -> Iterator[Tile]:
    """Cover a plane with tiles of a height and width; see :func:`tile_spans`, once for each axis."""
    for rows in tile_spans(height, tile=tile[0], halo=halo, align=align):
        for columns in tile_spans(width, tile=tile[1], halo=halo, align=align):
            yield Tile((rows, columns))


def tile_size(height: int, width: int, *, pixels: int, least: int, halo: int, align: int = 1) -> tuple[int, int]:
    """Return height and width of the tiles that read the least of a plane more than once.

    Along each axis the plane is shared out evenly: a last tile that holds little more than what others have read
    costs as much as they do.

    Parameters
    ----------
    height, width : int
        Of the plane, ``>= 1``.
    pixels : int
        That a tile may have. Where that is less than `least` squared, it has more.
    least : int
        Shortest side of a tile that is no longer than the plane, a multiple of `align`, ``> 2 * halo``.
    halo, align : int
        As in :func:`tile_spans`.

    Examples
    --------
    >>> tile_size(4000, 6000, pixels=2048**2, least=256, halo=48, align=8)
    (2048, 1576)
    """
    widths = _even_lengths(width, least=least, halo=halo, align=align)

    def fitting(tall: int) -> int:
        return widths[max(bisect_right(widths, pixels // tall) - 1, 0)]

    def read(size: tuple[int, int]) -> tuple[int, int]:
        tall, wide = size
        pixels_read = read_length(height, tile=tall, halo=halo) * read_length(width, tile=wide, halo=halo)
        return pixels_read, -tall * wide

    sizes = [(tall, fitting(tall)) for tall in _even_lengths(height, least=least, halo=halo, align=align)]
    return min([size for size in sizes if size[0] * size[1] <= pixels] or sizes[:1], key=read)


def _even_lengths(length: int, *, least: int, halo: int, align: int) -> list[int]:
    """Return the lengths, rising, of tiles that share out an axis evenly: one tile, two, and so on down to `least`."""
    most = -(-(length - 2 * halo) // (least - 2 * halo))
    shared = (round_up(-(-(length - 2 * halo) // count) + 2 * halo, align) for count in range(most, 1, -1))
    return [*(max(tile, least) for tile in shared), round_up(length, align)]


def tile_spans(length: int, *, tile: int, halo: int, align: int = 1) -> Iterator[Span]:
    """Cover ``[0, length)`` with tiles that see `halo` pixels beyond what they write.

    Every span starts at a multiple of `align`; all are `tile` long, but for the last, which may lack up to
    ``align - 1`` pixels (padding it to a multiple of `align` makes all equal).

    Parameters
    ----------
    length : int
        Axis length in pixels, ``>= 1``. An axis of at most `tile` pixels yields one span.
    tile : int
        Pixels a tile reads, a multiple of `align`; ``> 2 * halo`` where the axis is longer.
    halo : int
        Pixels next to an inner border whose values are not trusted, a multiple of `align`.
    align : int
        Grid that a network's downsampling imposes.

    Raises
    ------
    ValueError
        If the numbers leave no room to advance or are off the grid.
    """
    if length < 1 or align < 1 or halo < 0:
        raise ValueError(f"length and align must be >= 1 and halo >= 0, got {length}, {align}, {halo}")
    if tile % align or halo % align or (length > tile and tile <= 2 * halo):
        raise ValueError(f"tile {tile} and halo {halo} must be multiples of {align}, and tile > 2 * halo")
    if length <= tile:
        yield Span(0, length, 0, length)
        return
    last_start = round_up(length - tile, align)
    start, written = 0, 0
    while True:
        stop = min(start + tile, length)
        keep_stop = length if start >= last_start else stop - halo
        yield Span(start, stop, written, keep_stop)
        if start >= last_start:
            return
        written = keep_stop
        start = min(start + tile - 2 * halo, last_start)


def round_up(number: int, multiple: int) -> int:
    """Return the least multiple that is not below a number.

    Examples
    --------
    >>> round_up(30, 8), round_up(32, 8)
    (32, 32)
    """
    return -(-number // multiple) * multiple


def read_length(length: int, *, tile: int, halo: int) -> int:
    """Return the pixels that the tiles of an axis (:func:`tile_spans`) read in all, some of them more than once."""
    if length <= tile:
        return length
    return tile * -(-(length - 2 * halo) // (tile - 2 * halo))
