"""When a run has converged: decided from a figure that can be compared between checks, and kept in the checkpoint."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limpid.core.errors import ConfigError
from limpid.training.config import Stop
from limpid.training.schedule import Cut

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """What a run knows about itself besides its weights: all that its next decision follows from.

    Attributes
    ----------
    checked : int
        Step of the last validation; 0 before the first.
    figures : mapping
        What it gave.
    best_step : int
        Step of the best validation so far.
    best_figures : mapping
        What that gave.
    gained : float or None
        The figure at the last check that gained; None before the first.
    waited : int
        Checks since then.
    converged_at : int or None
        Step at which patience ran out.
    loss_sum, loss_count
        Of the steps since the last check.
    """

    checked: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    best_step: int = 0
    best_figures: Mapping[str, float] = field(default_factory=dict)
    gained: float | None = None
    waited: int = 0
    converged_at: int | None = None
    loss_sum: float = 0.0
    loss_count: int = 0

    @property
    def loss(self) -> float:
        """Mean loss of the steps since the last check; not a number before the first."""
        return self.loss_sum / self.loss_count if self.loss_count else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; ``Progress(**values)`` is the way back."""
        return dataclasses.asdict(self)

    def stepped(self, loss: float) -> Progress:
        """Return it with the loss of one more step."""
        return dataclasses.replace(self, loss_sum=self.loss_sum + loss, loss_count=self.loss_count + 1)

    def check(self, step: int, figures: Mapping[str, float], stop: Stop | None) -> Progress:
        """Return it after a validation.

        A check gains where the figure is better than at the last check that gained by more than ``stop.gain``. So many
        small gains are one in the end, and chance gains are none. Without `stop`, the last check counts as the best.

        Raises
        ------
        ConfigError
            If the validation gives no such figure.
        """
        now = dataclasses.replace(self, checked=step, figures=figures, loss_sum=0.0, loss_count=0)
        if stop is None:
            return dataclasses.replace(now, best_step=step, best_figures=figures)
        error = _error(figures, stop)
        if not self.best_figures or error < _error(self.best_figures, stop):
            now = dataclasses.replace(now, best_step=step, best_figures=figures)
        if self.gained is None or error < self.gained - stop.gain:
            return dataclasses.replace(now, gained=error, waited=0)
        waited = self.waited + 1
        over = waited >= stop.patience and self.converged_at is None
        return dataclasses.replace(now, waited=waited, converged_at=step if over else self.converged_at)

    def cut(self, steps: int, stop: Stop | None) -> Cut | None:
        """Return what replaces the rest of a schedule of so many steps, None where it goes on as planned.

        The rate of a cosine schedule has hardly fallen where patience runs out early, and the last fall is what takes
        a network to the bottom. So the rest is not left out but cut: over ``stop.decay`` times the steps done, the rate
        falls from what it is to zero. A schedule that ends sooner than that is left as it is.
        """
        if stop is None or self.converged_at is None:
            return None
        end = self.converged_at + math.ceil(stop.decay * self.converged_at)
        return Cut(self.converged_at, end) if end < steps else None


def _error(figures: Mapping[str, float], stop: Stop) -> float:
    """Return the figure that is watched, smaller where it is better."""
    if stop.figure not in figures:
        raise ConfigError(
            f"stop.figure is {stop.figure!r}, but the validation gives {', '.join(figures) or 'nothing'}; name one "
            "that it gives."
        )
    return -figures[stop.figure] if stop.larger_is_better else figures[stop.figure]
