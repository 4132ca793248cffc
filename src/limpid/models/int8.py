"""Whether and how a network may run in eight-bit integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from limpid.core.errors import OptionError

__all__ = ["LOSS_MAX", "WORST_MAX", "Int8", "checked_int8"]

#: Largest difference of a pixel to fp32, as a share of the value range, and by how many dB the mean PSNR may fall.
WORST_MAX: Final = 4 / 255
LOSS_MAX: Final = 0.03


@dataclass(frozen=True, kw_only=True)
class Int8:
    """How a network runs in int8, and what was measured of it.

    Attributes
    ----------
    ranges : mapping of str to sequence of float
        Weights of each convolution that is int8 -> largest magnitude in each channel of its input; the others are fp32.
    reach : (float, float)
        Pixel values that they hold for; an image or tile with others is for fp32.
    sigma_min : float
        Smallest level, as a share of the value range, at which int8 is harmless.
    crops : int
        Pieces of pictures that the figures are of.
    worst : float
        Largest difference of a pixel to fp32, as a share of the value range.
    psnr_loss : mapping of str to float
        Level, of 255 in the range -> by how many decibels the mean PSNR falls.
    """

    ranges: Mapping[str, Sequence[float]]
    reach: tuple[float, float]
    sigma_min: float
    crops: int
    worst: float
    psnr_loss: Mapping[str, float]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Return what plain values from JSON say.

        Raises
        ------
        TypeError, ValueError, KeyError
            If they say something else.
        """
        low, high = map(float, plain["reach"])
        losses = {level: float(loss) for level, loss in plain["psnr_loss"].items()}
        if not losses:
            raise ValueError("psnr_loss is empty")
        return cls(
            ranges={name: tuple(map(float, largest)) for name, largest in plain["ranges"].items()},
            reach=(low, high),
            sigma_min=float(plain["sigma_min"]),
            crops=int(plain["crops"]),
            worst=float(plain["worst"]),
            psnr_loss=losses,
        )

    @property
    def allowed(self) -> bool:
        """Whether the figures are within :data:`WORST_MAX` and :data:`LOSS_MAX`."""
        return self.worst <= WORST_MAX and max(self.psnr_loss.values()) <= LOSS_MAX


def checked_int8(int8: Int8 | None, *, name: str) -> Int8:
    """Return how a network runs in int8.

    Raises
    ------
    OptionError
        If that was not measured, or is not good enough.
    """
    if int8 is None:
        raise OptionError(
            f"{name} has not been calibrated for int8; choose the precision auto, bf16 or fp32. What limpid trains now "
            "is calibrated, where it sees single planes."
        )
    if not int8.allowed:
        loss = max(int8.psnr_loss.values())
        raise OptionError(
            f"{name} is not good enough in int8: pixels differ from fp32 by up to {255 * int8.worst:.2g} of 255 "
            f"({255 * WORST_MAX:g} are allowed), PSNR falls by up to {loss:.2g} dB ({LOSS_MAX:g}); choose the "
            "precision auto, bf16 or fp32."
        )
    return int8
