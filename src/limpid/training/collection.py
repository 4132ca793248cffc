"""Images on disk, of which a bounded part is in memory, and batches drawn from them."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch

from limpid.core.errors import DataError, LimpidError
from limpid.core.image import Array, FloatArray, Image, to_unit
from limpid.core.preprocess import Preprocessed, Step, preprocess
from limpid.io import DEFAULT_MAX_PIXELS, probe, read_image
from limpid.noise.estimate import estimate_noise
from limpid.noise.levels import level_maps
from limpid.noise.models import Gaussian, NoiseModel, PoissonGaussian, in_unit_of
from limpid.noise.result import NoiseEstimate
from limpid.training.batch import Batch
from limpid.training.data import turned
from limpid.training.preparation import Preparation, holds_signal

__all__ = ["Collection", "Exposure", "Partner"]

#: Steps that are drawn from the same images before others are read.
_STEPS_PER_ROUND: Final = 1000

#: Bytes of pixels in memory at a time.
_MEMORY: Final = 2**30

#: Planes from which on a part of an image is some of its planes; below, some of the rows of each.
_PARTS_FROM: Final = 8

#: Where the target of a patch comes from: there is none, a clean image, another exposure in a file of its own, or
#: another frame: of the same stack, or for networks that take stacks, another stack of the same series. ``clean alone``
#: says that the images themselves are the clean ones.
Partner = Literal["none", "clean", "exposure", "frame", "clean alone"]

_AS_THEY_ARE: Final = Preparation()

#: Patches that are drawn at most for one that holds signal; then the last of them is taken.
_DRAWS_MOST: Final = 32

#: Patches that are looked at to say how many hold no signal.
_LOOKED_AT: Final = 256

_log = logging.getLogger(__name__)

#: Noisy values, their level, the target (the noisy values where there is none), and the noise of each channel.
_Patch = tuple[FloatArray, FloatArray, FloatArray, tuple[NoiseModel, ...]]


@dataclass(frozen=True)
class Exposure:
    """One image in memory.

    Attributes
    ----------
    planes : array, shape (N, Y, X, C), or (N, D, Y, X, C) where it is taken as stacks
        Pixels, in the file's own dtype.
    targets : array or None
        The same scenes, clean or with other noise, of the same shape.
    value_range : (float, float)
        Values that become 0 and 1.
    noise : NoiseEstimate
        That of `planes`.
    models : tuple of NoiseModel
        The noise of each channel, the value range as ``[0, 1]``; none for clean images.
    """

    planes: Array
    targets: Array | None
    value_range: tuple[float, float]
    noise: NoiseEstimate
    models: tuple[NoiseModel, ...]

    @classmethod
    def of(
        cls, image: Image, target: Image | None = None, steps: Sequence[Step] = (), *, stacked: bool = False
    ) -> Exposure:
        """Measure the noise of an image, and take both through the steps of preprocessing.

        What is left of the noise follows as it does in use. Only whether it is white is measured once more, where the
        size changed. Its planes are taken each by itself, or as stacks.
        """
        parts = Image.stacks if stacked else Image.planes
        seen = preprocess(image, steps)
        noise = _after(estimate_noise(image), seen)
        models = in_unit_of(noise.models, seen.image.value_range) if noise.measured else ()
        targets = None if target is None else parts(preprocess(target, steps).image)
        return cls(parts(seen.image), targets, seen.image.value_range, noise, models)

    @property
    def size(self) -> int:
        """Bytes of its pixels."""
        return self.planes.nbytes + (0 if self.targets is None else self.targets.nbytes)

    def unit(self, pixels: Array) -> FloatArray:
        """Return pixels as float32, the value range as ``[0, 1]``."""
        return to_unit(pixels, self.value_range)

    @cached_property
    def quanta(self) -> float:
        """Quanta that a pixel counts in the mean, of the channel with the fewest; infinite where none has a gain."""
        counting = [(c, m) for c, m in enumerate(self.models) if isinstance(m, PoissonGaussian)]
        if not counting:
            return math.inf
        means = self.unit(self.planes).mean(axis=self._places, dtype=np.float64)
        return min(float((means[c] - model.offset) / model.gain) for c, model in counting)

    def against_clean(self) -> Exposure:
        """Return it with the noise that its difference from clean targets shows, where none could be measured."""
        assert self.targets is not None
        if self.models:
            return self
        difference = self.unit(self.planes) - self.unit(self.targets)
        sigmas = difference.std(axis=self._places, dtype=np.float64)
        return dataclasses.replace(self, models=tuple(Gaussian(float(sigma)) for sigma in sigmas))

    @property
    def _places(self) -> tuple[int, ...]:
        """All axes of its pixels but that of the channels."""
        return tuple(range(self.planes.ndim - 1))

    def parts_are_planes(self, planes: int | None) -> bool:
        """Return whether a part of it is some of its planes, by how many of them a patch has (see :meth:`part`)."""
        return len(self.planes) >= _PARTS_FROM if planes is None else self.planes.shape[1] >= 2 * planes

    def part(self, share: float, *, last: bool, patch_px: int, planes: int | None = None) -> Exposure:
        """Return its first or its last part: of the planes where there are eight or more, of the rows otherwise.

        Parameters
        ----------
        share : float
            Of the last part.
        last : bool
            Which of them.
        patch_px : int
            Rows that both must have; where there are too few for that, all is in both.
        planes : int, optional
            Planes of a patch, where it is taken as stacks: each is parted, along its planes where both have as many.
        """
        along_planes = (0, 1) if planes is None else (1, planes)
        axis, least = along_planes if self.parts_are_planes(planes) else (self.planes.ndim - 3, patch_px)
        length = self.planes.shape[axis]
        end = length - max(least, round(share * length))
        if end < least:
            return self
        cut = (slice(None),) * axis + (slice(end, None) if last else slice(end),)
        targets = None if self.targets is None else self.targets[cut]
        return dataclasses.replace(self, planes=self.planes[cut], targets=targets)


class Collection:
    """Image files, each with a partner of the same scene or without.

    Where all fit into memory they are read once. Otherwise some are read for a thousand steps, then others; which ones
    follows from the number of the step, so that a run that goes on from a checkpoint draws what one that was never
    stopped would have drawn. A file that can't be used is left out, and named in :attr:`skipped`.

    Parameters
    ----------
    files : sequence of (path, path or None)
        Images and their partners.
    patch_px : int
        Largest patch that will be drawn; smaller images are left out.
    partner : str
        Where targets come from, see :data:`Partner`. Clean images of their own (``clean alone``) may hold no noise.
    part : (float, bool), optional
        Only a part of each image, see :meth:`Exposure.part`.
    preparation : Preparation
        What is done to images as they are read, and how patches are drawn from them.
    channels : int, optional
        Channels that an image must have; those of the first readable one where not given.
    value_range : (float, float), optional
        Values of black and white, for float files that state none.
    memory : int
        Bytes of pixels in memory at a time.
    max_pixels : int
        Files that announce more are left out.

    Attributes
    ----------
    quarter_turns : bool
        Whether patches are turned by quarters, not by halves alone. Not to be where noise differs between rows and
        columns: a network would be trained for columns that it is never given.

    Raises
    ------
    DataError
        If none of the files can be used.
    """

    def __init__(
        self,
        files: Sequence[tuple[Path, Path | None]],
        *,
        patch_px: int,
        partner: Partner = "none",
        part: tuple[float, bool] | None = None,
        preparation: Preparation = _AS_THEY_ARE,
        channels: int | None = None,
        value_range: tuple[float, float] | None = None,
        memory: int = _MEMORY,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        self._files = list(files)
        self._patch_px = patch_px
        self._partner = partner
        self._part = part
        self._preparation = preparation
        self._value_range = value_range
        self._memory = memory
        self._max_pixels = max_pixels
        self.quarter_turns = True
        self._skipped: dict[Path, str] = {}
        self._channels = channels
        self._round: int | None = None
        self._exposures: list[Exposure] = []
        self._all_fit = False
        self.exposures(0)

    def __len__(self) -> int:
        return len(self._files)

    def first(self, count: int) -> Collection:
        """Return the same from so many of the files."""
        fewer = copy.copy(self)
        fewer._files = self._files[:count]
        return fewer._read_anew()

    def otherwise(self, *, partner: Partner | None = None, part: tuple[float, bool] | None = None) -> Collection:
        """Return the same files with targets from elsewhere, or a part of each.

        Nothing is read or measured again where all files are in memory.

        Parameters
        ----------
        partner, part
            As for a new collection; what is not given stays.
        """
        other = copy.copy(self)
        other._partner = self._partner if partner is None else partner
        other._part = self._part if part is None else part
        if not self._all_fit:
            return other._read_anew()
        other._skipped = dict(self._skipped)
        other._exposures = [other._own_part(exposure) for exposure in self._exposures]
        return other

    def _read_anew(self) -> Collection:
        self._skipped, self._exposures, self._round, self._all_fit = {}, [], None, False
        self.exposures(0)
        return self

    @property
    def channels(self) -> int:
        """Channels of every image."""
        assert self._channels is not None  # set by the first image read
        return self._channels

    @property
    def skipped(self) -> Mapping[Path, str]:
        """Files that were left out so far, and why."""
        return self._skipped

    def exposures(self, step: int) -> Sequence[Exposure]:
        """Return the images that a step is drawn from."""
        number = step // _STEPS_PER_ROUND
        if not self._all_fit and number != self._round:
            self._read(number)
        return self._exposures

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator, step: int) -> Batch:
        """Return a batch (see :class:`~limpid.training.batch.Source`): each image equally likely, patches augmented."""
        exposures = self.exposures(step)
        patches = [self._patch(exposures, patch_px, rng) for _ in range(count)]
        *tensors, models = zip(*patches, strict=True)
        noisy, level, target = (torch.from_numpy(np.stack(part)) for part in tensors)
        varying = any(isinstance(model, PoissonGaussian) for one in models for model in one)
        has_target = self._partner in ("clean", "exposure", "frame")
        return Batch(noisy, level, target if has_target else None, models if varying else None)

    def samples(self, count: int, *, side_px: int) -> list[tuple[FloatArray, FloatArray]]:
        """Return the middle of some of the images and its level, at most so many pixels long.

        Both of shape (C, H, W), or (C, D, H, W) with the planes of a patch where patches are of stacks.
        """
        found = []
        for exposure in self.exposures(0)[:count]:
            sizes = zip(exposure.planes.shape[1:-1], self._lengths(side_px), strict=True)
            starts = [(max(0, length - size) // 2, size) for length, size in sizes]
            window = tuple(slice(start, start + size) for start, size in starts)
            noisy = exposure.unit(exposure.planes[0][window])
            found.append((np.moveaxis(noisy, -1, 0), np.moveaxis(_level(noisy, exposure), -1, 0)))
        return found

    def pixels(self) -> int:
        """Return the pixels of all images (see :class:`~limpid.training.batch.Source`).

        Where not all fit into memory, by what their headers announce; a file that has not been read yet and can't be
        used counts too.
        """
        if self._all_fit:
            return sum(math.prod(exposure.planes.shape[:-1]) for exposure in self._exposures)
        announced = sum(probe(path).pixels for path, _ in self._files if path not in self._skipped)
        if self._part is None:
            return announced
        share, last = self._part
        return round(announced * (share if last else 1 - share))

    def _patch(self, exposures: Sequence[Exposure], side: int, rng: np.random.Generator) -> _Patch:
        """Return a patch as a network takes it, drawn anew from all images where it is to hold signal and does not."""
        skip = self._preparation.skip_empty
        draws = _DRAWS_MOST if skip and rng.random() < skip else 1
        for _ in range(draws):
            patch = self._cut(exposures, side, rng)
            if draws == 1 or holds_signal(*patch[:2]):
                break
        *parts, models = patch
        turns, mirrored = self._preparation.turn(rng, quarters=self.quarter_turns)
        noisy, level, target = (turned(part, turns=turns, mirrored=mirrored) for part in parts)
        return noisy, level, target, models

    def _cut(self, exposures: Sequence[Exposure], side: int, rng: np.random.Generator) -> _Patch:
        """Return a patch from anywhere in one of some images, shape (side, side, C), or (planes, side, side, C)."""
        exposure = exposures[int(rng.integers(len(exposures)))]
        return _cut(exposure, self._lengths(side), rng, frames=self._partner == "frame")

    def _lengths(self, side: int) -> tuple[int, ...]:
        """Return the lengths of a patch of so many pixels a side."""
        planes = self._preparation.planes
        return (side, side) if planes is None else (planes, side, side)

    def _read(self, number: int) -> None:
        self._exposures, used = [], 0
        order = np.random.default_rng([number]).permutation(len(self._files))
        for position, index in enumerate(order):
            exposure = self._exposure(*self._files[index])
            if exposure is None:
                continue
            self._exposures.append(exposure)
            used += exposure.size
            if used >= self._memory:
                self._all_fit = position + 1 == len(order)
                break
        else:
            self._all_fit = True
        self._round = number
        if not self._exposures:
            path, reason = next(iter(self._skipped.items()))
            raise DataError(
                f"none of the {len(self._files)} images can be trained on; the first, {path}: {reason}",
                source=str(path),
            )
        if skip := self._preparation.skip_empty:
            share = self._empty_share()
            _log.info("%.0f %% of all patches hold nothing but noise; %g of the draws avoid them", 100 * share, skip)
            if share == 1:
                _log.warning("none of %d patches holds more than noise; train without skip_empty", _LOOKED_AT)

    def _empty_share(self) -> float:
        """Return the share of patches that hold nothing but noise, of some of those in memory."""
        rng = np.random.default_rng(0)
        drawn = (self._cut(self._exposures, self._patch_px, rng) for _ in range(_LOOKED_AT))
        return sum(not holds_signal(noisy, level) for noisy, level, *_ in drawn) / _LOOKED_AT

    def _exposure(self, path: Path, partner: Path | None) -> Exposure | None:
        if path in self._skipped:
            return None
        try:
            image = read_image(path, value_range=self._value_range, max_pixels=self._max_pixels)
            target = None
            if partner is not None:
                target = read_image(partner, value_range=self._value_range, max_pixels=self._max_pixels)
            reason = self._objection(image, target)
            if reason is None:
                stacked = self._preparation.planes is not None
                exposure = Exposure.of(image, target, self._preparation.preprocessing, stacked=stacked)
                reason = self._size_objection(exposure)
            if reason is None:
                if self._partner == "clean":
                    exposure = exposure.against_clean()
                noisy = exposure.noise.measured and exposure.noise.sigma > 0
                if noisy or self._partner in ("clean", "clean alone"):
                    self._channels = image.channels
                    return self._own_part(exposure)
                reason = "its noise can't be measured (it is constant, or clipped nearly everywhere)."
        except LimpidError as error:
            reason = str(error).removeprefix(f"{path}: ")
        self._skipped[path] = reason
        _log.warning("%s: left out: %s", path, reason)
        return None

    def _own_part(self, exposure: Exposure) -> Exposure:
        if self._part is None:
            return exposure
        share, last = self._part
        return exposure.part(share, last=last, patch_px=self._patch_px, planes=self._preparation.planes)

    def _objection(self, image: Image, target: Image | None) -> str | None:
        if self._channels is not None and image.channels != self._channels:
            return f"it has {image.channels} channels, the others {self._channels}; train them apart."
        frames = image.planes() if self._preparation.planes is None else image.stacks()
        if self._partner == "frame" and len(frames) < 2:
            return "it is a single frame; a stack of the same scene is needed, or a second exposure of each image."
        if image.values.dtype.kind == "f" and not np.isfinite(image.values).all():
            return "it holds pixels that are not finite; fill or crop them first."
        if target is not None and target.values.shape != image.values.shape:
            return f"its partner has the shape {target.values.shape}, it has {image.values.shape}; they must match."
        if target is not None and target.value_range != image.value_range:
            return f"its partner has the value range {target.value_range}, it has {image.value_range}; they must match."
        return None

    def _size_objection(self, exposure: Exposure) -> str | None:
        *_, height, width, _ = exposure.planes.shape
        if min(height, width) < self._patch_px:
            return f"{width} x {height} pixels are fewer than a patch of {self._patch_px}; choose smaller patches."
        planes = self._preparation.planes
        if planes is not None and (depth := exposure.planes.shape[1]) < planes:
            return f"a stack of {depth} planes is less than a patch of {planes}; choose fewer planes, 2 at least."
        return None


def _after(noise: NoiseEstimate, seen: Preprocessed) -> NoiseEstimate:
    """Return what is left of an image's noise by preprocessing."""
    channels = noise.channels
    if (gain := seen.noise_gain) != 1:
        again = estimate_noise(seen.image).channels
        channels = tuple(
            dataclasses.replace(one.times(gain), correlation=other.correlation)
            for one, other in zip(channels, again, strict=True)
        )
    return dataclasses.replace(noise, channels=channels, span=seen.image.span)


def _cut(exposure: Exposure, lengths: tuple[int, ...], rng: np.random.Generator, *, frames: bool) -> _Patch:
    """Return a patch from anywhere in an image, with another frame's as its target or without; (*lengths, C) each."""
    count, *whole, _ = exposure.planes.shape
    rooms = (length - size + 1 for length, size in zip(whole, lengths, strict=True))
    n, *starts = (int(rng.integers(room)) for room in (count, *rooms))
    window = tuple(slice(start, start + size) for start, size in zip(starts, lengths, strict=True))
    noisy = target = exposure.unit(exposure.planes[n][window])
    if exposure.targets is not None:
        target = exposure.unit(exposure.targets[n][window])
    elif frames:
        other = (n + int(rng.integers(1, count))) % count
        target = exposure.unit(exposure.planes[other][window])
    return noisy, _level(noisy, exposure), target, exposure.models


def _level(noisy: FloatArray, exposure: Exposure) -> FloatArray:
    """Return the level of the noise in pixels of an image, 0 where none was measured; of the same shape."""
    return level_maps(noisy, exposure.models) if exposure.models else np.zeros_like(noisy)
