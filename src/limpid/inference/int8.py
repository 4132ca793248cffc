"""What int8 does to a network: ranges and figures for its card, measured on pictures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from limpid.core.image import FloatArray
from limpid.core.tiling import round_up
from limpid.inference.harmless import measure_sigma_min, with_noise
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

#: How many standard deviations of the largest noise may lie outside the value range.
_REACH: Final = 5

#: Neighbouring convolutions are judged together, in at most this many groups for each piece, by one in so many of the
#: trials: what that takes grows with the number of pieces, as the rest does.
_GROUPS: Final = 0.5
_FEWER: Final = 3

#: Pieces that the smallest level is measured on.
_FEW: Final = 6

#: int8 is given up where more than this share of the groups would have to go back to fp32.
_SHARE_BACK: Final = 0.5


class _Trial(NamedTuple):
    """A clean piece, with noise of a level of 255, and what fp32 makes of it."""

    level: float
    clean: FloatArray
    noisy: FloatArray
    told: FloatArray
    exact: FloatArray


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
    what they cost go back to fp32.

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
    exact = runtime.compile(model, precision="fp32")
    pieces = _pieces(judged, crops, side=side, seed=1)
    trials = list(_trials(exact, model.card, pieces))
    found = _judged(runtime, model, ranges, trials)
    if not found.allowed:
        groups = _worst_first(runtime, model, ranges, trials[::_FEWER], side=side, crops=crops)

        def with_back(count: int) -> Int8:
            kept = [name for group in groups[count:] for name in group]
            return _judged(runtime, model, {name: ranges[name] for name in kept}, trials)

        found = _fewest_back(with_back, most=int(_SHARE_BACK * len(groups))) or found
    sigma_min = measure_sigma_min(exact, _rough(runtime, model, found), pieces[:_FEW])
    return dataclasses.replace(found, sigma_min=sigma_min)


def _fewest_back(with_back: Callable[[int], Int8], *, most: int) -> Int8 | None:
    """Return the figures that are allowed with the fewest groups in fp32, found by halving; None where none are."""
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
            for name, here in observe(*with_noise(piece, share * model.card.sigma_max, seed=index)).items():
                largest[name] = np.maximum(largest.get(name, 0), here)
    return {name: tuple(float(f"{_MARGIN * value:.3g}") for value in found) for name, found in largest.items()}


def _trials(exact: Network, card: ModelCard, pieces: Sequence[FloatArray]) -> Iterator[_Trial]:
    most = round(255 * card.sigma_max, 2)
    for level in [level for level in _LEVELS if level <= most] or [most]:
        for index, clean in enumerate(pieces):
            noisy, told = with_noise(clean, level / 255, seed=1000 + index)
            yield _Trial(level, clean, noisy, told, exact(noisy, told))


def _rough(runtime: OpenVINORuntime, model: StoredModel, int8: Int8) -> Network:
    """Return the network in int8, whatever its figures."""
    tried = dataclasses.replace(int8, worst=0.0, psnr_loss={"0": 0.0})
    return runtime.compile(
        dataclasses.replace(model, card=dataclasses.replace(model.card, int8=tried)), precision="int8"
    )


def _judged(
    runtime: OpenVINORuntime, model: StoredModel, ranges: Mapping[str, Sequence[float]], trials: Sequence[_Trial]
) -> Int8:
    """Return the figures of a network in int8; the smallest level is still to be measured."""
    reach = _REACH * model.card.sigma_max
    crops = len(trials) // len({trial.level for trial in trials})
    found = Int8(ranges=ranges, reach=(-reach, 1 + reach), sigma_min=1.0, crops=crops, worst=0.0, psnr_loss={})
    rough = _rough(runtime, model, found)
    worst, losses = 0.0, dict[str, list[float]]()
    for trial in trials:
        given = rough(trial.noisy, trial.told)
        worst = max(worst, float(np.abs(given - trial.exact).max()))
        before, after = (np.mean(np.square(trial.noisy + r - trial.clean)) for r in (trial.exact, given))
        losses.setdefault(f"{trial.level:g}", []).append(float(10 * np.log10(after / before)))
    means = {level: round(float(np.mean(each)), 4) for level, each in losses.items()}
    return dataclasses.replace(found, worst=round(worst, 6), psnr_loss=means)


def _worst_first(
    runtime: OpenVINORuntime,
    model: StoredModel,
    ranges: Mapping[str, Sequence[float]],
    trials: Sequence[_Trial],
    *,
    side: int,
    crops: int,
) -> list[list[str]]:
    """Return neighbouring convolutions in groups: first those that, alone in int8, do most harm for what they cost."""
    costs = runtime.costs(model, side=side)
    names, count = list(ranges), math.ceil(len(ranges) / (_GROUPS * crops))
    groups = [names[start : start + count] for start in range(0, len(names), count)]

    def harm_for_cost(names: Sequence[str]) -> float:
        alone = _judged(runtime, model, {name: ranges[name] for name in names}, trials)
        harm = max(alone.worst / WORST_MAX, max(alone.psnr_loss.values()) / LOSS_MAX)
        return harm / sum(costs[name] for name in names)

    return sorted(groups, key=harm_for_cost, reverse=True)
