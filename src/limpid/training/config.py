"""The configuration of a training run: frozen values, read once, unknown keys refused."""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from limpid.core.arguments import hint
from limpid.core.errors import ConfigError
from limpid.core.preprocess import Step, parse_steps
from limpid.training.preparation import Preparation

_T = TypeVar("_T")

#: What a stage may name in its loss; :mod:`limpid.training.losses` has them (it needs torch, this module doesn't).
LOSS_NAMES: Final = frozenset({"charbonnier", "cross_entropy", "huber", "l1", "mse", "ms_ssim"})

#: Those of them that look at a pixel's neighbours, so that pixels picked out of a patch will not do.
PICTURE_LOSSES: Final = frozenset({"ms_ssim"})

#: What may be named as the optimiser; :mod:`limpid.training.optimisers` has them.
OPTIMISER_NAMES: Final = frozenset({"adamw", "muon"})

#: What may be named as the strategy; :mod:`limpid.training.strategies` has them.
STRATEGY_NAMES: Final = frozenset(
    {"supervised", "noise2noise", "noise2void", "neighbor2neighbor", "recorrupted", "blind_spot"}
)

#: Strategies whose objective is a likelihood: no loss is named with them.
LIKELIHOOD_STRATEGIES: Final = frozenset({"blind_spot"})

#: Largest reach of a mask: patches are to be more than mask.
_MASK_MOST_PX: Final = 15

