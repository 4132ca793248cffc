"""What a network is trained on: which files, which partners, what is held out, and the strategy that fits them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from limpid.core.errors import DataError, OptionError
from limpid.workflows.expand import Found, find_images

if TYPE_CHECKING:
    from limpid.core.image import FloatArray
    from limpid.training.choice import Choice
    from limpid.training.collection import Collection, Exposure, Partner
    from limpid.training.preparation import Preparation
    from limpid.training.renoised import Renoised

__all__ = ["PathOrPaths", "TrainingData", "find_data"]

_log = logging.getLogger(__name__)

PathOrPaths = str | PathLike[str] | Sequence[str | PathLike[str]]

#: Share of the images held out, and the fewest files at which whole files are.
_HELD_OUT_SHARE: Final = 0.1
_HELD_OUT_FROM: Final = 8

#: Share of the planes or rows of each image that is held out where there are fewer files.
_HELD_OUT_PART: Final = 0.2

_Files = list[tuple[Path, Path | None]]


@dataclass(frozen=True)
class TrainingData:
    """Images to train on.

    Attributes
    ----------
    training, held_out : Collection or Renoised
        What batches are drawn from; what is held out may be the same as what is trained on.
    choice : Choice
        The strategy and why.
    channels : int
        Of every image.
    partner : str
        Where targets come from.
    gaussian : bool
        Whether the noise is about Gaussian.
    collections : tuple of Collection
        The files behind it, the noisy ones first where there are such.
    """

    training: Collection | Renoised
    held_out: Collection | Renoised
    choice: Choice
    channels: int
    partner: Partner
    gaussian: bool
    collections: tuple[Collection, ...] = field(repr=False)

    @property
    def skipped(self) -> dict[Path, str]:
        """Files that were left out so far, and why."""
        return {path: reason for one in self.collections for path, reason in one.skipped.items()}

    @property
    def shortest_px(self) -> int:
        """Height or width of some of the images, whichever is least."""
        return min(int(length) for e in self.collections[-1].exposures(0) for length in e.planes.shape[-3:-1])

    def fitting_strategies(self) -> list[str]:
        """Return the strategies that data and noise allow, the one with the most to learn from first."""
        from limpid.training.choice import fitting_strategies

        return fitting_strategies(self.collections[0].exposures(0), self.partner)

    def sigmas(self) -> list[float]:
        """Return the noise of some of the images, as shares of the value range."""
        found = [e.noise.sigma / e.noise.span for e in self.collections[0].exposures(0) if e.noise.measured]
        return found or [0.0]

    def pictures(self) -> list[FloatArray]:
        """Return some of the images, the value range as ``[0, 1]``.

        Of shape (C, H, W); of stacks, shape (C, D, H, W), no more than is looked at.
        """
        from limpid.inference.calibrate import STACK_LOOKED_AT

        def picture(exposure: Exposure) -> FloatArray:
            first = exposure.planes[0]
            seen = first[tuple(map(slice, STACK_LOOKED_AT))] if first.ndim == 4 else first
            return np.moveaxis(exposure.unit(seen), -1, 0)

        return [picture(exposure) for exposure in self.collections[0].exposures(0)[:8]]


def find_data(
    noisy: PathOrPaths | None,
    *,
    clean: str | PathLike[str] | None,
    pairs: str | PathLike[str] | None,
    strategy: str,
    mask_px: tuple[int, int] | None = None,
    patch_px: int,
    hold_out_parts: bool = False,
    preparation: Preparation | None = None,
    value_range: tuple[float, float] | None,
    max_pixels: int,
    memory: int | None = None,
) -> TrainingData:
    """Find images to train on.

    Parameters
    ----------
    noisy : path or sequence of paths, or None
        Noisy images; None where clean ones alone are given.
    clean : path, optional
        Clean images: of the same names as the noisy ones, or of other scenes.
    pairs : path, optional
        Second exposures, of the same names.
    strategy : str
        See :func:`limpid.train`.
    mask_px : (int, int), optional
        See there too.
    patch_px : int
        Largest patch that will be drawn.
    hold_out_parts : bool
        Hold out a part of each image where there are too few files to hold out whole ones.
    preparation : Preparation, optional
        What is done to images and patches.
    value_range, max_pixels, memory
        As in :func:`limpid.train`.

    Raises
    ------
    OptionError
        If names don't match or the strategy doesn't fit.
    DataError
        If no image can be used, or the noise rules out every strategy.
    """
    from limpid.training.choice import choose_strategy, far_from_gaussian, same_scene
    from limpid.training.collection import Collection

    options: dict[str, Any] = {"patch_px": patch_px, "value_range": value_range, "max_pixels": max_pixels}
    options |= {name: given for name, given in (("memory", memory), ("preparation", preparation)) if given is not None}
    found = _readable(noisy) if noisy is not None else []
    partners = clean if clean is not None else pairs
    others = _readable(partners) if partners is not None else []
    files = _paired(found, others) if found and others else _alone(found)
    if not files and clean is not None:
        if mask_px is not None:
            raise OptionError("mask_px is for noise2void, which learns from noisy images; leave it out.")
        return _synthetic(found, others, strategy, options)
    if not files:
        raise OptionError(
            f"no image in {pairs} has the name of a noisy one: the first of these is {found[0].relative}, the first "
            f"there {others[0].relative}; partners must have the same names."
        )
    planes = None if preparation is None else preparation.planes
    partner: Partner = "clean" if clean is not None else "exposure" if pairs is not None else "none"
    training, held_out = _split(files)
    collection = Collection(training, partner=partner, **options)
    some = collection.exposures(0)
    stacks = all(len(exposure.planes) > 1 for exposure in some)
    if (
        partner == "none"
        and stacks
        and (strategy == "noise2noise" or (strategy == "auto" and all(map(same_scene, some))))
    ):
        partner = "frame"
    choice = choose_strategy(strategy, some, partner, mask_px=mask_px)
    options |= {"partner": partner, "channels": collection.channels}
    if held_out:
        validation = Collection(held_out, **options)
    elif hold_out_parts or all(exposure.parts_are_planes(planes) for exposure in some):
        collection, validation = (
            collection.otherwise(partner=partner, part=(_HELD_OUT_PART, last)) for last in (False, True)
        )
    else:
        collection = validation = collection.otherwise(partner=partner)
    collection.quarter_turns = validation.quarter_turns = choice.quarter_turns
    gaussian = not far_from_gaussian(some)
    return TrainingData(collection, validation, choice, collection.channels, partner, gaussian, (collection,))


def _synthetic(found: list[Found], clean: list[Found], strategy: str, options: dict[str, Any]) -> TrainingData:
    """Return clean images with noise: that of the noisy ones where there are such, of all levels otherwise."""
    from limpid.training.choice import Choice
    from limpid.training.collection import Collection
    from limpid.training.config import Noise
    from limpid.training.preparation import Preparation
    from limpid.training.renoised import Renoised, any_noise, measured_noise

    if strategy not in ("auto", "supervised"):
        raise OptionError(
            f"{strategy} learns from noisy images; clean images that are not theirs are for auto or supervised."
        )
    training, held_out = _split(_alone(clean))
    first = Collection(training, partner="clean alone", **options)
    options |= {"channels": first.channels}
    second = Collection(held_out, partner="clean alone", **options) if held_out else first
    collections: tuple[Collection, ...] = (first, second)
    if found:
        preparation = dataclasses.replace(options.get("preparation", Preparation()), skip_empty=0.0, planes=None)
        noisy = Collection(_alone(found), **options | {"patch_px": 8, "preparation": preparation})
        noises = [exposure.models for exposure in noisy.exposures(0)]
        reason = f"clean images of other scenes, to which the noise measured in {len(noises)} noisy ones is added"
        degrade = measured_noise(noises)
        collections = (noisy, *collections)
    else:
        reason = "clean images, to which noise of all levels is added"
        degrade = any_noise(Noise())
    sources = Renoised(first, degrade), Renoised(second, degrade)
    return TrainingData(*sources, Choice("supervised", reason), first.channels, "clean alone", True, collections)


def _readable(inputs: PathOrPaths) -> list[Found]:
    found = find_images([inputs] if isinstance(inputs, str | PathLike) else inputs)
    for hit in found:
        if hit.error is not None:
            _log.warning("%s: left out: %s", hit.path, hit.error)
    usable = [hit for hit in found if hit.error is None]
    if not usable:
        raise DataError(f"no image to train on; the first input, {found[0].path}: {found[0].error}")
    return usable


def _paired(found: Sequence[Found], others: Sequence[Found]) -> _Files:
    """Return the images that have a partner of the same name, with it; others are named as left out."""
    by_name = {_name(hit): hit.path for hit in others}
    pairs: _Files = [(hit.path, by_name[_name(hit)]) for hit in found if _name(hit) in by_name]
    if pairs:
        for hit in found:
            if _name(hit) not in by_name:
                _log.warning("%s: left out: no partner has its name", hit.path)
    return pairs


def _alone(found: Sequence[Found]) -> _Files:
    return [(hit.path, None) for hit in found]


def _name(hit: Found) -> str:
    return str(hit.relative.with_suffix(""))


def _split(files: _Files) -> tuple[_Files, _Files]:
    """Return files to train on and files that are held out: none of few."""
    from limpid.training.data import split_names

    if len(files) < _HELD_OUT_FROM:
        return files, []
    by_name = {str(path): (path, partner) for path, partner in files}
    training, held_out = split_names(list(by_name), validation_share=_HELD_OUT_SHARE)
    return [by_name[name] for name in training], [by_name[name] for name in held_out]
