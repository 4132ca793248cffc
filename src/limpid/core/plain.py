"""Plain values, as JSON holds them, and plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["error_text", "plain"]


def plain(value: Any) -> Any:
    """Return the value with null in place of numbers that JSON can't hold.

    Examples
    --------
    >>> plain({"psnr": float("inf"), "interval": (1.0, float("nan"))})
    {'psnr': None, 'interval': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def error_text(error: BaseException, most: int | None = None) -> str:
    """Return what a library's error says in one line, of so many characters at most."""
    return " ".join(str(error).split())[:most]
