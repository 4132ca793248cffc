"""Where the names of points go in a plot, so that none lies on another or on a point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Box", "place_labels"]

#: Directions from a point, and distances in multiples of the gap: near and beside first.
_DIRECTIONS: Final = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
_DISTANCES: Final = (1.0, 2.0, 3.5, 5.5)

#: What a pixel of distance costs, in pixels of area covered: next to nothing, so that it decides between free places.
_DISTANCE_COST: Final = 0.01

#: What it costs that another point is nearer to a label than its own, in pixels of area for each pixel: a reader would
#: take the label for the other's.
_STRANGER_COST: Final = 20.0

#: What it costs to leave the plot, as a multiple of the area outside.
_OUTSIDE_COST: Final = 10.0


@dataclass(frozen=True)
class Box:
    """A rectangle: its lower left corner, and its size."""

    x: float
    y: float
    width: float
    height: float

    def nearest(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return the place of the rectangle that is nearest to a point."""
        x, y = point
        return min(max(x, self.x), self.x + self.width), min(max(y, self.y), self.y + self.height)

    def distance(self, point: tuple[float, float]) -> float:
        """Return how far a point is from the rectangle, 0 inside it."""
        return math.dist(point, self.nearest(point))

    def shared_area(self, other: Box) -> float:
        """Return the area that lies in both."""
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(wide, 0.0) * max(high, 0.0)


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    bounds: Box,
    gap: float,
) -> list[Box]:
    """Return a place for the label of each point.

    Each takes the nearest place of those around its point that covers neither a point nor a label placed before; where
    there is none, the one that covers least. The most crowded points choose first.

    Parameters
    ----------
    points : sequence of (float, float)
        In pixels.
    sizes : sequence of (float, float)
        Width and height of each label, in pixels.
    bounds : Box
        What labels are to stay in.
    gap : float
        Pixels between a point and its label: the radius of a marker and a little more.

    Examples
    --------
    >>> alone, = place_labels([(50, 50)], [(20, 10)], bounds=Box(0, 0, 100, 100), gap=5)
    >>> alone  # above: a wide label is nearer there than beside its point
    Box(x=40.0, y=55.0, width=20, height=10)
    """
    markers = [Box(x - gap, y - gap, 2 * gap, 2 * gap) for x, y in points]
    placed: dict[int, Box] = {}

    def cost(box: Box, index: int) -> float:
        # The label's own point may touch it: a gap is kept by where it may go.
        others = [marker for k, marker in enumerate(markers) if k != index]
        covered = sum(box.shared_area(one) for one in (*others, *placed.values()))
        outside = box.width * box.height - box.shared_area(bounds)
        x, y = points[index]
        away = math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y)
        nearer = [max(box.distance(points[index]) - box.distance(p), 0.0) for k, p in enumerate(points) if k != index]
        return covered + _OUTSIDE_COST * outside + _DISTANCE_COST * away + _STRANGER_COST * max(nearer, default=0.0)

    for index in sorted(range(len(points)), key=lambda k: (-_crowd(points, k), k)):
        places = _around(points[index], sizes[index], gap)
        placed[index] = min(places, key=lambda box: cost(box, index))
    return [placed[index] for index in range(len(points))]


def _crowd(points: Sequence[tuple[float, float]], index: int) -> float:
    """Return how near the other points are: the sum of their inverse distances."""
    return sum(1 / (1 + math.dist(points[index], other)) for k, other in enumerate(points) if k != index)


def _around(point: tuple[float, float], size: tuple[float, float], gap: float) -> Iterator[Box]:
    for distance in _DISTANCES:
        for across, up in _DIRECTIONS:
            centre_x = point[0] + across * (gap * distance + size[0] / 2)
            centre_y = point[1] + up * (gap * distance + size[1] / 2)
            yield Box(centre_x - size[0] / 2, centre_y - size[1] / 2, *size)
