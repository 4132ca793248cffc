"""Which of two networks is better, from what each left on the same held-out batches."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["clearly_better", "standard_error"]

#: Standard errors of the mean difference up to which two networks count as equal.
_SURE: Final = 2.0


def standard_error(values: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the mean of values, shape (batches,)."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def clearly_better(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> bool:
    """Return whether the first left less than the second by more than chance explains.

    Parameters
    ----------
    first, second : array, shape (batches,)
        What was left on each batch (:meth:`limpid.training.validation.HeldOut.shares`), the same batches for both.
    """
    gain = second - first
    return bool(gain.mean() > _SURE * standard_error(gain))
