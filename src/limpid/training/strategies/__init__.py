"""How a network learns to denoise from what there is: one module for each way, and what it is valid for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from limpid.training.strategies.base import Strategy
from limpid.training.strategies.neighbor2neighbor import Neighbor2Neighbor
from limpid.training.strategies.noise2noise import Noise2Noise
from limpid.training.strategies.noise2void import Noise2Void
from limpid.training.strategies.recorrupted import Recorrupted
from limpid.training.strategies.supervised import Supervised

__all__ = ["STRATEGIES", "Strategy"]

#: What a configuration may name under ``strategy``.
STRATEGIES: Final[Mapping[str, Strategy]] = {
    "supervised": Supervised(),
    "noise2noise": Noise2Noise(),
    "noise2void": Noise2Void(),
    "neighbor2neighbor": Neighbor2Neighbor(),
    "recorrupted": Recorrupted(),
}
