"""Which strategy fits the data and its noise."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from limpid.core.errors import DataError, OptionError
from limpid.noise.levels import level_maps
from limpid.noise.models import PoissonGaussian
from limpid.training.collection import Exposure, Partner
from limpid.training.strategies import STRATEGIES

__all__ = ["Choice", "choose_strategy", "far_from_gaussian", "fitting_strategies", "same_scene"]

#: Images whose noise is looked at.
LOOKED_AT: Final = 16

#: Quanta a pixel below which counting noise is far from Gaussian: its skewness is above 0.22.
_QUANTA: Final = 20

#: Frames of a stack show the same scene where their difference has at most this many times the variance of two noises.
_SAME: Final = 1.3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """A strategy and why it was taken."""

    strategy: str
    reason: str


def choose_strategy(asked: str, exposures: Sequence[Exposure], partner: Partner) -> Choice:
    """Return the strategy to train with.

    Parameters
    ----------
    asked : str
        Name of a strategy, or ``auto``: the first that the data and the measured noise allow.
    exposures : sequence of Exposure
        Some of the images.
    partner : str
        Where targets come from.

    Raises
    ------
    OptionError
        If there is no such strategy, or it needs targets and there are none.
    DataError
        If the noise rules out all that ``auto`` could take.
    """
    if asked != "auto" and asked not in STRATEGIES:
        raise OptionError(f"no strategy {asked!r}; choose one of: auto, adapt, {', '.join(STRATEGIES)}.")
    if asked != "auto":
        return _asked_for(asked, partner, exposures)
    correlated, looked_at = _correlated(exposures), len(exposures[:LOOKED_AT])
    match partner:
        case "clean":
            return Choice("supervised", "there are clean images of the same names")
        case "clean alone":
            return Choice("supervised", "there are clean images, to which noise is added")
        case "exposure":
            return Choice("noise2noise", "there is a second exposure of each image")
        case "frame":
            return Choice("noise2noise", "the frames of each stack show the same scene")
    if 2 * correlated > looked_at:
        raise DataError(
            f"the noise is correlated between pixels in {correlated} of {looked_at} images, and no strategy that "
            "learns from single noisy images is valid for that; give a second exposure of each (pairs) or clean images "
            "(clean), or choose a strategy by name to train all the same."
        )
    if far_from_gaussian(exposures):
        return Choice(
            "noise2void", f"single noisy images, and their noise is white, but of fewer than {_QUANTA} quanta a pixel"
        )
    return Choice("recorrupted", "single noisy images, and their noise is white and of measured level")


def far_from_gaussian(exposures: Sequence[Exposure]) -> bool:
    """Return whether most images count so few quanta that their noise is skewed and comes in steps.

    What is added to such noise can be told from it, so that strategies which need a Gaussian are misled.
    """
    quanta = [_quanta(exposure) for exposure in exposures[:LOOKED_AT]]
    return 2 * sum(number < _QUANTA for number in quanta) > len(quanta)


def _quanta(exposure: Exposure) -> float:
    """Return the quanta that a pixel counts in the mean, of the channel with the fewest; without gain, infinite."""
    means = exposure.unit(exposure.planes).mean(axis=(0, 1, 2), dtype=np.float64)
    return min(
        ((mean - model.offset) / model.gain if isinstance(model, PoissonGaussian) else math.inf)
        for mean, model in zip(means, exposure.models, strict=False)
    )


def fitting_strategies(exposures: Sequence[Exposure], partner: Partner) -> list[str]:
    """Return the names of the strategies that the data and the measured noise allow."""
    correlated = 2 * _correlated(exposures) > len(exposures[:LOOKED_AT])
    clean = partner in ("clean", "clean alone")
    return [
        name
        for name, strategy in STRATEGIES.items()
        if not (strategy.needs_target and (partner == "none" or strategy.noisy_target == clean))
        and not (strategy.needs_white_noise and (correlated or partner == "clean alone"))
        and not (strategy.needs_gaussian_noise and far_from_gaussian(exposures))
        and not strategy.needs_prior
    ]


def _correlated(exposures: Sequence[Exposure]) -> int:
    """Return in how many of the first images the noise is correlated between pixels."""
    return sum(exposure.noise.white is False for exposure in exposures[:LOOKED_AT])


def _asked_for(asked: str, partner: Partner, exposures: Sequence[Exposure]) -> Choice:
    strategy = STRATEGIES[asked]
    correlated, looked_at = _correlated(exposures), len(exposures[:LOOKED_AT])
    if strategy.needs_target and partner == "none":
        what = "clean images" if asked == "supervised" else "a second exposure"
        raise OptionError(f"{asked} needs {what} of the same names; name their folder.")
    if strategy.needs_gaussian_noise and far_from_gaussian(exposures):
        _log.warning("the images count fewer than %d quanta a pixel: %s is not valid for their noise", _QUANTA, asked)
    if strategy.needs_white_noise and 2 * correlated > looked_at:
        _log.warning(
            "the noise is correlated between pixels in %d of %d images: %s is not valid for it and will learn to "
            "keep a part of it",
            correlated,
            looked_at,
            asked,
        )
    return Choice(asked, "asked for")


def same_scene(exposure: Exposure) -> bool:
    """Return whether the first two frames of a stack differ by noise alone: their difference has its variance."""
    if len(exposure.planes) < 2 or not exposure.models:
        return False
    first, second = (exposure.unit(plane) for plane in exposure.planes[:2])
    expected = 2 * np.square(level_maps(first, exposure.models)).mean(dtype=np.float64)
    return bool(np.square(second - first).mean(dtype=np.float64) < _SAME * expected)
