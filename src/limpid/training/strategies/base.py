"""What a strategy is, and what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from limpid.models.layout import channels_last
from limpid.models.prior import Prior
from limpid.training.batch import Batch

__all__ = ["Loss", "Predict", "Shared", "Strategy", "alone"]

#: Maps a prediction and its target to a scalar.
Loss = Callable[[Tensor, Tensor], Tensor]


#: Maps patches and their level to tensors of as many patches.
Run = Callable[[Tensor, Tensor], tuple[Tensor, ...]]

#: Makes of it what is shared out between processes.
Shared = Callable[[Run], Run]


def alone(run: Run) -> Run:
    """Return what it is given: there is one process."""
    return run


@dataclass(frozen=True)
class Predict:
    """A network as strategies use it: convolutions in `dtype`, answers in float32.

    Attributes
    ----------
    network : torch.nn.Module
        Called as ``network(noisy, level)``; returns the residual to add.
    dtype : torch.dtype
        Precision of the convolutions: float32 or bfloat16.
    shared : callable
        Shares the network's work out between processes (:meth:`limpid.training.parallel.Processes.shared`). A strategy
        sees the whole batch, so it needs to know nothing of them.
    """

    network: nn.Module
    dtype: torch.dtype = torch.bfloat16
    shared: Shared = alone

    def __call__(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return denoised patches; all of shape (N, C, H, W), or (N, C, D, H, W) where the network takes stacks."""
        (residual,) = self._run(lambda *batch: (self.network(*batch),), noisy, level)
        return noisy + residual

    def prior(self, noisy: Tensor, level: Tensor) -> Prior:
        """Return what the surroundings of each pixel say of it; for strategies with ``needs_prior``."""
        prior: Any = self.network.prior
        return Prior(*self._run(lambda noisy, _: prior(noisy), noisy, level))

    def _run(self, function: Any, noisy: Tensor, level: Tensor) -> tuple[Tensor, ...]:
        def run(noisy: Tensor, level: Tensor) -> tuple[Tensor, ...]:
            inputs, told = (t.contiguous(memory_format=channels_last(t)) for t in (noisy, level))
            with torch.autocast(inputs.device.type, self.dtype, enabled=self.dtype != torch.float32):
                return tuple(tensor.float() for tensor in function(inputs, told))

        made: tuple[Tensor, ...] = self.shared(run)(noisy, level)
        return made


class Strategy(Protocol):
    """A way to learn from batches.

    Attributes
    ----------
    needs_target : bool
        Whether batches must have a target.
    noisy_target : bool
        Whether that target has noise of its own.
    needs_white_noise : bool
        Whether it is wrong for noise that is correlated between neighbouring pixels. What hides neighbours from the
        network is right for noise that is correlated no further than that.
    needs_gaussian_noise : bool
        Whether it is wrong for noise that is far from Gaussian, such as that of a few quanta.
    needs_prior : bool
        Whether the network must have a method ``prior``.
    hides_pixels : bool
        Whether the network learns to answer without the value that a pixel has.
    patch_multiple : int
        Patches are multiples of this many times what the network's input is a multiple of.
    """

    @property
    def needs_target(self) -> bool: ...  # noqa: D102 (see the class)
    @property
    def noisy_target(self) -> bool: ...  # noqa: D102
    @property
    def needs_white_noise(self) -> bool: ...  # noqa: D102
    @property
    def needs_gaussian_noise(self) -> bool: ...  # noqa: D102
    @property
    def needs_prior(self) -> bool: ...  # noqa: D102
    @property
    def hides_pixels(self) -> bool: ...  # noqa: D102
    @property
    def patch_multiple(self) -> int: ...  # noqa: D102

    def objective(self, predict: Predict, batch: Batch, loss: Loss, generator: torch.Generator) -> Tensor:
        """Return what is to become small, a scalar.

        All randomness comes from `generator`, which is the processor's: so the numbers are the same on every device.
        """
        ...
