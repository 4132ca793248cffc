"""A validation that can be compared between checkpoints: the same crops and the same noise each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from limpid.core.errors import DataError
from limpid.training.batch import Batch, Source
from limpid.training.config import StrategyParameters
from limpid.training.data import Pool, central
from limpid.training.device import CPU
from limpid.training.strategies import STRATEGIES, build_strategy, objective
from limpid.training.strategies.base import Predict
from limpid.training.strategies.recorrupted import recorrupted

__all__ = ["HeldOut", "Validation"]

_SIDE: Final = 256
_SIGMAS: Final = (15, 25, 50)
_BATCH: Final = 8

#: Batches of held-out patches.
_ROUNDS: Final = 8

#: Noise that is added to images made from one, as a share of the noise it has: little, so that they are like it.
_SHARE: Final = 0.1


class Validation:
    """Mean PSNR over central crops of held-out pictures at some levels of white noise, the level told.

    Parameters
    ----------
    pool : Pool
        Held-out pictures of at least 256 x 256 pixels. Those of 512 and more are reduced by 2 first.
    sigmas : sequence of int
        Standard deviations of the noise, on the 0-255 scale.

    Raises
    ------
    DataError
        If the pool is empty.
    """

    def __init__(self, pool: Pool, *, sigmas: Sequence[int] = _SIGMAS) -> None:
        if not pool.pictures:
            raise DataError("no picture is held out to validate on; add pictures, or raise validation_share.")
        self._clean = torch.from_numpy(np.stack([central(picture, _SIDE, most=2) for picture in pool.pictures]))
        self._sigmas = tuple(sigmas)

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Return ``psnr_15`` for sigma 15, and so on, in dB, range 1, neither clipped nor rounded.

        A network that does not take 256 pixels sees the largest multiple of its ``size_multiple`` below, from the top
        left.
        """
        return {f"psnr_{sigma}": self._psnr(network, sigma) for sigma in self._sigmas}

    @torch.no_grad()
    def _psnr(self, network: nn.Module, sigma: int) -> float:
        generator = torch.Generator().manual_seed(sigma)
        noisy = self._clean + sigma / 255 * torch.randn(self._clean.shape, generator=generator)
        multiple: int = network.size_multiple  # type: ignore[assignment]  # a module's attributes have no types
        side = _SIDE // multiple * multiple
        scores = []
        for start in range(0, len(noisy), _BATCH):
            clean, batch = (t[start : start + _BATCH, :, :side, :side] for t in (self._clean, noisy))
            denoised = Predict(network)(batch, torch.full_like(batch, sigma / 255))
            scores.append(-10 * (denoised - clean).square().mean((1, 2, 3)).log10())
        return float(torch.cat(scores).mean())


class HeldOut:
    """How much of the noise is left in patches that are not trained on, estimated without clean ones.

    With a target, the mean squared difference from it, less the variance of the target's own noise. Without, the same
    with two images made from one (:mod:`~limpid.training.strategies.recorrupted`), which is right for white noise that
    is about Gaussian, or at hidden pixels (:mod:`~limpid.training.strategies.noise2void`), which is right for all white
    noise but gives a network less to see than it has in use. A strategy that is valid for noise that is not
    white judges itself in this way. The same patches and the same noise each time, so that checkpoints and strategies
    can be compared. In float32: an estimate made from differences doesn't bear bfloat16's rounding.

    Parameters
    ----------
    source : Source
        Images that are held out.
    strategy : str
        Name of the strategy.
    parameters : StrategyParameters
        Its parameters.
    patch_px : int
        Side of the patches.
    gaussian : bool
        Whether the noise is about Gaussian.
    device : torch.device
        Of the networks that will be validated.
    """

    def __init__(
        self,
        source: Source,
        *,
        strategy: str,
        parameters: StrategyParameters = StrategyParameters(),  # noqa: B008 (frozen)
        patch_px: int,
        gaussian: bool = True,
        device: torch.device = CPU,
    ) -> None:
        own = build_strategy(strategy, parameters)
        self._compare = STRATEGIES["supervised"]
        if not own.needs_target and not (own.needs_white_noise and gaussian):
            self._compare = STRATEGIES["noise2void"] if own.needs_white_noise else own
        rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
        self._cases: list[tuple[Batch, float]] = []
        for _ in range(_ROUNDS):
            batch = source.draw(_BATCH, patch_px=patch_px, rng=rng, step=0)
            variance = float(batch.level.square().mean())
            if batch.target is not None:
                self._cases.append((batch.on(device), variance if own.noisy_target else 0.0))
                continue
            if self._compare is not STRATEGIES["supervised"]:
                self._cases.append((batch.on(device), variance))
                continue
            made = recorrupted(batch, _SHARE, generator)
            assert made.target is not None
            added = float((made.target - torch.cat([batch.noisy, batch.noisy])).square().mean())
            self._cases.append((made.on(device), variance + added))

    @property
    def level(self) -> float:
        """Level of the noise that 99 % of the values have at most, the value range as 1."""
        return float(torch.cat([batch.level.flatten() for batch, _ in self._cases]).quantile(0.99))

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Return ``noise_left``: the mean squared error as a share of the noise's variance; by chance below 0."""
        return {"noise_left": float(self.shares(network).mean())}

    @torch.no_grad()
    def shares(self, network: nn.Module) -> npt.NDArray[np.float64]:
        """Return what ``noise_left`` is the mean of, batch by batch, shape (batches,)."""
        mean = sum(float(batch.level.square().mean()) for batch, _ in self._cases) / len(self._cases)
        errors = [
            float(objective(self._compare, network, batch, loss="mse", seed=0, dtype=torch.float32)) - own
            for batch, own in self._cases
        ]
        return np.asarray(errors) / mean