__all__ = [
    "Architecture",
    "Camera",
    "Data",
    "Noise",
    "Optimiser",
    "Stage",
    "Stop",
    "StrategyParameters",
    "Teacher",
    "TrainConfig",
    "parse_loss",
]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Name in the architecture registry and the parameters handed to it."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where clean pictures come from and how patches are cut from them.

    Attributes
    ----------
    pool : str
        Registry name of a data set, or a folder of clean images.
    channels : int
        1 (luma, ITU-R BT.601) or 3 (RGB).
    validation_share : float
        Share of the pictures held out, chosen by a hash of their names.
    reductions : tuple of float
        Probabilities of reducing a picture by 1, 2, 3, ... (box average) before a patch is cut:
        a reduced photograph is sharper and cleaner per pixel.
    preparation : Preparation
        How images of one's own become patches; of it, clean pictures take the augmentation alone.
    """

    pool: str
    channels: int
    validation_share: float = 0.05
    reductions: tuple[float, ...] = (0.5, 0.35, 0.15)
    preparation: Preparation = field(default_factory=Preparation)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise added to clean patches, and what the network is told about it. Sigma is on the 0-255 scale.

    Attributes
    ----------
    sigma_max : float
        Sigma is uniform in ``[0, sigma_max]``.
    zero_share : float
        Share of patches with no noise at all.
    poisson_share : float
        Share of patches with Poisson-Gaussian noise and a per-pixel level map.
    per_channel_share : float
        Share of patches whose channels have different levels (colour only).
    level_error : float
        Relative standard deviation of the level told about the true one.
    """

    sigma_max: float = 55.0
    zero_share: float = 0.05
    poisson_share: float = 0.2
    per_channel_share: float = 0.0
    level_error: float = 0.03


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Noise as cameras make it (:mod:`limpid.training.camera`), and what the network is told about it.

    Attributes
    ----------
    gain : (float, float)
        Variance of shot noise by the signal, the sensor's range as 1, at its lowest and highest sensitivity.
    rows_share : float
        Share of sensors whose rows have offsets of their own.
    rounded_share : float
        Share of sensors whose values are rounded to 10, 12 or 14 bits.
    reduced_share, sharpened_share, smoothed_share : float
        Share of cameras that reduce noise in brightness, that sharpen, and that smooth colours.
    jpeg_share : float
        Share of photographs that were JPEG files.
    halved_share : float
        Share of photographs that were reduced by two when developed.
    resized_share : float
        Share of photographs that were given another size after they were stored.
    scale : (float, float)
        Least and largest of those sizes, as a multiple.
    display_share : float
        Share of patches that no camera took: noise is added to what is shown, white, or correlated by
        `correlated_share` of them.
    correlated_share : float
        See there.
    level_error : float
        Standard deviation of the logarithm of the level told about the true one.
    level_lack, jpeg_lack : float
        What that logarithm is too low by besides, in the mean of an exponential distribution: without, and after JPEG.
    channel_error : float
        Scale of the Laplace distribution of what the channels' logarithms differ by.
    line_share : float
        Share of photographs whose level is told as growing with the signal.
    """

    gain: tuple[float, float] = (1e-4, 1.2e-2)
    rows_share: float = 0.15
    rounded_share: float = 0.5
    reduced_share: float = 0.5
    sharpened_share: float = 0.4
    smoothed_share: float = 0.5
    jpeg_share: float = 0.6
    halved_share: float = 0.2
    resized_share: float = 0.3
    scale: tuple[float, float] = (0.5, 1.5)
    display_share: float = 0.2
    correlated_share: float = 0.5
    level_error: float = 0.15
    level_lack: float = 0.3
    jpeg_lack: float = 0.7
    channel_error: float = 0.18
    line_share: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """Linear warm-up, and cosine decay to zero after the rate was held; gradients clipped by global norm.

    Attributes
    ----------
    name : str
        ``adamw``, or ``muon`` for networks whose weights all have two dimensions or more.
    learning_rate : float
        At the end of the warm-up.
    warmup_steps : int
        Steps of the warm-up.
    hold : float
        Share of all steps, in ``[0, 1)``, before the rate begins to fall. A run that is held can be cut off and ended
        by another that starts from it; one that falls from the beginning has to be planned to its end.
    weight_decay : float
        Share of a weight that a step at rate 1 takes off, apart from the gradient.
    clip_norm : float
        Largest global norm of the gradients.
    ema_decay : float
        Of the exponential average of the weights, which is what ships.
    """

    name: str = "adamw"
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    hold: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0 <= self.hold < 1:
            raise ConfigError(f"hold is a share of the steps, at least 0 and below 1, got {self.hold:g}.")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Patch size, batch size and loss until `until`, a share of all steps in ``(0, 1]``.

    Attributes
    ----------
    until : float
        The stage's end.
    patch_px : int
        Height and width of a patch, a multiple of what the architecture takes.
    batch : int
        Patches of a step.
    loss : str or None
        One of :data:`LOSS_NAMES`, or a sum of them with weights, such as ``0.84 ms_ssim + 0.16 l1``. None for
        :data:`LIKELIHOOD_STRATEGIES`, and for no other.
    """

    until: float
    patch_px: int
    batch: int
    loss: str | None = None


