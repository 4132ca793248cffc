"""A pixel's own value, mixed into what a network that learnt not to use it says of that pixel."""

from __future__ import annotations

import logging

from torch import nn

__all__ = ["mix_back"]

_log = logging.getLogger(__name__)


def mix_back(network: nn.Module, noise_left: float) -> float:
    """Let through as much of each pixel as makes the squared error least.

    What the surroundings say of a pixel and the pixel itself are two estimates with independent errors, of `noise_left`
    and 1 times the variance of the noise: the pixel gets the weight ``noise_left / (1 + noise_left)``, and that is also
    what is left then. Independent they are where a network was trained without the pixel's own value ("J-invariance":
    J. Batson, L. Royer, "Noise2Self: blind denoising by self-supervision", ICML 2019).

    Parameters
    ----------
    network : torch.nn.Module
        Its residual is scaled, once and for all. One without ``scale_residual`` stays as it is.
    noise_left : float
        Mean squared error of what it answers, as a share of the variance.

    Returns
    -------
    float
        What is left now.
    """
    scale = getattr(network, "scale_residual", None)
    if scale is None or noise_left <= 0:
        return noise_left
    weight = noise_left / (1 + noise_left)
    scale(1 - weight)
    _log.info("%.3f of each pixel's own value is mixed into what its surroundings say", weight)
    return weight
