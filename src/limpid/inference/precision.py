"""Which arithmetic a model may use on this machine: measured once, remembered in the cache folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from limpid.core.image import FloatArray
from limpid.core.tiling import round_up
from limpid.inference.remembered import remembered
from limpid.inference.runtimes import PRECISIONS, Network, Precision, Runtime
from limpid.inference.test_vector import check_test_vector
from limpid.models.cards import ModelCard
from limpid.models.store import StoredModel

__all__ = ["SelfTest", "made_picture", "self_test"]

#: Side of the test picture in pixels: long enough for the timing to mean something, short enough to go unnoticed.
_SIDE: Final = 256

#: The same of a stack, and its planes.
_STACK_SIDE, _STACK_PLANES = 96, 8

#: bf16 must be this much faster to be worth its error.
_SPEEDUP_MIN: Final = 1.2

#: Largest root-mean-square difference to fp32, as a share of the noise level. What a good network leaves behind is
#: at least a tenth of the noise even at low levels, and errors add in squares: this costs under 0.02 dB.
_ERROR_MAX: Final = 0.05


@dataclass(frozen=True)
class SelfTest:
    """What was measured for one model on one device.

    Attributes
    ----------
    precision : str
        Fastest arithmetic that passed.
    speedup : float or None
        How much faster bf16 was than fp32; None where the device has no bf16.
    error : float or None
        Root-mean-square difference of the two, as a share of the noise level.
    device : str
        Where.
    """

    precision: Precision
    speedup: float | None
    error: float | None
    device: str


def self_test(runtime: Runtime, model: StoredModel) -> SelfTest:
    """Return the arithmetic to use, from the cache or, the first time, by running the model.

    The model is checked against its test vector then. The test picture has the smallest level at which the card allows
    bf16. Without a writable cache folder the test is repeated in each process.
    """
    card = model.card
    decisive = f"{runtime.name} {runtime.device} {card.sha256} {card.bf16_sigma_min} {card.test_vector}"
    return remembered(
        decisive, find=lambda: _measure(runtime, model), plain=asdict, parse=_parsed, what="the self-test"
    )


def _parsed(plain: Any) -> SelfTest:
    known = SelfTest(**plain)
    if known.precision not in PRECISIONS:
        raise ValueError(known.precision)
    return known


def _measure(runtime: Runtime, model: StoredModel) -> SelfTest:
    if "bf16" not in runtime.precisions:
        return SelfTest("fp32", None, None, runtime.device)
    sigma = model.card.bf16_sigma_min
    noisy, level = _picture(model.card, sigma)
    exact, rough = (runtime.compile(model, precision=p) for p in ("fp32", "bf16"))
    check_test_vector(exact, model, runtime=runtime)
    difference = exact(noisy, level) - rough(noisy, level)
    slow, fast = _best_seconds((exact, rough), noisy, level)
    error = float(np.sqrt(np.mean(np.square(difference, dtype=np.float64)))) / sigma
    passed = slow >= _SPEEDUP_MIN * fast and error <= _ERROR_MAX
    return SelfTest("bf16" if passed else "fp32", round(slow / fast, 2), round(error, 4), runtime.device)


def made_picture(channels: int, side: int) -> FloatArray:
    """Return a made picture of ramps, edges and texture, in [0, 1], shape (channels, side, side)."""
    y, x = np.mgrid[:side, :side] / side
    clean = 0.5 + 0.2 * (x + y - 1) + 0.15 * np.sign(np.sin(12 * x) * np.cos(9 * y)) + 0.1 * np.sin(90 * x * y)
    return np.broadcast_to(clean, (channels, side, side)).astype(np.float32)


def _picture(card: ModelCard, sigma: float) -> tuple[FloatArray, FloatArray]:
    """Return a made picture, or a stack of it, with noise of `sigma`, and its level."""
    least = _SIDE if card.halo_planes is None else _STACK_SIDE
    clean = made_picture(card.channels, round_up(least, card.size_multiple))
    if card.halo_planes is not None:
        clean = np.repeat(clean[:, None], _STACK_PLANES, axis=1)
    noisy = clean + sigma * np.random.default_rng(0).standard_normal((1, *clean.shape))
    return noisy.astype(np.float32), np.full(noisy.shape, sigma, np.float32)


def _best_seconds(networks: Sequence[Network], noisy: FloatArray, level: FloatArray) -> list[float]:
    """Return the best of five times of each; they take turns, so that a busy moment hits both."""
    best = [float("inf")] * len(networks)
    for _ in range(5):
        for index, network in enumerate(networks):
            started = time.perf_counter()
            network(noisy, level)
            best[index] = min(best[index], time.perf_counter() - started)
    return best
