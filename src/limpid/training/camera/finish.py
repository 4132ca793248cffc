"""What a camera does to a picture that it has developed: sharpening, smoother colours, and a JPEG file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from limpid.evaluation.scale import LUMA
from limpid.io.formats.jpeg import recoded
from limpid.training.config import Camera

__all__ = ["Finish", "as_stored", "draw_finish"]

#: Standard deviation of the blur that sharpening takes off, in pixels, and how much of the difference it adds.
_SHARP_PX: Final = (0.6, 1.4)
_SHARPENING: Final = (0.2, 1.2)

#: Standard deviation of the blur of colours, in pixels.
_SMOOTH_PX: Final = (0.6, 2.0)

#: Standard deviations that a blur reaches.
_REACH: Final = 2.5

#: Qualities of JPEG files, on libjpeg's scale.
_QUALITIES: Final = (70, 99)
_SUBSAMPLINGS: Final = ("4:2:0", "4:2:2", "4:4:4")


@dataclass(frozen=True)
class Finish:
    """The last steps of a camera.

    Attributes
    ----------
    sharp_px, sharpening : float
        Blur that is taken off, and how much of it; 0 for none.
    smooth_px : float
        Blur of colours; 0 for none.
    quality : int or None
        Of the JPEG file; None where there is none.
    subsampling : str
        Of its colours.
    """

    sharp_px: float
    sharpening: float
    smooth_px: float
    quality: int | None
    subsampling: str

    def corrected(self, pictures: Tensor) -> Tensor:
        """Return pictures with smoother colours and sharper brightness: all of shape (N, 3, H, W), in ``[0, 1]``."""
        if self.smooth_px:
            smooth = _blurred(pictures, self.smooth_px)
            pictures = smooth + _luma(pictures) - _luma(smooth)
        if self.sharpening:
            luma = _luma(pictures)
            pictures = pictures + self.sharpening * (luma - _blurred(luma, self.sharp_px))
        return pictures.clamp(0, 1)

    def stored(self, picture: Tensor) -> Tensor:
        """Return a picture, shape (3, H, W), as its file gives it back: in 8 bits, through JPEG where there is any."""
        if self.quality is None:
            return as_stored(picture)
        values = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        back = recoded(values, quality=self.quality, subsampling=self.subsampling)
        return torch.from_numpy(back).permute(2, 0, 1).float() / 255


def as_stored(picture: Tensor) -> Tensor:
    """Return a picture in ``[0, 1]`` as 8 bits hold it."""
    return (picture.clamp(0, 1) * 255).round() / 255


def draw_finish(camera: Camera, rng: np.random.Generator) -> Finish:
    """Return the finish of a random camera."""
    sharp, smooth, coded = rng.random(3) < (camera.sharpened_share, camera.smoothed_share, camera.jpeg_share)
    return Finish(
        sharp_px=float(rng.uniform(*_SHARP_PX)),
        sharpening=float(rng.uniform(*_SHARPENING)) if sharp else 0.0,
        smooth_px=float(rng.uniform(*_SMOOTH_PX)) if smooth else 0.0,
        quality=int(rng.integers(*_QUALITIES)) if coded else None,
        subsampling=str(rng.choice(_SUBSAMPLINGS)),
    )


def _luma(pictures: Tensor) -> Tensor:
    red, green, blue = (weight * pictures[:, c : c + 1] for c, weight in enumerate(LUMA))
    return red + green + blue


def _blurred(pictures: Tensor, sigma_px: float) -> Tensor:
    reach = math.ceil(_REACH * sigma_px)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma_px).square())
    taps = taps / taps.sum()
    around = functional.pad(pictures, [reach] * 4, mode="replicate").flatten(0, 1)[:, None]
    rows = functional.conv2d(around, taps.view(1, 1, 1, -1))
    return functional.conv2d(rows, taps.view(1, 1, -1, 1)).view(pictures.shape)
