"""What is done to an image before a network sees it, and undone afterwards: steps that can be put in any order.

A step maps an image to an image. Normalisation changes no pixel, only which values count as 0 and 1, so that it is
undone exactly; a crop and a change of size are undone as far as that has a meaning.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from limpid.core.arguments import check_number, hint
from limpid.core.errors import ConfigError
from limpid.core.image import Array, Image
from limpid.core.resampling import noise_gain, resampled

__all__ = [
    "STEPS",
    "CentreCrop",
    "NormalisePercentile",
    "NormaliseRange",
    "Preprocessed",
    "Resize",
    "Step",
    "parse_steps",
    "preprocess",
]


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """One step. :func:`dataclasses.asdict` returns what :func:`parse_steps` takes.

    Attributes
    ----------
    name : str
        What configurations and cards call it.
    """

    name: str

    @abstractmethod
    def apply(self, image: Image) -> Image:
        """Return the image after the step, without alpha where its size changed; the image itself is unchanged."""

    def invert(self, planes: Array, before: Image) -> Array:  # noqa: ARG002 (what steps that change the size need)
        """Return planes that followed from those of ``apply(before)`` in the place and size of `before`.

        Both of shape (N, Y, X, C), in the image's own units; not rounded.
        """
        return planes

    def noise_gain(self, before: Image) -> float:  # noqa: ARG002 (what steps that change the size need)
        """Return what white noise of `before` is multiplied by, in the image's own units."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Resize(Step):
    """Bring the image to one size, see :func:`~limpid.core.resampling.resampled`.

    Undoing it brings the size back, but not the detail that a reduced image has lost.

    Attributes
    ----------
    height, width : int
        In pixels, ``>= 1``. The proportions of the image are not kept.
    """

    name: str = field(default="resize", init=False)
    height: int
    width: int

    def __post_init__(self) -> None:
        _check_size(self.height, self.width)

    def apply(self, image: Image) -> Image:
        """Return the image as float32 in the new size, in its own units; its pixels must be finite."""
        return _with_planes(image, resampled(image.planes(), self.height, self.width))

    def invert(self, planes: Array, before: Image) -> Array:
        """Return the planes in the size they had before."""
        return resampled(planes, *before.planes().shape[1:3])

    def noise_gain(self, before: Image) -> float:
        """Return the factor for white noise; noise that is correlated between pixels loses less by averaging."""
        height, width = before.planes().shape[1:3]
        return noise_gain((height, width), (self.height, self.width))


