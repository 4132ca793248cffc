"""Which strategy fits the data and its noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from limpid.core.errors import DataError, OptionError
from limpid.noise.levels import level_maps
from limpid.training.collection import Exposure, Partner
from limpid.training.config import StrategyParameters
from limpid.training.strategies import STRATEGIES, build_strategy
from limpid.training.strategies.mask import mask_reach

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
    """A strategy, why it was taken, and its parameters."""

    strategy: str
    reason: str
    parameters: StrategyParameters = StrategyParameters()  # noqa: RUF009 (frozen)

    @property
    def quarter_turns(self) -> bool:
        """Whether patches may be turned by quarters: not where rows are masked in another way than columns."""
        mask_px = self.parameters.mask_px
        return mask_px is None or mask_px[0] == mask_px[1]


def choose_strategy(
    asked: str, exposures: Sequence[Exposure], partner: Partner, *, mask_px: tuple[int, int] | None = None
) -> Choice:
    """Return the strategy to train with.

    Parameters
    ----------
    asked : str
        Name of a strategy, or ``auto``: the first that the data and the measured noise allow.
    exposures : sequence of Exposure
        Some of the images.
    partner : str
        Where targets come from.
    mask_px : (int, int), optional
        What ``noise2void`` hides with a pixel; as far as the noise is measured to be correlated where not given.

    Raises
    ------
    OptionError
        If there is no such strategy, it needs targets and there are none, or it hides nothing.
    DataError
        If the noise rules out all that ``auto`` could take.
    """
    if asked != "auto" and asked not in STRATEGIES:
        raise OptionError(f"no strategy {asked!r}; choose one of: auto, adapt, {', '.join(STRATEGIES)}.")
    if mask_px is not None and asked != "noise2void":
        raise OptionError(f"mask_px is for noise2void, the strategy asked for is {asked}; leave it out.")
    if asked != "auto":
        return _asked_for(asked, partner, exposures, mask_px)
    match partner:
        case "clean":
            return Choice("supervised", "there are clean images of the same names")
        case "clean alone":
            return Choice("supervised", "there are clean images, to which noise is added")
        case "exposure":
            return Choice("noise2noise", "there is a second exposure of each image")
        case "frame":
            return Choice("noise2noise", "the frames of each stack show the same scene")
    if correlated := _correlated(exposures):
        mask = _mask(exposures)
        if mask.mask_px is None:
            raise DataError(
                f"the noise is correlated between pixels {correlated}, and further than can be hidden from a network "
                "(or in the blocks of JPEG files): no strategy that learns from single noisy images is valid for that; "
                "give a second exposure of each (pairs) or clean images (clean), or choose a strategy by name to train "
                "all the same."
            )
        y, x = mask.mask_px
        reason = f"single noisy images, and their noise is correlated over up to {y} pixels down and {x} across"
        return Choice("noise2void", reason, mask)
    if far_from_gaussian(exposures):
        return Choice(
            "noise2void", f"single noisy images, and their noise is white, but of fewer than {_QUANTA} quanta a pixel"
        )
    return Choice("recorrupted", "single noisy images, and their noise is white and of measured level")


def far_from_gaussian(exposures: Sequence[Exposure]) -> bool:
    """Return whether most images count so few quanta that their noise is skewed and comes in steps.

    What is added to such noise can be told from it, so that strategies which need a Gaussian are misled.
    """
    looked_at = exposures[:LOOKED_AT]
    return 2 * sum(exposure.quanta < _QUANTA for exposure in looked_at) > len(looked_at)


def fitting_strategies(exposures: Sequence[Exposure], partner: Partner) -> list[str]:
    """Return the names of the strategies that the data and the measured noise allow."""
    correlated = bool(_correlated(exposures))
    if correlated and partner == "none":
        return ["noise2void"] if _mask(exposures).mask_px is not None else []
    clean = partner in ("clean", "clean alone")
    return [
        name
        for name, strategy in STRATEGIES.items()
        if not (strategy.needs_target and (partner == "none" or strategy.noisy_target == clean))
        and not (strategy.needs_white_noise and (correlated or partner == "clean alone"))
        and not (strategy.needs_gaussian_noise and far_from_gaussian(exposures))
        and not strategy.needs_prior
    ]


def _correlated(exposures: Sequence[Exposure]) -> str:
    """Return in how many images the noise is correlated between pixels where most are so, in words; else nothing."""
    looked_at = exposures[:LOOKED_AT]
    count = sum(exposure.noise.white is False for exposure in looked_at)
    return f"in {count} of {len(looked_at)} images" if 2 * count > len(looked_at) else ""


def _mask(exposures: Sequence[Exposure]) -> StrategyParameters:
    """Return what is to be hidden with a pixel; nothing for white noise, and for noise that can't be hidden."""
    reach = mask_reach([exposure.noise for exposure in exposures[:LOOKED_AT]])
    return StrategyParameters(mask_px=reach if reach is not None and any(reach) else None)


def _asked_for(asked: str, partner: Partner, exposures: Sequence[Exposure], mask_px: tuple[int, int] | None) -> Choice:
    parameters = StrategyParameters(mask_px=mask_px)
    if asked == "noise2void" and mask_px is None:
        parameters = _mask(exposures)
    strategy = build_strategy(asked, parameters)
    if strategy.needs_target and partner == "none":
        what = "clean images" if asked == "supervised" else "a second exposure"
        raise OptionError(f"{asked} needs {what} of the same names; name their folder.")
    if strategy.needs_gaussian_noise and far_from_gaussian(exposures):
        _log.warning("the images count fewer than %d quanta a pixel: %s is not valid for their noise", _QUANTA, asked)
    if strategy.needs_white_noise and (correlated := _correlated(exposures)):
        _log.warning(
            "the noise is correlated between pixels %s: %s is not valid for it and will learn to keep a part of it",
            correlated,
            asked,
        )
    return Choice(asked, "asked for", parameters)


def same_scene(exposure: Exposure) -> bool:
    """Return whether the first two frames of a stack differ by noise alone: their difference has its variance."""
    if len(exposure.planes) < 2 or not exposure.models:
        return False
    first, second = (exposure.unit(plane) for plane in exposure.planes[:2])
    expected = 2 * np.square(level_maps(first, exposure.models)).mean(dtype=np.float64)
    return bool(np.square(second - first).mean(dtype=np.float64) < _SAME * expected)
