"""What may denoise a cohort and needs no training: what ships, and classical methods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from limpid.classical.registry import CLASSICAL
from limpid.models.store import shipped_names
from limpid.noise.result import NoiseEstimate
from limpid.workflows.choosing import CAMERA

__all__ = ["SHIPPED", "UNCHANGED", "Candidate", "ready"]

#: Strengths that are tried beside 1 where the noise is correlated: networks made for white noise leave part of it.
_STRONGER: Final = (1.25, 1.5)


@dataclass(frozen=True)
class Candidate:
    """A way to denoise.

    Attributes
    ----------
    name : str
        For people.
    model : str
        As :func:`limpid.load_model` takes it.
    strength : float
        As :func:`limpid.denoise` takes it; 0 leaves images as they are.
    """

    name: str
    model: str
    strength: float = 1.0


#: What is done where nothing is known, and where nothing is to be done.
SHIPPED: Final = Candidate("auto", "auto")
UNCHANGED: Final = Candidate("unchanged", "auto", 0.0)


def ready(noise: NoiseEstimate) -> Iterator[Candidate]:
    """Yield what needs no training, for images with this noise."""
    yield UNCHANGED
    channels = len(noise.channels)
    for name in shipped_names(channels=channels):
        yield Candidate(name, name)
        if noise.white is False and name != CAMERA:
            yield from (Candidate(f"{name}, strength {strength:g}", name, strength) for strength in _STRONGER)
    yield from (Candidate(name, name) for name in CLASSICAL)