@dataclass(frozen=True, kw_only=True)
class StrategyParameters:
    """What a strategy is told apart from its batches; None where it is to be the strategy's default.

    Attributes
    ----------
    mask_px : (int, int) or None
        ``noise2void`` alone: pixels above and below, and to either side, that are hidden with each pixel, 0 to 15.
    """

    mask_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.mask_px is not None and not (
            len(self.mask_px) == 2 and all(0 <= reach <= _MASK_MOST_PX for reach in self.mask_px)
        ):
            raise ConfigError(
                f"mask_px must be two numbers of pixels (along columns, along rows) from 0 to {_MASK_MOST_PX}, got "
                f"{list(self.mask_px)}."
            )


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A network that a smaller one learns from (:class:`limpid.training.distillation.Taught`).

    Attributes
    ----------
    model : str
        A model, by name or folder, or the folder of a run, whose averaged weights are taken.
    share : float
        How much its answers count against clean pictures, in ``(0, 1]``.
    """

    model: str
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"a teacher's share must be above 0 and at most 1, got {self.share:g}.")


@dataclass(frozen=True, kw_only=True)
class Stop:
    """When a run has converged; what then follows is in :meth:`limpid.training.stopping.Progress.cut`.

    Attributes
    ----------
    figure : str
        Name of the figure of the validation that is watched.
    larger_is_better : bool
        Of that figure.
    patience : int
        Checks in a row without a gain after which it has.
    gain : float
        How much better the figure must be to count as a gain, in its own unit.
    decay : float
        Steps in which the rate then falls to zero, as a share of those done, in ``(0, 1]``. In language models a fifth
        gives what a cosine schedule over all of the steps gives [1]_.

    References
    ----------
    .. [1] A. Hägele, E. Bakouch, A. Kosson, L. Ben Allal, L. von Werra, M. Jaggi, "Scaling laws and compute-optimal
       training beyond fixed training durations", NeurIPS 2024, arXiv:2405.18392, section 3.
    """

    figure: str = "noise_left"
    larger_is_better: bool = False
    patience: int = 5
    gain: float = 0.002
    decay: float = 0.2

    def __post_init__(self) -> None:
        if self.patience < 1 or not self.gain >= 0 or not 0 < self.decay <= 1:
            raise ConfigError(
                "a stop needs a patience of at least 1, a gain of at least 0 and a decay above 0 and at most 1, got "
                f"patience = {self.patience}, gain = {self.gain:g}, decay = {self.decay:g}."
            )


def parse_loss(text: str) -> tuple[tuple[float, str], ...]:
    """Return the weights and names of a loss.

    Parameters
    ----------
    text : str
        Names of :data:`LOSS_NAMES` with ``+`` between them, each with a weight before it or without (then it is 1).

    Raises
    ------
    ConfigError
        If a name is unknown, or a weight is no finite number above 0.

    Examples
    --------
    >>> parse_loss("0.84 ms_ssim + 0.16 l1")
    ((0.84, 'ms_ssim'), (0.16, 'l1'))
    >>> parse_loss("mse")
    ((1.0, 'mse'),)
    """
    return tuple(_term(term.split(), text) for term in text.split("+"))


def _term(words: list[str], text: str) -> tuple[float, str]:
    names = ", ".join(sorted(LOSS_NAMES))
    if len(words) not in (1, 2):
        raise ConfigError(
            f"loss {text!r} must be a name, or weights and names as in '0.84 ms_ssim + 0.16 l1'; known: {names}."
        )
    *weights, name = words
    if name not in LOSS_NAMES:
        raise ConfigError(f"unknown loss {name!r} in {text!r}; {hint(name, sorted(LOSS_NAMES), otherwise='known: ')}")
    try:
        weight = float(weights[0]) if weights else 1.0
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ConfigError(
            f"the weight of {name!r} must be a number above 0, got {weights[0]!r} in {text!r}; known: {names}."
        )
    return weight, name


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides the weights of a run, together with the data and the code.

    Attributes
    ----------
    name : str
        Of the model.
    seed : int
        Every random number of the run follows from it.
    steps : int
        Batches the network is trained on.
    architecture, data, noise, optimiser
        See their classes. Noise is what is added to clean pictures; noisy ones have their own.
    camera : Camera or None
        What takes the clean pictures; then noise is added to some of them alone. None for no camera.
    strategy : str
        Name of one of :mod:`limpid.training.strategies`. Clean pictures with noise added are ``supervised``.
    strategy_parameters : StrategyParameters
        Its parameters.
    stages : tuple of Stage
        In order; the last one ends at 1.
    start_from : str or None
        A model, by name or folder, or the folder of a run, whose weights are the start where they fit.
    teacher : Teacher or None
        Whose answers stand for clean pictures, in part; None for nobody's.
    stop : Stop or None
        When to stop before the last step; None for never.
    """

    name: str
    seed: int
    steps: int
    architecture: Architecture
    data: Data
    optimiser: Optimiser
    stages: tuple[Stage, ...]
    noise: Noise = Noise()
    camera: Camera | None = None
    strategy: str = "supervised"
    strategy_parameters: StrategyParameters = StrategyParameters()
    start_from: str | None = None
    teacher: Teacher | None = None
    stop: Stop | None = None

    def __post_init__(self) -> None:
        ends = [stage.until for stage in self.stages]
        if not ends or ends != sorted(set(ends)) or ends[0] <= 0 or ends[-1] != 1:
            raise ConfigError(f"stages must end at rising shares of the steps, the last at 1, got {ends}.")
        if self.optimiser.name not in OPTIMISER_NAMES:
            known = ", ".join(sorted(OPTIMISER_NAMES))
            raise ConfigError(f"unknown optimiser {self.optimiser.name!r}; known: {known}.")
        if self.strategy not in STRATEGY_NAMES:
            known = ", ".join(sorted(STRATEGY_NAMES))
            raise ConfigError(f"unknown strategy {self.strategy!r}; known: {known}.")
        if self.strategy_parameters.mask_px is not None and self.strategy != "noise2void":
            raise ConfigError(f"mask_px is for the strategy 'noise2void', got it with {self.strategy!r}; leave it out.")
        for stage in self.stages:
            _check_loss(stage.loss, self.strategy)
        if self.steps < 1 or min(min(stage.patch_px, stage.batch) for stage in self.stages) < 1:
            raise ConfigError("steps, and every patch_px and batch, must be at least 1.")
        if min(self.data.reductions) < 0 or abs(sum(self.data.reductions) - 1) > 1e-9:
            raise ConfigError(f"reductions are probabilities and must sum to 1, got {self.data.reductions}.")

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a recipe.

        Raises
        ------
        ConfigError
            If the file can't be read, a key is unknown or missing, or a value has the wrong type or is out of range.
        """
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} can't be read as TOML: {error}.", source=str(path)) from error
        return _parse(cls, raw, where=path.name)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], *, where: str) -> Self:
        """Read what :meth:`to_dict` returned; `where` is named in errors, which are those of :meth:`from_toml`."""
        return _parse(cls, raw, where=where)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def stage_at(self, step: int) -> Stage:
        """Return the stage that step (0-based) belongs to."""
        return next(s for s in self.stages if step < s.until * self.steps or s is self.stages[-1])


def _check_loss(loss: str | None, strategy: str) -> None:
    if loss is not None and strategy in LIKELIHOOD_STRATEGIES:
        raise ConfigError(f"{strategy!r} makes a likelihood large and takes no loss, got {loss!r}; leave it out.")
    if loss is None and strategy not in LIKELIHOOD_STRATEGIES:
        known = ", ".join(sorted(LOSS_NAMES))
        raise ConfigError(f"{strategy!r} needs a loss in each stage; add one of: {known}.")
    if loss is not None:
        parse_loss(loss)


def _parse(cls: type[_T], raw: Mapping[str, Any], *, where: str) -> _T:
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in raw:
        if key not in fields:
            raise ConfigError(f"unknown key {key!r} in {where}; {hint(key, fields, otherwise='known keys: ')}")
    missing = [n for n, f in fields.items() if n not in raw and f.default is f.default_factory is dataclasses.MISSING]
    if missing:
        raise ConfigError(
            f"{where} lacks {', '.join(map(repr, missing))}; add {'it' if len(missing) == 1 else 'them'}."
        )
    return cls(**{key: _value(hints[key], value, where=f"{where}: {key}") for key, value in raw.items()})


def _value(kind: Any, value: Any, *, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if kind is Step:
        return parse_steps([value])[0]
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return _parse(typing.cast(type, kind), value, where=where)
    origin = typing.get_origin(kind) or kind
    if origin is tuple and isinstance(value, list):
        item = typing.get_args(kind)[0]
        return tuple(_value(item, v, where=where) for v in value)
    if origin is float and type(value) is int:
        return float(value)
    if not isinstance(value, origin) or (isinstance(value, bool) and origin is not bool):
        raise ConfigError(f"{where} must be {getattr(origin, '__name__', origin)}, got {value!r}.")
    return value
