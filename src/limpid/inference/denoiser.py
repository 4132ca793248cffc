"""A stored model, or a family of them, as a denoiser."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from limpid.core.denoiser import Capabilities
from limpid.core.errors import OptionError
from limpid.core.image import FloatArray
from limpid.inference.precision import SelfTest, self_test, sigma_min
from limpid.inference.runtimes import PRECISIONS, Network, Precision, Runtime, check_precision
from limpid.inference.test_vector import check_test_vector
from limpid.models.cards import ModelCard
from limpid.models.int8 import checked_int8
from limpid.models.store import StoredModel

__all__ = ["NetworkDenoiser", "denoised"]

_log = logging.getLogger(__name__)

#: While the network runs on one tile, the one before is written and the next is read: one thread of each is enough,
#: since calls of the network take turns.
_TILES_AT_ONCE: Final = 2


class NetworkDenoiser:
    """Run the model that fits the channels of a plane.

    Parameters
    ----------
    name : str
        What the user called it.
    models : mapping from int to StoredModel
        Models by their number of channels.
    runtime : Runtime
        Where they run.
    precision : str
        ``int8``, ``bf16``, ``fp32``, or ``auto``: of those that the card allows at the level, what the self-test found
        fastest. Tiles with values that int8 was not calibrated for are done without it: in fp32 where int8 is named.

    Raises
    ------
    OptionError
        If the precision is unknown, the runtime's device doesn't have it, or a card doesn't allow int8.
    """

    def __init__(
        self, name: str, models: Mapping[int, StoredModel], *, runtime: Runtime, precision: str = "auto"
    ) -> None:
        check_precision(precision, runtime)
        if precision == "int8":
            for model in models.values():
                checked_int8(model.card.int8, name=model.card.name)
        self.name = name
        self.models = models
        self.runtime = runtime
        self._precision = precision
        # Compiled and tested on first use by one thread while others wait; kept as long as the denoiser.
        self._compiling = threading.Lock()
        self._networks: dict[tuple[int, Precision], Network] = {}
        self._tests: dict[int, SelfTest] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What all models of the family can do."""
        cards = [model.card for model in self.models.values()]
        return Capabilities(
            channels=tuple(sorted(self.models)),
            level_map=True,
            blind=cards[0].blind,  # a family is of one kind
            level_again=cards[0].blind,
            sigma_max=min(card.sigma_max for card in cards),
            halo_px=max(card.halo_px for card in cards),
            halo_planes=cards[0].halo_planes,
            align_px=max(card.size_multiple for card in cards),
            bytes_per_pixel=max(card.bytes_per_pixel for card in cards),
            tiles_at_once=_TILES_AT_ONCE,
            preprocessing=cards[0].preprocessing,  # a family has one
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name, weight hashes and preprocessing: what decides the output, up to rounding."""
        steps = [dataclasses.asdict(step) for step in self.capabilities.preprocessing]
        hashes = [self.models[c].card.sha256 for c in sorted(self.models)]
        return {"model": self.name, "sha256": hashes} | ({"preprocessing": steps} if steps else {})

    @cached_property
    def exact(self) -> NetworkDenoiser:
        """The same in fp32 throughout, for small differences between outputs."""
        if self._precision == "fp32":
            return self
        return NetworkDenoiser(self.name, self.models, runtime=self.runtime, precision="fp32")

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the plane plus the predicted residual, added in float32 (see :class:`limpid.core.Denoiser`)."""
        return self._denoised(noisy, level)

    def denoise_stack(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the stack plus the predicted residual (see :class:`limpid.core.denoiser.StackDenoiser`)."""
        return self._denoised(noisy, level)

    def _denoised(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        *_, height, width, channels = noisy.shape
        with self._compiling:
            network = self._network(channels, self.precision_for(noisy, level))
        multiple = self.models[channels].card.size_multiple
        pad = (-height % multiple, -width % multiple)
        return denoised(network, noisy, level, pad=pad, volumetric=self.capabilities.volumetric)

    def precision_for(self, noisy: FloatArray, level: FloatArray) -> Precision:
        """Return the arithmetic that a plane or stack is denoised in; arguments as in :func:`denoised`."""
        channels = noisy.shape[-1]
        card = self.models[channels].card
        chosen: Precision = self._precision  # type: ignore[assignment]  # checked in __init__
        if self._precision == "auto":
            # A level per pixel may be faint somewhere, in this tile or another. Tiles differ in int8 alone, by what
            # their values reach, and then by no more than its worst pixel.
            least = level.min() if level.ndim == 1 else 0.0
            allowed = [p for p in PRECISIONS if sigma_min(card, p) <= least]
            chosen = self._fastest(channels, allowed)
            if chosen == "int8" and not _within(card, noisy):
                chosen = self._fastest(channels, [p for p in allowed if p != "int8"])
        elif chosen == "int8":
            self._check_int8(channels)
            chosen = "int8" if _within(card, noisy) else "fp32"
        return chosen

    def _fastest(self, channels: int, allowed: list[Precision]) -> Precision:
        return self._tested(channels).fastest(allowed) if len(allowed) > 1 else "fp32"

    def _tested(self, channels: int) -> SelfTest:
        if channels not in self._tests:
            self._tests[channels] = self_test(self.runtime, self.models[channels])
        return self._tests[channels]

    def _check_int8(self, channels: int) -> None:
        """Refuse int8 where this processor gives other numbers in it than that of the calibration."""
        trial = self._tested(channels).trials["int8"]
        if not trial.passed:
            raise OptionError(
                f"{self.models[channels].card.name} in int8 is off by {trial.error:.0%} of the noise on "
                f"{self.runtime.device}; choose the precision auto, bf16 or fp32."
            )

    def _network(self, channels: int, precision: Precision) -> Network:
        if (channels, precision) not in self._networks:
            network = self.runtime.compile(self.models[channels], precision=precision)
            if precision == "fp32":
                check_test_vector(network, self.models[channels], runtime=self.runtime)
            self._networks[channels, precision] = network
            _log.info("%s", self._stated(channels, precision))
        return self._networks[channels, precision]

    def _stated(self, channels: int, precision: Precision) -> str:
        """Return in which arithmetic a model runs, and why, for the log."""
        text = f"{self.models[channels].card.name} runs in {precision} on {self.runtime.device}"
        if self._precision != "auto":
            return text
        missing = [p for p in PRECISIONS if p not in self.runtime.precisions]
        return f"{text}, which has no {' and no '.join(missing)}" if missing else text


def _within(card: ModelCard, noisy: FloatArray) -> bool:
    """Return whether int8 was calibrated for the values of a plane or stack."""
    low, high = checked_int8(card.int8, name=card.name).reach
    return bool(low <= noisy.min() and noisy.max() <= high)


def denoised(
    network: Network, noisy: FloatArray, level: FloatArray, *, pad: tuple[int, int], volumetric: bool
) -> FloatArray:
    """Return a plane, or a stack, plus the residual that a network gives.

    Parameters
    ----------
    network : Network
        Gives the residual, in an array of its own that is used for the answer.
    noisy : float32 array, shape (Y, X, C) or (D, Y, X, C)
        The plane or stack.
    level : float32 array, shape (C,) or that of `noisy`
        Of its noise.
    pad : (int, int)
        Pixels that the network needs beyond it, at the bottom and right: its mirror image.
    volumetric : bool
        Whether the network takes stacks; a plane is then a stack that holds nothing else.
    """
    if volumetric and noisy.ndim == 3:
        told = level if level.ndim == 1 else level[None]
        alone: FloatArray = denoised(network, noisy[None], told, pad=pad, volumetric=True)[0]
        return alone
    told = np.broadcast_to(level, noisy.shape)
    residual = network(_channels_first(noisy, pad), _channels_first(told, pad))
    *_, height, width, _ = noisy.shape
    clean: FloatArray = np.moveaxis(residual[0, ..., :height, :width], 0, -1)
    clean += noisy  # in place: large arrays are costly to come by
    return clean


def _channels_first(values: FloatArray, pad: tuple[int, int]) -> FloatArray:
    """Return (..., Y, X, C) as contiguous (1, C, ..., Y, X), mirrored at the bottom and right by `pad` pixels."""
    if any(pad):
        planes = [(0, 0)] * (values.ndim - 3)
        values = np.pad(values, (*planes, (0, pad[0]), (0, pad[1]), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(np.moveaxis(values, -1, 0)[None], dtype=np.float32)
