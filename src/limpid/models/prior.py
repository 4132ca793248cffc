"""What the surroundings of a pixel say of it, and what that and the noisy pixel say together (needs torch).

A pixel has C channels. Without noise it is taken to be normal, N(mu, S), given its surroundings; with white noise of
covariance L it is then N(mu, S + L), and the mean of the clean pixel given the noisy one y is

    y + L (S + L)^-1 (mu - y)

(Laine, Karras, Lehtinen, Aila, NeurIPS 2019, arXiv:1901.10277, equations 4 and 5, whose expected value this is). C is
small: systems are solved by elimination, one operation for all pixels at once, which every runtime has.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor

__all__ = ["Prior", "negative_log_likelihood", "posterior_residual"]

#: Least variance in any direction, so that systems can be solved: as a share of the variance of all channels (ten times
#: what float32 loses in a difference) and, where there is none, of the value range squared.
_LEAST_SHARE: Final = 1e-6
_LEAST: Final = 1e-12


class Prior(NamedTuple):
    """A normal distribution for each pixel.

    Attributes
    ----------
    mean : Tensor, shape (N, C, H, W)
        In the units of the image.
    covariance : Tensor, shape (N, C, C, H, W)
        Between the channels of a pixel; symmetric, with no negative eigenvalue.
    """

    mean: Tensor
    covariance: Tensor


def posterior_residual(prior: Prior, noisy: Tensor, level: Tensor) -> Tensor:
    """Return the mean of the clean pixel given the noisy one, minus the noisy one.

    Parameters
    ----------
    prior : Prior
        Of the clean pixel.
    noisy : Tensor, shape (N, C, H, W)
        The image.
    level : Tensor, shape (N, C, H, W)
        Standard deviation of the noise at each value. Where it is 0 the residual is 0.
    """
    rows, right = _eliminated(prior, noisy, level)
    solution: list[Tensor] = []
    for i in reversed(range(len(right))):
        known = sum(rows[i][j] * x for j, x in zip(range(len(right) - 1, i, -1), solution, strict=True))
        solution.append((right[i] - known) / rows[i][i])
    return level.square() * torch.stack(solution[::-1], dim=1)


def negative_log_likelihood(prior: Prior, noisy: Tensor, level: Tensor) -> Tensor:
    """Return minus the logarithm of the density of the noisy pixels, shape (N, H, W), but for a constant.

    Parameters are those of :func:`posterior_residual`.
    """
    rows, right = _eliminated(prior, noisy, level)
    return 0.5 * torch.stack([x.square() / rows[i][i] + rows[i][i].log() for i, x in enumerate(right)]).sum(dim=0)


def _eliminated(prior: Prior, noisy: Tensor, level: Tensor) -> tuple[list[list[Tensor]], list[Tensor]]:
    """Return (S + L) and mu - y after elimination: rows of an upper triangle, whose diagonal multiplies to |S + L|."""
    channels = noisy.shape[1]
    rows = [list(row.unbind(1)) for row in prior.covariance.unbind(1)]
    right = list((prior.mean - noisy).unbind(1))
    least = _LEAST_SHARE * torch.stack([rows[i][i] for i in range(channels)]).sum(dim=0) + _LEAST
    for i, variance in enumerate(level.square().unbind(1)):
        rows[i][i] = rows[i][i] + variance + least
    for i in range(channels):
        rows[i][i] = torch.maximum(rows[i][i], least)  # in exact arithmetic it is no less
        for k in range(i + 1, channels):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [below - factor * above for above, below in zip(rows[i], rows[k], strict=True)]
            right[k] = right[k] - factor * right[i]
    return rows, right
