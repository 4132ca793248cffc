"""A denoiser that learns from the one image it is given: no training data, no weights."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from limpid.core.denoiser import Capabilities
from limpid.core.errors import ImageError
from limpid.core.image import FloatArray
from limpid.core.tiling import plane_tiles
from limpid.models.registry import NAMED
from limpid.training.batch import Batch
from limpid.training.config import Architecture, Data, Optimiser, Stage, TrainConfig
from limpid.training.data import turned
from limpid.training.preparation import Preparation
from limpid.training.start import initial_network
from limpid.training.unkept import train_unkept

__all__ = ["ZeroShot"]

#: Pixels that the network sees around one, rounded up to what its input is a multiple of, and what it is a multiple of.
_HALO_PX, _MULTIPLE = 64, 8

#: Largest piece that is denoised at once.
_TILE_PX: Final = 512

#: Images of several threads take turns: a training takes all cores, and first weights come from torch's own generator.
_TRAINING: Final = threading.Lock()


@dataclass(frozen=True)
class ZeroShot:
    """A small network, trained on the plane alone and then applied to it.

    It learns by ``recorrupted`` (:mod:`limpid.training.strategies.recorrupted`): the level of the noise is told, and
    the noise must be white. The result is the mean over the eight turns of the plane.

    Attributes
    ----------
    steps : int
        Batches it is trained on.
    batch, patch_px : int
        Patches in a batch, and their side in pixels.
    learning_rate : float
        Highest rate; it falls to zero.
    seed : int
        Every random number follows from it.
    """

    steps: int = 2000
    batch: int = 4
    patch_px: int = 64
    learning_rate: float = 2e-3
    seed: int = 0
    name: str = "zero-shot"

    @property
    def capabilities(self) -> Capabilities:
        """Any number of channels up to three; it learns from the whole plane."""
        return Capabilities(channels=(1, 3), level_map=True, halo_px=None, bytes_per_pixel=128)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and what the training is decided by."""
        return {
            "model": self.name,
            "steps": self.steps,
            "batch": self.batch,
            "patch_px": self.patch_px,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
        }

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane (see :class:`limpid.core.Denoiser`).

        Raises
        ------
        ImageError
            If the plane is smaller than 16 x 16 pixels.
        """
        side = min(self.patch_px, *(length // _MULTIPLE * _MULTIPLE for length in noisy.shape[:2]))
        if side < 2 * _MULTIPLE:
            raise ImageError(
                f"{self.name} learns from the image itself, and {noisy.shape[1]} x {noisy.shape[0]} pixels are too "
                "few: 16 x 16 at least; choose another model."
            )
        told = np.ascontiguousarray(np.broadcast_to(level, noisy.shape))
        with _TRAINING:
            network = self._trained(_Plane(noisy, told), channels=noisy.shape[-1], patch_px=side)
        return _over_turns(network, noisy, told)

    def _trained(self, source: _Plane, *, channels: int, patch_px: int) -> nn.Module:
        architecture, parameters = NAMED["small"]
        config = TrainConfig(
            name=self.name,
            seed=self.seed,
            steps=self.steps,
            architecture=Architecture(name=architecture, parameters={"channels": channels, **parameters}),
            data=Data(pool="the image", channels=channels),
            optimiser=Optimiser(name="muon", learning_rate=self.learning_rate, warmup_steps=20, ema_decay=0.99),
            stages=(Stage(until=1.0, patch_px=patch_px, batch=self.batch, loss="mse"),),
            strategy="recorrupted",
        )
        network = initial_network(config)
        train_unkept(config, network=network, source=source)
        return network.eval()


@dataclass(frozen=True)
class _Plane:
    """Patches of one plane; both of shape (Y, X, C)."""

    noisy: FloatArray
    level: FloatArray

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator, step: int) -> Batch:  # noqa: ARG002
        """Return a batch (see :class:`~limpid.training.batch.Source`)."""
        patches = []
        for _ in range(count):
            y, x = (int(rng.integers(length - patch_px + 1)) for length in self.noisy.shape[:2])
            turns, mirrored = Preparation().turn(rng)
            window = np.s_[y : y + patch_px, x : x + patch_px]
            patches.append(
                [turned(plane[window], turns=turns, mirrored=mirrored) for plane in (self.noisy, self.level)]
            )
        noisy, level = (torch.from_numpy(np.stack(part)) for part in zip(*patches, strict=True))
        return Batch(noisy, level)

    def pixels(self) -> int:
        """Return the pixels of the plane."""
        return int(self.noisy.shape[0] * self.noisy.shape[1])


def _over_turns(network: nn.Module, noisy: FloatArray, level: FloatArray) -> FloatArray:
    """Return the mean of what the network makes of the eight turns of a plane."""
    total = np.zeros_like(noisy)
    for turns in range(4):
        for mirrored in (False, True):
            one, told = (np.rot90(plane[:, ::-1] if mirrored else plane, turns) for plane in (noisy, level))
            back = np.rot90(_whole(network, one, told), -turns)
            total += back[:, ::-1] if mirrored else back
    mean: FloatArray = total / np.float32(8)
    return mean


@torch.no_grad()
def _whole(network: nn.Module, noisy: FloatArray, level: FloatArray) -> FloatArray:
    """Return what the network makes of a plane, piece by piece."""
    out = np.empty_like(noisy)
    for tile in plane_tiles(*noisy.shape[:2], tile=(_TILE_PX, _TILE_PX), halo=_HALO_PX, align=_MULTIPLE):
        out[tile.target] = tile.kept(_padded(network, noisy[tile.source], level[tile.source]))
    return out


def _padded(network: nn.Module, noisy: FloatArray, level: FloatArray) -> FloatArray:
    height, width = noisy.shape[:2]
    pad = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
    inputs, told = (
        functional.pad(torch.from_numpy(np.ascontiguousarray(plane.transpose(2, 0, 1)[None])), pad, mode="reflect")
        for plane in (noisy, level)
    )
    clean: FloatArray = (inputs + network(inputs, told))[0, :, :height, :width].numpy().transpose(1, 2, 0)
    return clean
