"""What a camera does to a picture that it has developed: less noise, smoother colours, sharpening, and a JPEG file."""

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

#: Noise reduction: standard deviation of the window whose statistics it looks at, in pixels, the variance that it takes
#: for noise, as a multiple of the noise's, and how much of what it would take it takes.
_WINDOW_PX: Final = (0.8, 2.5)
_TAKEN_FOR_NOISE: Final = (0.4, 1.5)
_REDUCTION: Final = (0.3, 1.0)

#: Standard deviation of the window within which a camera knows how strong its noise is, in pixels.
_KNOWN_PX: Final = 4.0

#: Standard deviation of the blur that sharpening takes off, in pixels, and how much of the difference it adds.
_SHARP_PX: Final = (0.6, 1.4)
_SHARPENING: Final = (0.2, 1.2)

#: Standard deviation of the blur of colours, in pixels.
_SMOOTH_PX: Final = (0.6, 4.0)

#: Standard deviations that a blur reaches.
_REACH: Final = 2.5

#: Least variance that is divided by.
_TINY: Final = 1e-8

#: Qualities of JPEG files, on libjpeg's scale.
_QUALITIES: Final = (70, 98)
_SUBSAMPLINGS: Final = ("4:2:0", "4:2:2", "4:4:4")


@dataclass(frozen=True)
class Finish:
    """The last steps of a camera.

    Attributes
    ----------
    window_px, threshold, reduction : float
        Noise reduction: window of its statistics, multiple of the noise's variance that it takes for noise, and share
        of it that it takes off; 0 for none.
    sharp_px, sharpening : float
        Blur that is taken off, and how much of it; 0 for none.
    smooth_px : float
        Blur of colours; 0 for none.
    quality : int or None
        Of the JPEG file; None where there is none.
    subsampling : str
        Of its colours.
    """

    window_px: float
    threshold: float
    reduction: float
    sharp_px: float
    sharpening: float
    smooth_px: float
    quality: int | None
    subsampling: str

    def corrected(self, pictures: Tensor) -> Tensor:
        """Return a noisy picture and the same without noise with less noise, smoother colours and sharper brightness.

        Both of shape (2, 3, H, W), in ``[0, 1]``. The clean one is smoothed where the noisy one is: between them is
        what became of the noise.
        """
        if self.smooth_px:
            smooth = _blurred(pictures, self.smooth_px)
            pictures = smooth + _luma(pictures) - _luma(smooth)
        if self.reduction:
            pictures = pictures - self.reduction * self._taken(_luma(pictures))
        if self.sharpening:
            luma = _luma(pictures)
            pictures = pictures + self.sharpening * (luma - _blurred(luma, self.sharp_px))
        return pictures.clamp(0, 1)

    def _taken(self, luma: Tensor) -> Tensor:
        """Return what noise reduction takes from the brightness, shape (2, 1, H, W), of a noisy and a clean picture.

        References
        ----------
        .. [1] J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE Transactions
           on Pattern Analysis and Machine Intelligence 2(2), 1980.
        """
        noise = _blurred((luma[:1] - luma[1:]).square(), _KNOWN_PX)
        smooth = _blurred(luma, self.window_px)
        variance = _blurred(luma[:1].square(), self.window_px) - smooth[:1].square()
        share = (self.threshold * noise / variance.clamp(min=_TINY)).clamp(max=1)
        return share * (luma - smooth)

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
    shares = (camera.reduced_share, camera.sharpened_share, camera.smoothed_share, camera.jpeg_share)
    reduced, sharp, smooth, coded = rng.random(4) < shares
    return Finish(
        window_px=float(rng.uniform(*_WINDOW_PX)),
        threshold=float(rng.uniform(*_TAKEN_FOR_NOISE)),
        reduction=float(rng.uniform(*_REDUCTION)) if reduced else 0.0,
        sharp_px=float(rng.uniform(*_SHARP_PX)),
        sharpening=float(rng.uniform(*_SHARPENING)) if sharp else 0.0,
        smooth_px=float(rng.uniform(*_SMOOTH_PX)) if smooth else 0.0,
        quality=int(rng.integers(*_QUALITIES, endpoint=True)) if coded else None,
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