@dataclass(frozen=True, kw_only=True)
class CentreCrop(Step):
    """Keep the centre of the image. What lies outside comes out as it went in.

    Attributes
    ----------
    height, width : int
        In pixels, ``>= 1``; an axis that is shorter is kept whole.
    """

    name: str = field(default="centre_crop", init=False)
    height: int
    width: int

    def __post_init__(self) -> None:
        _check_size(self.height, self.width)

    def apply(self, image: Image) -> Image:
        """Return the centre; where the rest is odd, the larger half of it is at the bottom and right."""
        return _with_planes(image, image.planes()[self._place(image)].copy())

    def invert(self, planes: Array, before: Image) -> Array:
        """Return the whole with these planes as its centre."""
        whole = before.planes().astype(planes.dtype)
        whole[self._place(before)] = planes
        return whole

    def _place(self, image: Image) -> tuple[slice, ...]:
        sizes = zip(image.planes().shape[1:3], (self.height, self.width), strict=True)
        starts = [(max(length - kept, 0) // 2, kept) for length, kept in sizes]
        return (slice(None), *(slice(start, start + kept) for start, kept in starts))


@dataclass(frozen=True, kw_only=True)
class NormaliseRange(Step):
    """Let the least and the largest value of the image become 0 and 1; those of all its planes and channels."""

    name: str = field(default="normalise_range", init=False)

    def apply(self, image: Image) -> Image:
        """Return the image with that value range; one of a single value keeps the range it has."""
        return _between_percentiles(image, 0, 100)


@dataclass(frozen=True, kw_only=True)
class NormalisePercentile(Step):
    """Let two percentiles of the image's values, over all its planes and channels, become 0 and 1; nothing is clipped.

    Attributes
    ----------
    low, high : float
        ``0 <= low < high <= 100``.
    """

    name: str = field(default="normalise_percentile", init=False)
    low: float = 1.0
    high: float = 99.0

    def __post_init__(self) -> None:
        for end in ("low", "high"):
            check_number(f"the {end} percentile", getattr(self, end), low=0, high=100)
        if self.low >= self.high:
            raise ConfigError(f"the low percentile must be below the high one, got {self.low} and {self.high}.")

    def apply(self, image: Image) -> Image:
        """Return the image with that value range; where both percentiles are equal, as :class:`NormaliseRange`."""
        return _between_percentiles(image, self.low, self.high)


#: Steps by name.
STEPS: Final[Mapping[str, type[Step]]] = {
    step.name: step for step in (Resize, CentreCrop, NormaliseRange, NormalisePercentile)
}


@dataclass(frozen=True)
class Preprocessed:
    """An image and what a denoiser sees of it.

    Attributes
    ----------
    steps : tuple of Step
        What was done.
    stages : tuple of Image
        The image before each step, and after the last one.
    """

    steps: tuple[Step, ...]
    stages: tuple[Image, ...]

    @property
    def image(self) -> Image:
        """What the denoiser sees."""
        return self.stages[-1]

    @property
    def noise_gain(self) -> float:
        """What white noise is multiplied by, in the image's own units."""
        return math.prod(step.noise_gain(before) for step, before in zip(self.steps, self.stages, strict=False))

    @property
    def level_factor(self) -> float:
        """The same for its level as a share of the value range."""
        return self.noise_gain * self.stages[0].span / self.image.span

    def restored(self, planes: Array) -> Array:
        """Return planes that followed from those of `image` in the first image's place, size and dtype."""
        for step, before in reversed(list(zip(self.steps, self.stages, strict=False))):
            planes = step.invert(planes, before)
        dtype = self.stages[0].values.dtype
        if planes.dtype != dtype and dtype.kind == "u":
            planes = np.rint(planes).clip(0, np.iinfo(dtype).max)
        return planes.astype(dtype, copy=False)


def preprocess(image: Image, steps: Sequence[Step]) -> Preprocessed:
    """Take an image through steps, the first one first; its pixels must be finite."""
    stages = [image]
    for step in steps:
        stages.append(step.apply(stages[-1]))
    return Preprocessed(tuple(steps), tuple(stages))


def parse_steps(raw: Iterable[Any]) -> tuple[Step, ...]:
    """Return the steps that a configuration or a card describes.

    Parameters
    ----------
    raw : iterable
        Steps, or mappings with the ``name`` of a step and its values.

    Raises
    ------
    OptionError
        If a name or key is unknown, one is missing, or a value is out of range.

    Examples
    --------
    >>> parse_steps([{"name": "centre_crop", "height": 64, "width": 64}])
    (CentreCrop(name='centre_crop', height=64, width=64),)
    >>> parse_steps([{"name": "center_crop", "height": 64, "width": 64}])
    Traceback (most recent call last):
        ...
    limpid.core.errors.ConfigError: no preprocessing step 'center_crop'; did you mean 'centre_crop'?
    """
    if isinstance(raw, str | Mapping) or not isinstance(raw, Iterable):
        raise ConfigError(f"preprocessing must be a list of steps, got {raw!r}.")
    return tuple(one if isinstance(one, Step) else _parse(one) for one in raw)


def _parse(raw: Any) -> Step:
    if not isinstance(raw, Mapping) or "name" not in raw:
        raise ConfigError(
            f"a preprocessing step must be a mapping with a name, got {raw!r}; known: {', '.join(STEPS)}."
        )
    name, values = raw["name"], {key: value for key, value in raw.items() if key != "name"}
    if name not in STEPS:
        raise ConfigError(f"no preprocessing step {name!r}; {hint(str(name), STEPS, otherwise='known: ')}")
    fields = {one.name: one for one in dataclasses.fields(STEPS[name]) if one.init}
    for key in values:
        if key not in fields:
            raise ConfigError(f"{name!r} takes no {key!r}; {hint(str(key), fields, otherwise='known: ')}")
    missing = [key for key, one in fields.items() if key not in values and one.default is dataclasses.MISSING]
    if missing:
        raise ConfigError(f"{name!r} lacks {' and '.join(map(repr, missing))}; add what is missing.")
    return STEPS[name](**values)


def _check_size(height: int, width: int) -> None:
    check_number("height (in pixels)", height, low=1, whole=True)
    check_number("width (in pixels)", width, low=1, whole=True)


def _with_planes(image: Image, planes: Array) -> Image:
    """Return the image with planes of another size or dtype, without alpha."""
    ahead = image.values.shape[: image.axes.index("Y")]
    channels = image.values.shape[image.axes.index("X") + 1 :]
    values = planes.reshape(*ahead, *planes.shape[1:3], *channels)
    return dataclasses.replace(image, values=values, alpha=None)


def _between_percentiles(image: Image, low: float, high: float) -> Image:
    values = image.values
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return image
    ends = [float(value) for value in np.percentile(values, (low, high))]
    if ends[0] == ends[1]:
        ends = [float(values.min()), float(values.max())]
    return image if ends[0] == ends[1] else dataclasses.replace(image, value_range=(ends[0], ends[1]))
