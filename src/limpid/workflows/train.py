"""Train a network on images of one's own, with clean targets or without."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from limpid.core.errors import DataError, MissingExtraError, OptionError
from limpid.core.preprocess import Step, parse_steps
from limpid.core.version import __version__
from limpid.io import DEFAULT_MAX_PIXELS
from limpid.workflows.expand import Found, find_images

if TYPE_CHECKING:
    from torch import nn

    from limpid.core.denoiser import Denoiser
    from limpid.training.collection import Collection
    from limpid.training.config import TrainConfig
    from limpid.training.preparation import Preparation

__all__ = ["Trained", "train"]

_log = logging.getLogger(__name__)

#: Networks by name: architecture and parameters, the number of channels apart.
NETWORKS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "fast": ("unet", {"widths": [64, 64, 64], "blocks": [2, 2, 2], "decoder_blocks": [2, 2]}),
    "small": ("unet", {"widths": [32, 32, 32], "blocks": [1, 1, 1], "decoder_blocks": [1, 1]}),
}

#: Folder of the checkpoint and the log inside a model folder.
RUN: Final = "run"

#: Share of the images held out, and the fewest images at which any is.
_HELD_OUT_SHARE: Final = 0.1
_HELD_OUT_FROM: Final = 8

#: Images whose noise is looked at to choose a strategy.
_LOOKED_AT: Final = 16

#: Steps that the speed is measured on, and those before them that are not counted.
_TIMED_STEPS, _UNTIMED_STEPS = 8, 3

#: Gain over the last quarter of a run below which it has converged, as a share of the noise's variance.
_CONVERGED: Final = 0.002

#: How far above the levels it was trained on a network may be used: without biases, it scales with image and level.
_HEADROOM: Final = 1.2


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about.

    Attributes
    ----------
    model : Path
        Folder of the model: a name for ``--model``, and for `model` in :func:`limpid.denoise`.
    architecture, strategy, reason : str
        What was trained, how, and why so.
    steps : int
        Batches it was trained on.
    seconds : float
        Of this call.
    validation : mapping
        Figures at the end, on images that were held out (on the same ones where there are fewer than eight):
        ``noise_left`` is the mean squared error as a share of the noise's variance, estimated without clean images.
    converged : bool
        Whether the last quarter of the run gained next to nothing.
    skipped : mapping
        Files that were left out, and why.
    """

    model: Path
    architecture: str
    strategy: str
    reason: str
    steps: int
    seconds: float
    validation: Mapping[str, float]
    converged: bool
    skipped: Mapping[Path, str]

    def denoiser(self) -> Denoiser:
        """Return the model, ready to use."""
        from limpid.workflows.models import load_model

        return load_model(str(self.model))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return dataclasses.asdict(self) | {
            "model": str(self.model),
            "validation": dict(self.validation),
            "skipped": {str(path): reason for path, reason in self.skipped.items()},
        }


