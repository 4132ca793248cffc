"""Numbers as people read them, and the axes they lie on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Axis", "count", "number", "size"]

#: Ticks of an axis, about.
_TICKS: Final = 5


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits that count; an empty text for what is not known.

    Examples
    --------
    >>> number(0.012345), number(1234567.0), number(12.0), number(None)
    ('0.0123', '1,230,000', '12', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    if 1e-4 <= abs(rounded) < 1e12:
        text = f"{rounded:,.{max(places, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{rounded:.{digits - 1}e}"


def count(value: int, one: str = "image", several: str | None = None) -> str:
    """Return how many of something.

    Examples
    --------
    >>> count(1), count(12000, "copy", "copies")
    ('1 image', '12,000 copies')
    """
    return f"{value:,} {one if value == 1 else several or one + 's'}"


def size(count: float) -> str:
    """Return bytes for people.

    Examples
    --------
    >>> size(12), size(2_500_000)
    ('12 B', '2.5 MB')
    """
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if count < 1000:
            break
        count, unit = count / 1000, larger
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


@dataclass(frozen=True)
class Axis:
    """What a direction of a chart stands for.

    Attributes
    ----------
    label : str
        Quantity and unit.
    low, high : float
        Its ends, ``low < high``; above 0 where it is logarithmic.
    log : bool
        Whether equal distances are equal ratios.
    marks : sequence of (float, str)
        Ticks with their texts; none: round numbers.
    whole : bool
        Whether there is nothing between whole numbers.
    """

    label: str
    low: float
    high: float
    log: bool = False
    marks: Sequence[tuple[float, str]] = ()
    whole: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, from 0 (low) to 1 (high); values beyond the ends lie on them."""
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places to be marked within the axis, from 0 to 1, with their texts."""
        slack = 1e-9 * (self.high - self.low)
        marks = self.marks or self._marks()
        return [(self.place(v), text) for v, text in marks if self.low - slack <= v <= self.high + slack]

    def _marks(self) -> list[tuple[float, str]]:
        decades = math.log10(self.high / self.low) if self.log else 0.0
        if decades < 0.8:
            return self._steps()
        factors: Sequence[float] = (1,) if decades > 4 else (1, 3) if decades > 2 else (1, 2, 5)
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        return [(value, number(value)) for e in exponents for factor in factors for value in (factor * 10.0**e,)]

    def _steps(self) -> list[tuple[float, str]]:
        raw = (self.high - self.low) / _TICKS
        unit: float = 10.0 ** math.floor(math.log10(raw))
        step = unit * min((1, 2, 2.5, 5, 10), key=lambda factor: abs(factor * unit - raw))
        step = max(math.ceil(step), 1) if self.whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        # So many digits that neighbours differ.
        digits = max(3, 2 + math.ceil(math.log10(max(abs(self.low), abs(self.high)) / step)))
        return [(k * step, number(k * step, digits)) for k in range(first, last + 1)]
