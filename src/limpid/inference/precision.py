"""Which arithmetic a model may use on this machine: measured once, remembered in the cache folder."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
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

__all__ = ["SelfTest", "Trial", "made_picture", "self_test", "sigma_min"]

#: Side of the test picture in pixels: long enough for the timing to mean something, short enough to go unnoticed.
_SIDE: Final = 256

#: The same of a stack, and its planes.
_STACK_SIDE, _STACK_PLANES = 96, 8

#: Rougher arithmetic must be this much faster to be worth its error.
_SPEEDUP_MIN: Final = 1.2

#: Largest root-mean-square difference to fp32, as a share of the noise level. What a good network leaves behind is
#: at least a tenth of the noise even at low levels, and errors add in squares: this costs under 0.02 dB.
_ERROR_MAX: Final = 0.05


@dataclass(frozen=True)
class Trial:
    """What a rougher arithmetic gave and took.

    Attributes
    ----------
    speedup : float
        How much faster it was than fp32.
    error : float
        Root-mean-square difference to fp32, as a share of the noise level: the smallest that the card allows it at.
    """

    speedup: float
    error: float

    @property
    def passed(self) -> bool:
        """Whether the error is small enough."""
        return self.error <= _ERROR_MAX


@dataclass(frozen=True)
class SelfTest:
    """What was measured for one model on one device.

    Attributes
    ----------
    trials : mapping of str to Trial
        By precision, those that the device has and the card allows, but fp32.
    device : str
        Where.
    """

    trials: Mapping[Precision, Trial]
    device: str

    def fastest(self, allowed: Collection[Precision] = PRECISIONS) -> Precision:
        """Return the arithmetic to use of those allowed: fp32, unless another one passed and is faster by enough."""
        chosen: Precision = "fp32"
        speedup = 1.0
        for precision in reversed(PRECISIONS):  # the rougher one has to be faster than the finer one by as much
            trial = self.trials.get(precision)
            if trial is not None and precision in allowed and trial.passed and trial.speedup >= _SPEEDUP_MIN * speedup:
                chosen, speedup = precision, trial.speedup
        return chosen


def sigma_min(card: ModelCard, precision: Precision) -> float:
    """Return the smallest level, as a share of the value range, at which a card allows an arithmetic; inf for none."""
    if precision == "fp32":
        return 0.0
    if precision == "bf16":
        return card.bf16_sigma_min
    return card.int8.sigma_min if card.int8 is not None and card.int8.allowed else math.inf


def self_test(runtime: Runtime, model: StoredModel) -> SelfTest:
    """Return what each arithmetic gives here, from the cache or, the first time, by running the model.

    The model is checked against its test vector then. Without a writable cache folder the test is repeated in each
    process.
    """
    card = model.card
    decisive = (
        f"{runtime.name} {runtime.device} {runtime.precisions} {card.sha256} {card.bf16_sigma_min} {card.int8} "
        f"{card.test_vector}"
    )
    return remembered(
        decisive, find=lambda: _measure(runtime, model), plain=asdict, parse=_parsed, what="the self-test"
    )


def _parsed(plain: Any) -> SelfTest:
    trials = {
        precision: Trial(float(trial["speedup"]), float(trial["error"]))
        for precision, trial in dict(plain["trials"]).items()
    }
    if not trials.keys() <= set(PRECISIONS):
        raise ValueError(sorted(trials))
    return SelfTest(trials, plain["device"])


def _measure(runtime: Runtime, model: StoredModel) -> SelfTest:
    rough: list[Precision] = [p for p in runtime.precisions if p != "fp32" and math.isfinite(sigma_min(model.card, p))]
    if not rough:
        return SelfTest({}, runtime.device)
    exact, *others = (runtime.compile(model, precision=p) for p in ("fp32", *rough))
    check_test_vector(exact, model, runtime=runtime)
    errors = []
    for precision, network in zip(rough, others, strict=True):
        sigma = min(sigma_min(model.card, precision), model.card.sigma_max)
        noisy, level = _picture(model.card, sigma)
        difference = exact(noisy, level) - network(noisy, level)
        errors.append(float(np.sqrt(np.mean(np.square(difference, dtype=np.float64)))) / sigma)
    slow, *fast = _best_seconds((exact, *others), noisy, level)
    return SelfTest(
        {
            precision: Trial(round(slow / seconds, 2), round(error, 4))
            for precision, seconds, error in zip(rough, fast, errors, strict=True)
        },
        runtime.device,
    )


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
