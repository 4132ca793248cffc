"""Losses by name: functions of prediction and target that return a scalar, 0 where the two are equal.

Both are of shape (N, C, H, W), or (N, C, D, H, W) for stacks, their value range scaled to [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from limpid.training.config import parse_loss

__all__ = ["LOSSES", "charbonnier", "cross_entropy", "huber", "ms_ssim", "weighted_sum"]

#: Well below this error, Charbonnier's loss is quadratic; LapSRN's ([2]_ of charbonnier).
_SMOOTH: Final = 1e-3

#: From this error on, Huber's loss is linear: 1.345 times the error of a photograph denoised at sigma 25 (29 dB), which
#: is Huber's choice for an estimate 95 % as efficient as least squares where errors are normal.
_LINEAR_FROM: Final = 0.05

#: Half a step of 8 bits: no value is taken to be surer than that.
_SURE: Final = 1 / 510

#: Of SSIM: side and standard deviation of the window, and the squares of 0.01 and 0.03 of the range.
_WINDOW_PX: Final = 11
_WINDOW_SIGMA_PX: Final = 1.5
_C1: Final = 0.01**2
_C2: Final = 0.03**2

#: Exponents of the scales, finest first, found by what observers called equally good ([1]_ of ms_ssim, section 4).
_SCALES: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

#: A factor of MS-SSIM below this counts as this: negative ones have no power, and at 0 the gradient has no bound.
_LEAST: Final = 1e-4


def charbonnier(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean of ``sqrt(e^2 + s^2) - s`` over errors e, with s = 0.001: L1 that is smooth at 0.

    References
    ----------
    .. [1] P. Charbonnier, L. Blanc-Feraud, G. Aubert, M. Barlaud, "Two deterministic half-quadratic regularization
       algorithms for computed imaging", ICIP 1994, doi:10.1109/ICIP.1994.413553.
    .. [2] W.-S. Lai, J.-B. Huang, N. Ahuja, M.-H. Yang, "Deep Laplacian pyramid networks for fast and accurate
       super-resolution", CVPR 2017, doi:10.1109/CVPR.2017.618, equation 2.
    """
    squares = (prediction - target).square()
    # The same as the formula, exactly 0 at no error.
    return (squares / ((squares + _SMOOTH**2).sqrt() + _SMOOTH)).mean()


def huber(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean of ``e^2 / 2`` over errors e up to 0.05, and of ``0.05 (|e| - 0.025)`` over larger ones.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35(1), 1964,
       doi:10.1214/aoms/1177703732.
    """
    return functional.huber_loss(prediction, target, delta=_LINEAR_FROM)


def cross_entropy(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the binary cross-entropy of target and prediction, less the entropy of the target.

    Each value of an image counts as the chance of white. What is subtracted does not depend on the prediction, so the
    gradient is that of the cross-entropy, and equal images give 0. Both are clipped to half a step of 8 bits from 0 and
    from 1. The mean absolute difference of what was clipped off is added: else a prediction outside of [0, 1], which no
    sigmoid keeps these networks from, would have no gradient back.
    """
    p, t = (image.clamp(_SURE, 1 - _SURE) for image in (prediction, target))
    divergence = t * (t.log() - p.log()) + (1 - t) * ((1 - t).log() - (1 - p).log())
    return divergence.mean() + functional.l1_loss(prediction - p, target - t)


def ms_ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Return 1 minus the mean multi-scale structural similarity of images and channels, and of the planes of stacks.

    Contrast and structure are compared at each of five scales, luminance at the coarsest, in Gaussian windows of 11 x
    11 pixels (standard deviation 1.5) that lie within the image; each scale is the one before, averaged over 2 x 2
    pixels. Patches below 176 pixels have room for fewer scales: as many as fit are used, with their exponents scaled to
    sum to 1, and one scale in a window as large as the patch where that is below 11 pixels. So values of different
    patch sizes can't be compared.

    It hardly feels a shift of all values, and where images are so unlike that a factor is below 0.0001 it has no
    gradient: give it l1 for company.

    References
    ----------
    .. [1] Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality assessment",
       Asilomar Conference on Signals, Systems and Computers 2003, doi:10.1109/ACSSC.2003.1292216, equation 7.
    .. [2] H. Zhao, O. Gallo, I. Frosio, J. Kautz, "Loss functions for image restoration with neural networks",
       IEEE Trans. Comput. Imaging 3(1), 2017, doi:10.1109/TCI.2016.2644865: 0.84 of it and 0.16 of (weighted) l1.
    """
    prediction, target = (image.flatten(1, -3) for image in (prediction, target))  # planes as channels
    side = min(prediction.shape[-2:])
    exponents = [e for scale, e in enumerate(_SCALES) if scale == 0 or side >> scale >= _WINDOW_PX]
    window = _window(min(side, _WINDOW_PX), like=prediction)
    similarity = prediction.new_ones(())
    for scale, exponent in enumerate(exponents):
        if scale > 0:
            prediction, target = (functional.avg_pool2d(image, 2) for image in (prediction, target))
        luminance, structure = _similarities(prediction, target, window)
        here = luminance * structure if scale == len(exponents) - 1 else structure
        factor = here.mean(dim=(2, 3)).clamp(min=_LEAST)
        similarity = similarity * factor ** (exponent / sum(exponents))
    return 1 - similarity.mean()


def _window(side: int, *, like: Tensor) -> Tensor:
    """Return a Gaussian window of sum 1, shape (side,), of the type and on the device of `like`."""
    places = torch.arange(side, dtype=like.dtype, device=like.device) - (side - 1) / 2
    window = torch.exp(-places.square() / (2 * _WINDOW_SIGMA_PX**2))
    return window / window.sum()


def _similarities(x: Tensor, y: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Return luminance, and contrast times structure, at each place of the window."""
    n, c, height, width = x.shape
    planes = torch.stack([x, y, x * x, y * y, x * y]).reshape(-1, 1, height, width)
    means = functional.conv2d(functional.conv2d(planes, window[None, None, None]), window[None, None, :, None])
    mx, my, xx, yy, xy = means.reshape(5, n, c, *means.shape[-2:])
    luminance = (2 * mx * my + _C1) / (mx * mx + my * my + _C1)
    structure = (2 * (xy - mx * my) + _C2) / ((xx - mx * mx) + (yy - my * my) + _C2)
    return luminance, structure


#: What a recipe may name under ``loss``.
LOSSES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "charbonnier": charbonnier,
    "huber": huber,
    "cross_entropy": cross_entropy,
    "ms_ssim": ms_ssim,
}


def weighted_sum(text: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss that a recipe describes, such as ``0.84 ms_ssim + 0.16 l1``.

    Raises
    ------
    ConfigError
        See :func:`limpid.training.config.parse_loss`.
    """
    terms = [(weight, LOSSES[name]) for weight, name in parse_loss(text)]

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        return torch.stack([weight * term(prediction, target) for weight, term in terms]).sum()

    return loss
