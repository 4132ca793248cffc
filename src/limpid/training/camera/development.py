"""From what a sensor sees to the picture that is shown, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from limpid.training.camera.sensor import Mosaic

__all__ = ["Development", "draw_development"]

#: How much of the light of red and of blue sensors lack against green ones, from lamps to shade.
_GAIN: Final = (1.2, 2.5)

#: Share of the sensor's range that the white of a picture takes.
_EXPOSURE: Final = (0.5, 1.0)

#: What is taken from a colour for each of the two others. Rows of a colour matrix sum to 1, so that gray stays gray.
_OTHERS: Final = (-0.05, 0.55)

#: Signal from which the inverse white balance spares highlights: Brooks et al. (2019), section 3.3.
_BRIGHT: Final = 0.9

#: Linear part of sRGB's curve: IEC 61966-2-1.
_LINEAR_MOST: Final = 0.0031308
_LINEAR_SLOPE: Final = 12.92


@dataclass(frozen=True)
class Development:
    """The steps of a camera from linear colours to a picture.

    Attributes
    ----------
    gains : (float, float, float)
        White balance.
    exposure : float
        Signal of the brightest green in a picture, as a share of the sensor's range.
    matrix : Tensor, shape (3, 3)
        From the camera's colours to those of sRGB.
    contrast : float
        Weight in ``(0, 1]`` of an S-shaped curve, ``3 x^2 - 2 x^3``, against none, after sRGB's own.
    """

    gains: tuple[float, float, float]
    exposure: float
    matrix: Tensor
    contrast: float

    def sensed(self, picture: Tensor) -> Tensor:
        """Return what a sensor sees of a scene that looks like a picture: both of shape (3, H, W), in ``[0, 1]``.

        References
        ----------
        .. [1] T. Brooks, B. Mildenhall, T. Xue, J. Chen, D. Sharlet, J. T. Barron, "Unprocessing images for learned raw
           denoising", CVPR 2019, section 3.
        """
        linear = _linear(_without_contrast(picture, self.contrast))
        colours = torch.tensordot(torch.linalg.inv(self.matrix), linear, dims=1).clamp(0, 1)
        # Divided, clipped white would become a colour that no clipped pixel has: highlights stay as they are.
        bright = ((colours.mean(0) - _BRIGHT).clamp(min=0) / (1 - _BRIGHT)).square()
        gains = colours.new_tensor(self.gains)[:, None, None]
        balanced = colours / gains
        return self.exposure * torch.maximum(balanced, balanced.lerp(colours, bright))

    def balanced(self, seen: Tensor, mosaic: Mosaic) -> Tensor:
        """Return mosaics, shape (N, H, W), with white balance, and as bright as the picture.

        What then exceeds white is white: a clipped pixel has the same value in all colours.
        """
        factors = seen.new_tensor(self.gains) / self.exposure
        cell = seen.new_empty((2, 2))
        for down, right, colour, _ in mosaic.sites():
            cell[down, right] = factors[colour]
        height, width = seen.shape[1:]
        return (seen * cell.repeat(height // 2, width // 2)).clamp(max=1)

    def shown(self, colours: Tensor) -> Tensor:
        """Return pictures of a camera's colours: both of shape (N, 3, H, W), pictures in ``[0, 1]``."""
        linear = torch.einsum("ij,njyx->niyx", self.matrix, colours).clamp(0, 1)
        return _with_contrast(_curved(linear), self.contrast)


def draw_development(rng: np.random.Generator) -> Development:
    """Return the development of a random camera in random light."""
    others = rng.uniform(*_OTHERS, size=(3, 3))
    np.fill_diagonal(others, 0)
    # The largest value of a row is on the diagonal and exceeds the sum of the others: there is an inverse.
    matrix = np.diag(1 + others.sum(1)) - others
    red, blue = rng.uniform(*_GAIN, size=2)
    return Development(
        gains=(float(red), 1.0, float(blue)),
        exposure=float(rng.uniform(*_EXPOSURE)),
        matrix=torch.from_numpy(matrix.astype(np.float32)),
        contrast=1 - float(rng.random()),
    )


def _linear(picture: Tensor) -> Tensor:
    return torch.where(
        picture <= _LINEAR_SLOPE * _LINEAR_MOST,
        picture / _LINEAR_SLOPE,
        ((picture + 0.055) / 1.055) ** 2.4,
    )


def _curved(linear: Tensor) -> Tensor:
    return torch.where(
        linear <= _LINEAR_MOST, _LINEAR_SLOPE * linear, 1.055 * linear.clamp(min=_LINEAR_MOST) ** (1 / 2.4) - 0.055
    )


def _with_contrast(picture: Tensor, contrast: float) -> Tensor:
    return picture.lerp(picture.square() * (3 - 2 * picture), contrast)


def _without_contrast(picture: Tensor, contrast: float) -> Tensor:
    # About the middle, u -> (1 + c / 2) u - 2 c u^3 is, for u = r sin a, proportional to sin 3a.
    slope = 1 + contrast / 2
    reach = math.sqrt(2 * slope / (3 * contrast))
    triple = (3 / (slope * reach)) * (picture - 0.5)
    return 0.5 + reach * (triple.clamp(-1, 1).asin() / 3).sin()
