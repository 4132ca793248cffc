"""What int8 does to a network: ranges and figures for its card, measured on pictures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from limpid.core.image import FloatArray
from limpid.core.tiling import round_up
from limpid.inference.harmless import levels_up_to, measure_sigma_min, with_noise
from limpid.inference.runtimes import Network
from limpid.inference.runtimes.openvino import OpenVINORuntime
from limpid.models.cards import ModelCard
from limpid.models.int8 import LOSS_MAX, WORST_MAX, Int8
from limpid.models.store import StoredModel

__all__ = ["measure_int8"]

#: Side of the pieces of pictures that are looked at.
_SIDE_PX: Final = 128

#: Levels of 255 that PSNR is compared at: those of published tables, as far as the network was trained.
_LEVELS: Final = (15.0, 25.0, 50.0)

#: Ranges are those met at these shares of the largest level, and a little more: other pictures have other extremes.
_SHARES: Final = (0.0, 0.35, 1.0)
_MARGIN: Final = 1.05

#: Noisy values are clipped to the value range; so much beyond it still counts as within.
_SLACK: Final = 0.01

#: Neighbouring convolutions are judged together, in at most this many groups for each piece, by the share of the trials
#: that int8 does most harm to: what that takes grows with the number of pieces, as the rest does.
_GROUPS: Final = 0.5
_HARDEST: Final = 0.2

#: Pieces that the smallest level is measured on.
_FEW: Final = 6

#: int8 is given up where more than this share of the groups would have to go back.
_SHARE_BACK: Final = 0.5


class _Trial(NamedTuple):
    """A clean piece, with noise of a level of 255, and what fp32 makes of it."""

    level: float
    clean: FloatArray
    noisy: FloatArray
    told: FloatArray
    exact: FloatArray


class _Harm(NamedTuple):
    """The largest difference of a pixel to fp32, and by how many decibels PSNR falls, at a level of 255."""

    level: float
    worst: float
    loss: float

    @property
    def size(self) -> float:
        """Above 1 where all trials like this one would be too many."""
        return max(self.worst / WORST_MAX, self.loss / LOSS_MAX)


def measure_int8(
    runtime: OpenVINORuntime,
    model: StoredModel,
    pictures: Sequence[FloatArray],
    *,
    crops: int,
    seen: Sequence[FloatArray] = (),
) -> Int8 | None:
    """Return how a network runs in int8, with figures that say whether it may.

    All convolutions are int8 but the first and the last; where the figures are too large, those that do most harm for
    what they cost go back to bf16, or fp32 where the processor has no bf16.

    Parameters
    ----------
    runtime : OpenVINORuntime
        Where it runs.
    model : StoredModel
        Of single planes. Its files are not changed.
    pictures : sequence of float32 arrays, shape (C, H, W)
        Clean, in ``[0, 1]``: figures are measured on them.
    crops : int
        Pieces of them to look at; for ranges, twice as many.
    seen : sequence of float32 arrays, shape (C, H, W)
        Other pictures, which ranges are taken from: the more there are, and the more they differ, the better. Where
        there are none, every other one of `pictures` is used for this and not for figures, if there are two.

    Returns
    -------
    Int8 or None
        None where there is nothing to be made int8.
    """
    side = round_up(_SIDE_PX, model.card.size_multiple)
    judged = pictures if seen else pictures[1::2] or pictures
    ranges = _ranges(runtime, model, _pieces(seen or pictures[::2], 2 * crops, side=side, seed=0))
    if not ranges:
        return None
    exact = runtime.network(model.network, precision="fp32")
    pieces = _pieces(judged, crops, side=side, seed=1)
    trials = list(_trials(exact, model.card, pieces))

    def figures(names: Iterable[str]) -> Int8:
        kept = {name: ranges[name] for name in names}
        harms = _harms(runtime.network(model.network, precision="int8", ranges=kept), trials)
        losses = {level: [harm.loss for harm in harms if harm.level == level] for level in {t.level for t in trials}}
        return Int8(
            ranges=kept,
            reach=(-_SLACK, 1 + _SLACK),
            sigma_min=1.0,
            crops=crops,
            worst=round(max(harm.worst for harm in harms), 6),
            psnr_loss={f"{level:g}": round(float(np.mean(losses[level])), 4) for level in sorted(losses)},
        )

    found = figures(ranges)
    if not found.allowed:
        groups = _worst_first(runtime, model, ranges, trials, side=side, count=math.ceil(_GROUPS * crops))

        def with_back(count: int) -> Int8:
            return figures(name for group in groups[count:] for name in group)

        found = _fewest_back(with_back, most=int(_SHARE_BACK * len(groups))) or found
    rough = runtime.network(model.network, precision="int8", ranges=found.ranges)
    least = measure_sigma_min(exact, rough, pieces[:_FEW], sigma_max=model.card.sigma_max, clipped=True)
    return dataclasses.replace(found, sigma_min=least)


def _fewest_back(with_back: Callable[[int], Int8], *, most: int) -> Int8 | None:
    """Return the figures that are allowed with the fewest groups back, found by halving; None where none are."""
    found, fewest = None, 0
    while fewest < most:
        count = (fewest + most) // 2
        tried = with_back(count + 1)
        if tried.allowed:
            found, most = tried, count
        else:
            fewest = count + 1
    return found


def _pieces(pictures: Sequence[FloatArray], count: int, *, side: int, seed: int) -> list[FloatArray]:
    """Return squares from random places, of one picture after the other; small ones are continued by their mirror."""
    rng = np.random.default_rng(seed)
    pieces = []
    for index in range(count):
        picture = pictures[index % len(pictures)]
        missing = [(0, max(0, side - length)) for length in picture.shape[1:]]
        whole = np.pad(picture, [(0, 0), *missing], mode="symmetric")
        y, x = (int(rng.integers(length - side + 1)) for length in whole.shape[1:])
        pieces.append(np.ascontiguousarray(whole[:, y : y + side, x : x + side], np.float32))
    return pieces


def _ranges(runtime: OpenVINORuntime, model: StoredModel, pieces: Sequence[FloatArray]) -> dict[str, tuple[float, ...]]:
    """Return the largest magnitude in each channel of what each convolution takes."""
    observe = runtime.observer(model)
    largest: dict[str, FloatArray] = {}
    for index, piece in enumerate(pieces):
        for share in _SHARES:
            noisy, level = with_noise(piece, share * model.card.sigma_max, seed=index, clipped=True)
            for name, here in observe(noisy, level).items():
                largest[name] = np.maximum(largest.get(name, 0), here)
    return {name: tuple(float(f"{_MARGIN * value:.3g}") for value in found) for name, found in largest.items()}


def _trials(exact: Network, card: ModelCard, pieces: Sequence[FloatArray]) -> Iterator[_Trial]:
    for level in levels_up_to(card.sigma_max, _LEVELS):
        for index, clean in enumerate(pieces):
            noisy, told = with_noise(clean, level / 255, seed=1000 + index, clipped=True)
            yield _Trial(level, clean, noisy, told, exact(noisy, told))


def _harms(rough: Network, trials: Iterable[_Trial]) -> list[_Harm]:
    """Return how far int8 is from fp32 in each trial."""
    harms = []
    for trial in trials:
        given = rough(trial.noisy, trial.told)
        before, after = (np.mean(np.square(trial.noisy + r - trial.clean)) for r in (trial.exact, given))
        loss = float(10 * np.log10(after / before))
        harms.append(_Harm(trial.level, float(np.abs(given - trial.exact).max()), loss))
    return harms


def _worst_first(
    runtime: OpenVINORuntime,
    model: StoredModel,
    ranges: Mapping[str, Sequence[float]],
    trials: Sequence[_Trial],
    *,
    side: int,
    count: int,
) -> list[list[str]]:
    """Return neighbouring convolutions in groups: first those that, alone in int8, do most harm for what they cost."""
    harms = _harms(runtime.network(model.network, precision="int8", ranges=ranges), trials)
    order = sorted(range(len(trials)), key=lambda index: harms[index].size, reverse=True)
    hardest = [trials[index] for index in order[: math.ceil(_HARDEST * len(trials))]]
    costs = runtime.costs(model, side=side)
    names = list(ranges)
    length = math.ceil(len(names) / count)
    groups = [names[start : start + length] for start in range(0, len(names), length)]

    def harm_for_cost(group: Sequence[str]) -> float:
        alone = runtime.network(model.network, precision="int8", ranges={name: ranges[name] for name in group})
        harm = float(np.mean([harm.size for harm in _harms(alone, hardest)]))
        return harm / sum(costs[name] for name in group)

    return sorted(groups, key=harm_for_cost, reverse=True)
