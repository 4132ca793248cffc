"""A smaller network learns from what a larger one answers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from limpid.core.errors import ConfigError
from limpid.models.layout import layout_of
from limpid.models.registry import build_network
from limpid.training.batch import Batch, Source
from limpid.training.config import Teacher
from limpid.training.device import CPU, precision_of
from limpid.training.start import start_of
from limpid.training.strategies.base import Predict

__all__ = ["Taught"]


class Taught:
    """Batches of another source, whose targets lie between the clean patches and a teacher's answers.

    What is left between a clean patch and the best possible answer is chance, and most of what the gradient of one
    batch says is about that. A teacher's answer has no such chance in it, but has errors of its own.

    Parameters
    ----------
    source : Source
        Has clean targets.
    teacher : Teacher
        The network that answers, and how much its answers count.
    channels : int
        Of the patches.

    Raises
    ------
    ModelError
        If there is no such model.
    ConfigError
        If it is for other channels.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", arXiv:1503.02531, section 2.
    """

    def __init__(self, source: Source, teacher: Teacher, *, channels: int) -> None:
        found = start_of(teacher.model, channels)
        if found.parameters.get("channels", channels) != channels:
            raise ConfigError(
                f"the teacher {teacher.model!r} takes no patches of {channels} channels; choose one that does."
            )
        network = build_network(found.architecture, {**found.parameters, "channels": channels})
        network.load_state_dict(found.load())
        self._answer = Predict(_prepared(network), precision_of(CPU))
        self._source = source
        self._share = teacher.share

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator, step: int) -> Batch:
        """Return a batch; see :class:`~limpid.training.batch.Source`."""
        batch = self._source.draw(count, patch_px=patch_px, rng=rng, step=step)
        assert batch.target is not None
        with torch.no_grad():
            answer = self._answer(batch.noisy, batch.level)
        return batch._replace(target=batch.target.lerp(answer, self._share))

    def pixels(self) -> int:
        """Return the pixels there are to draw from; see :class:`~limpid.training.batch.Source`."""
        return self._source.pixels()


def _prepared(network: nn.Module) -> nn.Module:
    prepared: nn.Module = network.requires_grad_(False).eval().to(memory_format=layout_of(network))  # type: ignore[call-overload]
    return prepared