def train(
    noisy: str | PathLike[str] | Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    clean: str | PathLike[str] | None = None,
    pairs: str | PathLike[str] | None = None,
    strategy: str = "auto",
    network: str = "fast",
    start_from: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    patch_px: int = 64,
    batch: int = 8,
    learning_rate: float = 1e-3,
    preprocessing: Sequence[Step | Mapping[str, Any]] = (),
    augment: str = "turns",
    skip_empty: float = 0.0,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    resume: bool = False,
    watcher: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train a network on noisy images.

    Parameters
    ----------
    noisy : path or sequence of paths
        Files, folders (with all below them) or globs of noisy images, all with the same number of channels. A tenth of
        them is held out to validate on where there are at least eight.
    output : path
        Folder of the model. The run lies in it as well, under ``run``: checkpoint and log.
    clean : path, optional
        Folder with a clean image of the same name for each noisy one.
    pairs : path, optional
        Folder with another exposure of the same name for each noisy one.
    strategy : str
        ``supervised`` (with `clean`), ``noise2noise`` (with `pairs`), ``recorrupted``, ``noise2void``,
        ``neighbor2neighbor``, or ``auto``: the first that what is given and the measured noise allow.
    network : str
        ``fast``, of the size of the shipped one, or ``small``, a sixth of it.
    start_from : str, optional
        A model, by name or folder, whose weights are the start; it must be of the same network.
    steps : int, optional
        Batches to train on.
    minutes : float, optional
        In place of `steps`: as many as fit into that time on this machine; 20 minutes where neither is given.
    patch_px, batch : int
        Side and number of the patches in a batch.
    learning_rate : float
        Highest rate; it warms up and falls to zero.
    preprocessing : sequence of mapping
        What is done to each image, in this order, and in use undone on the way out: such as ``{"name":
        "normalise_percentile", "low": 1, "high": 99}``; see :mod:`limpid.core.preprocess`.
    augment : str
        How patches are varied at random: ``none``, ``mirror`` (left and right), or ``turns`` (by quarters, and
        mirrored).
    skip_empty : float
        Share of the patches that are drawn anew as long as they hold nothing but noise, ``0 <= skip_empty < 1``.
    seed : int
        Every random number follows from it.
    value_range : (float, float), optional
        Values of black and white, for float files that state none.
    max_pixels : int
        Files that announce more are left out.
    resume : bool
        Go on from the checkpoint in `output`; the result is that of a run that was not stopped.
    watcher : callable, optional
        Called with the steps done and the steps in all.

    Raises
    ------
    OptionError
        If options contradict each other or the output is there already.
    DataError
        If none of the images can be used, or their noise rules out the strategy that `auto` would take.
    ConfigError
        If the weights to start from don't fit, or the checkpoint to go on from has other settings.
    ModelError
        If `start_from` is no model.
    MissingExtraError
        If torch is not installed.
    """
    started = time.monotonic()
    try:
        from limpid.training.collection import Collection
        from limpid.training.loop import Trainer, stored_config
        from limpid.training.preparation import Preparation
        from limpid.training.start import initial_network
        from limpid.training.validation import HeldOut
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "torch", extra="train", purpose="training") from error

    folder = Path(output)
    _check(folder, network, steps=steps, minutes=minutes, clean=clean, pairs=pairs, resume=resume)
    partners = clean if clean is not None else pairs
    files = _with_partners(_readable([noisy] if isinstance(noisy, str | PathLike) else noisy), partners)
    training, held_out = _split(files)
    preparation = Preparation(preprocessing=parse_steps(preprocessing), augment=augment, skip_empty=skip_empty)
    options: dict[str, Any] = {
        "patch_px": patch_px,
        "preparation": preparation,
        "value_range": value_range,
        "max_pixels": max_pixels,
    }
    collection = Collection(training, **options)
    chosen, reason = _strategy(strategy, collection, clean=clean is not None, pairs=pairs is not None)
    architecture, parameters = NETWORKS[network]
    config = _config(
        folder.resolve().name,
        chosen,
        architecture,
        {"channels": collection.channels, **parameters},
        start_from=start_from,
        patch_px=patch_px,
        batch=batch,
        rate=learning_rate,
        preparation=preparation,
        seed=seed,
    )
    module = initial_network(config)
    if all(weight.ndim >= 2 for weight in module.parameters()):
        config = dataclasses.replace(config, optimiser=dataclasses.replace(config.optimiser, name="muon"))
    _check_patch(patch_px, module, chosen)
    validate = HeldOut(
        Collection(held_out, channels=collection.channels, **options) if held_out else collection,
        strategy=chosen,
        patch_px=patch_px,
    )
    run = folder / RUN
    if steps is None:
        steps = stored_config(run).steps if resume else _steps_within(minutes or 20.0, config, module, collection)
    config = dataclasses.replace(config, steps=steps)
    trainer = Trainer(config, network=module, source=collection, folder=run, validate=validate)
    trainer.run(
        checkpoint_every=max(1, min(1000, steps // 8)),
        after_step=(lambda: watcher(trainer.step, config.steps)) if watcher else (lambda: None),
    )
    history = _history(run)
    _save(folder, config, level=validate.level, left=history[-1], collection=collection, reason=reason)
    return Trained(
        model=folder,
        architecture=architecture,
        strategy=chosen,
        reason=reason,
        steps=config.steps,
        seconds=time.monotonic() - started,
        validation={"noise_left": history[-1]},
        converged=history[max(len(history) * 3 // 4 - 1, 0)] - history[-1] < _CONVERGED and len(history) >= 4,
        skipped=dict(collection.skipped),
    )


def _check(folder: Path, network: str, *, steps: Any, minutes: Any, clean: Any, pairs: Any, resume: bool) -> None:
    from limpid.models.store import CARD_FILE
    from limpid.training.loop import CHECKPOINT

    if network not in NETWORKS:
        raise OptionError(f"no network {network!r}; choose one of: {', '.join(NETWORKS)}.")
    if steps is not None and minutes is not None:
        raise OptionError("steps and minutes both say how long to train; give one of them.")
    if clean is not None and pairs is not None:
        raise OptionError("clean images and a second exposure were both given; give the clean ones alone.")
    if (minutes is not None and not 0 < minutes < math.inf) or (steps is not None and steps < 1):
        raise OptionError(f"steps and minutes must be positive, got steps={steps}, minutes={minutes}.")
    stopped = (folder / RUN / CHECKPOINT).exists()
    if resume and not stopped:
        raise OptionError(f"{folder} holds no checkpoint to go on from; train without resume.")
    if not resume and (stopped or (folder / CARD_FILE).exists()):
        raise OptionError(f"{folder} holds a model or a run already; choose another folder, or go on with resume.")
    if folder.is_file():
        raise OptionError(f"{folder} is a file; name a folder for the model.")


def _readable(inputs: Sequence[str | PathLike[str]]) -> list[Found]:
    found = find_images(inputs)
    for hit in found:
        if hit.error is not None:
            _log.warning("%s: left out: %s", hit.path, hit.error)
    usable = [hit for hit in found if hit.error is None]
    if not usable:
        raise DataError(f"no image to train on; the first input, {found[0].path}: {found[0].error}")
    return usable


def _with_partners(found: Sequence[Found], partners: str | PathLike[str] | None) -> list[tuple[Path, Path | None]]:
    if partners is None:
        return [(hit.path, None) for hit in found]
    others: dict[str, Path] = {str(hit.relative.with_suffix("")): hit.path for hit in _readable([partners])}
    pairs: list[tuple[Path, Path | None]] = []
    for hit in found:
        partner = others.get(str(hit.relative.with_suffix("")))
        if partner is None:
            _log.warning("%s: left out: no image of its name in %s", hit.path, partners)
        else:
            pairs.append((hit.path, partner))
    if not pairs:
        raise OptionError(
            f"no image in {partners} has the name of a noisy one: the first of these is {found[0].relative}, the first "
            f"there {next(iter(others))}; partners must have the same names."
        )
    return pairs


def _split(files: list[tuple[Path, Path | None]]) -> tuple[list[tuple[Path, Path | None]], list[Any]]:
    from limpid.training.data import split_names

    if len(files) < _HELD_OUT_FROM:
        return files, []
    by_name = {str(path): (path, partner) for path, partner in files}
    training, held_out = split_names(list(by_name), validation_share=_HELD_OUT_SHARE)
    return [by_name[n] for n in training], [by_name[n] for n in held_out]


def _strategy(asked: str, collection: Collection, *, clean: bool, pairs: bool) -> tuple[str, str]:
    """Return the name of the strategy and why."""
    from limpid.training.strategies import STRATEGIES

    if asked != "auto" and asked not in STRATEGIES:
        raise OptionError(f"no strategy {asked!r}; choose one of: auto, {', '.join(STRATEGIES)}.")
    if asked != "auto" and STRATEGIES[asked].needs_target and not (clean or pairs):
        what = "clean images" if asked == "supervised" else "a second exposure"
        raise OptionError(f"{asked} needs {what} of the same names; name their folder.")
    told = [e.noise.white for e in collection.exposures(0)[:_LOOKED_AT]]
    correlated = sum(white is False for white in told)
    if asked != "auto":
        if STRATEGIES[asked].needs_white_noise and 2 * correlated > len(told):
            _log.warning(
                "the noise is correlated between pixels in %d of %d images: %s is not valid for it and will learn to "
                "keep a part of it",
                correlated,
                len(told),
                asked,
            )
        return asked, "asked for"
    if clean:
        return "supervised", "there are clean images of the same names"
    if pairs:
        return "noise2noise", "there is a second exposure of each image"
    if 2 * correlated > len(told):
        raise DataError(
            f"the noise is correlated between pixels in {correlated} of {len(told)} images, and no strategy that "
            "learns from single noisy images is valid for that; give a second exposure of each (pairs) or clean images "
            "(clean), or choose a strategy by name to train all the same."
        )
    return "recorrupted", "single noisy images, and their noise is white and of measured level"


def _check_patch(patch_px: int, network: nn.Module, strategy: str) -> None:
    from limpid.training.strategies import STRATEGIES

    multiple = int(network.size_multiple) * STRATEGIES[strategy].patch_multiple  # type: ignore[arg-type]
    if patch_px < multiple or patch_px % multiple:
        raise OptionError(
            f"patches must be a multiple of {multiple} pixels for this network and {strategy}, got {patch_px}."
        )


def _config(
    name: str,
    strategy: str,
    architecture: str,
    parameters: Mapping[str, Any],
    *,
    start_from: str | None,
    patch_px: int,
    batch: int,
    rate: float,
    preparation: Preparation,
    seed: int,
) -> TrainConfig:
    from limpid.training.config import Architecture, Data, Optimiser, Stage, TrainConfig

    return TrainConfig(
        name=name,
        seed=seed,
        steps=1,  # replaced as soon as it is known
        architecture=Architecture(name=architecture, parameters=parameters),
        data=Data(pool="images of one's own", channels=parameters["channels"], preparation=preparation),
        optimiser=Optimiser(learning_rate=rate, warmup_steps=200),
        stages=(Stage(until=1.0, patch_px=patch_px, batch=batch, loss="mse"),),
        strategy=strategy,
        start_from=start_from,
    )


def _steps_within(minutes: float, config: TrainConfig, network: nn.Module, source: Collection) -> int:
    """Return how many steps fit into a time, by trying some on a copy of the network."""
    import tempfile

    from limpid.training.loop import Trainer

    with tempfile.TemporaryDirectory() as folder:
        trial = Trainer(
            dataclasses.replace(config, steps=_UNTIMED_STEPS + _TIMED_STEPS),
            network=copy.deepcopy(network),
            source=source,
            folder=Path(folder),
            validate=lambda _: {},
        )
        times: list[float] = []
        trial.run(after_step=lambda: times.append(time.monotonic()))
    per_step = (times[-1] - times[_UNTIMED_STEPS - 1]) / _TIMED_STEPS
    return max(1, int(60 * minutes / per_step))


def _history(run: Path) -> list[float]:
    import csv

    with (run / "log.csv").open(newline="") as file:
        return [float(row["noise_left"]) for row in csv.DictReader(file)]


def _save(folder: Path, config: TrainConfig, *, level: float, left: float, collection: Collection, reason: str) -> None:
    from limpid.training.artefact import write_model

    exposures = collection.exposures(0)
    sigmas = [e.noise.sigma / e.noise.span for e in exposures]
    write_model(
        folder / RUN,
        folder,
        config,
        sigma_max=_HEADROOM * level,
        pictures=[e.unit(e.planes[0]).transpose(2, 0, 1) for e in exposures[:8]],
        noise=f"that of its images: sigma {min(sigmas):.3g} to {max(sigmas):.3g} of the range, measured",
        data="images of its maker's own",
        recipe=f"limpid {__version__} train: {config.strategy} ({reason}), seed {config.seed}, {config.steps} steps",
        licence="its maker's",
        metrics={
            "protocol": "mean squared error on held-out patches as a share of the noise's variance, estimated",
            "noise_left": left,
        },
    )
