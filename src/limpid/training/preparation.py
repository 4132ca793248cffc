"""What is done to one's own images, and to patches of them, before a network is trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from limpid.core.arguments import check_number
from limpid.core.errors import ConfigError
from limpid.core.image import FloatArray
from limpid.core.preprocess import Step

__all__ = ["AUGMENTATIONS", "Preparation", "holds_signal"]

#: What may be named as the augmentation.
AUGMENTATIONS: Final = ("none", "mirror", "turns")

#: Side of the boxes over which a patch is averaged to look for signal below the noise.
_BOX_PX: Final = 4

#: Variance between boxes from which there is signal, as a multiple of what noise leaves. The means of a patch of
#: 32 x 32 pixels scatter by 18 % around 1, the measured noise by about as much.
_SIGNAL: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How images become patches.

    Attributes
    ----------
    preprocessing : tuple of Step
        Done to every image as it is read; stored in the model, which does it in use.
    augment : str
        How patches are varied at random: ``none``, ``mirror`` (left and right), or ``turns`` (by quarters, and
        mirrored).
    skip_empty : float
        Share of the patches that are drawn anew as long as they hold nothing but noise, ``0 <= skip_empty < 1``. The
        others come from anywhere: a network that never sees empty regions invents structure in them.
    planes : int or None
        Consecutive planes of a stack that a patch is cut from, for volumetric networks; None for those of single
        planes.
    """

    preprocessing: tuple[Step, ...] = ()
    augment: str = "turns"
    skip_empty: float = 0.0
    planes: int | None = None

    def __post_init__(self) -> None:
        if self.augment not in AUGMENTATIONS:
            raise ConfigError(f"unknown augmentation {self.augment!r}; known: {', '.join(AUGMENTATIONS)}.")
        check_number("skip_empty", self.skip_empty, low=0, high=1)
        if self.skip_empty == 1:
            raise ConfigError("skip_empty must be below 1: some patches have to come from anywhere; try 0.9.")
        if self.planes is not None:
            check_number("planes", self.planes, low=2, whole=True)

    def turn(self, rng: np.random.Generator, *, quarters: bool = True) -> tuple[int, bool]:
        """Draw by how many quarters a patch is turned (by halves, if not `quarters`), and whether it is mirrored."""
        step = 1 if quarters else 2
        turns = step * int(rng.integers(4 // step)) if self.augment == "turns" else 0
        return turns, bool(rng.integers(2)) if self.augment != "none" else False


def holds_signal(noisy: FloatArray, level: FloatArray) -> bool:
    """Return whether more than noise varies in a patch: its means over 4 x 4 pixels differ by more than it explains.

    What is seen has a standard deviation of at least a quarter of the noise's, if it is wider than a few pixels. Noise
    that is correlated between pixels is taken for signal, and so is a gradient.

    Parameters
    ----------
    noisy, level : float32 array, shape (Y, X, C) or (D, Y, X, C)
        A patch, and the standard deviation of its noise.
    """
    height, width = (length // _BOX_PX * _BOX_PX for length in noisy.shape[-3:-1])
    if height * width <= _BOX_PX**2:
        return True  # a patch of one box can't be told

    def boxes(values: FloatArray) -> FloatArray:
        *planes, _, _, channels = values.shape
        cells = values[..., :height, :width, :].reshape(
            *planes, height // _BOX_PX, _BOX_PX, width // _BOX_PX, _BOX_PX, channels
        )
        means: FloatArray = cells.mean(axis=(-4, -2))
        return means

    axes = tuple(range(noisy.ndim - 1))
    noise = boxes(np.square(level)).mean(axis=axes) / _BOX_PX**2
    return bool((boxes(noisy).var(axis=axes, ddof=0) > _SIGNAL * noise).any())
