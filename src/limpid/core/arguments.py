"""What arguments have to be: each check is made, and worded, in one place."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any

from limpid.core.errors import OptionError

__all__ = ["check_number", "check_range", "hint", "is_range", "listed"]


def check_number(name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, whole: bool = False) -> None:
    """Refuse what is no finite number from `low` to `high`, both included.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : any
        What was given for it.
    low, high : float
        Limits.
    whole : bool
        Whether it has to be an integer.

    Raises
    ------
    OptionError
        If the value is anything else.

    Examples
    --------
    >>> check_number("strength", 0.5, low=0, high=2)
    >>> check_number("threads", 1.5, low=1, whole=True)
    Traceback (most recent call last):
        ...
    limpid.core.errors.OptionError: threads must be a whole number >= 1, got 1.5.
    """
    if isinstance(value, Integral if whole else Real) and low <= float(value) <= high and math.isfinite(value):
        return
    limits = f" from {low} to {high}" if high < math.inf else f" >= {low}" if low > -math.inf else ""
    kind = "whole" if whole else "finite" if not limits else ""
    raise OptionError(f"{name} must be a {kind}{' ' if kind else ''}number{limits}, got {value!r}.")


def is_range(value: Any) -> bool:
    """Return whether a value is (low, high): two finite numbers, the lower first."""
    try:
        low, high = value
    except (TypeError, ValueError):
        return False
    return all(isinstance(end, Real) and math.isfinite(end) for end in (low, high)) and bool(low < high)


def check_range(value_range: Any) -> None:
    """Refuse values of black and white that are no range; none are.

    Raises
    ------
    OptionError
        If they are anything but None or (low, high).
    """
    if value_range is not None and not is_range(value_range):
        raise OptionError(f"value_range must be (low, high) with low < high, got {value_range!r}.")


def hint(word: str, known: Collection[str], *, otherwise: str) -> str:
    """Return the end of a message on an unknown word: the nearest spelling, or all that is known.

    Examples
    --------
    >>> hint("sede", ["name", "seed"], otherwise="known keys: ")
    "did you mean 'seed'?"
    >>> hint("colour", ["name", "seed"], otherwise="known keys: ")
    'known keys: name, seed.'
    """
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"{otherwise}{', '.join(known) or 'none'}."


def listed(name: str, value: Any, one: type[Any] | tuple[type[Any], ...], *, what: str) -> list[Any]:
    """Return the items of an argument that is one item or several.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : any
        What was given for it.
    one : type or tuple of type
        Of an item.
    what : str
        What an item is, for the message, such as ``a number``.

    Raises
    ------
    OptionError
        If there is no item, or one of another type.
    """
    items = [value] if isinstance(value, one) else list(value) if isinstance(value, Iterable) else []
    if not items or not all(isinstance(item, one) for item in items):
        raise OptionError(f"{name} must be {what}, or a list of at least one, got {value!r}.")
    return items
