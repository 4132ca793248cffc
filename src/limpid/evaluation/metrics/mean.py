"""A mean that doesn't depend on how its values were split between workers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

__all__ = ["Mean"]


@dataclass(frozen=True)
class Mean:
    """Mean of the values added so far; merging the means of any split equals one pass, to the bit.

    Attributes
    ----------
    count : int
        How many values were added.
    total : Fraction
        Exact sum of the finite ones. Floats are fractions of a power of two, so nothing is rounded before
        :attr:`value` divides, and the order of values can't matter.
    special : float
        Sum of the others: 0 where all are finite, else infinite or NaN.

    Examples
    --------
    >>> Mean().add(31.0).add(30.0).merge(Mean().add(29.0)).value
    30.0
    """

    count: int = 0
    total: Fraction = Fraction(0)
    special: float = 0.0

    def add(self, value: float) -> Self:
        """Return the mean with one more value."""
        finite = math.isfinite(value)
        total = self.total + Fraction(value) if finite else self.total
        return type(self)(self.count + 1, total, self.special if finite else self.special + value)

    def merge(self, other: Self) -> Self:
        """Return the mean of both sets of values."""
        return type(self)(self.count + other.count, self.total + other.total, self.special + other.special)

    @property
    def value(self) -> float:
        """The mean; NaN where nothing was added, infinite where a value was."""
        if not self.count:
            return math.nan
        return float(self.total / self.count) if self.special == 0 else self.special
