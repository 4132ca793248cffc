"""Train a network on images of one's own, with clean targets or without."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from limpid.core.arguments import check_number
from limpid.core.errors import MissingExtraError, OptionError
from limpid.core.preprocess import Step, parse_steps
from limpid.core.version import __version__
from limpid.io import DEFAULT_MAX_PIXELS
from limpid.workflows.training_config import (
    CONVERGED,
    choose_network,
    choose_planes,
    make_config,
    usual_batch,
    usual_patch_px,
)
from limpid.workflows.training_data import PathOrPaths, TrainingData, find_data

if TYPE_CHECKING:
    from torch import nn

    from limpid.core.denoiser import Denoiser
    from limpid.training.config import TrainConfig
    from limpid.training.log import Observer
    from limpid.training.loop import Outcome, Trainer
    from limpid.training.validation import HeldOut

__all__ = ["Trained", "train"]

#: Folder of the checkpoint and the log inside a model folder.
RUN: Final = "run"

#: What `adapt` starts from, and the model it stands for.
ADAPT: Final = "adapt"
_ADAPTED: Final = "fast"

#: Highest rates: of a fresh network, and of one that is trained already.
_RATE, _RATE_ADAPT = 1e-3, 1e-4

#: Minutes of training where nothing is asked for.
_MINUTES: Final = 20.0

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
        ``noise_left`` is the mean squared error as a share of the noise's variance, estimated without clean images;
        ``noise_left_before`` that of the weights it started from, with `adapt`.
    converged : bool
        Whether patience ran out, or the last quarter of the run gained next to nothing.
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
    noisy: PathOrPaths | None,
    output: str | PathLike[str],
    *,
    clean: str | PathLike[str] | None = None,
    pairs: str | PathLike[str] | None = None,
    strategy: str = "auto",
    mask_px: tuple[int, int] | None = None,
    architecture: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    loss: str | None = None,
    start_from: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    patience: int | None = None,
    patch_px: int | None = None,
    planes: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    preprocessing: Sequence[Step | Mapping[str, Any]] = (),
    augment: str = "turns",
    skip_empty: float = 0.0,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    memory: int | None = None,
    device: str = "auto",
    tensorboard: bool = False,
    resume: bool = False,
    watcher: Callable[[int, int, float], None] | None = None,
) -> Trained:
    """Train a network on noisy images.

    Under ``torchrun`` all processes train one network: each takes its part of every batch, the first one writes.

    Parameters
    ----------
    noisy : path or sequence of paths, or None
        Files, folders (with all below them) or globs of noisy images, all with the same number of channels. A tenth of
        them is held out to validate on where there are at least eight. None where clean images alone are given.
    output : path
        Folder of the model. The run lies in it as well, under ``run``: checkpoint, log, and pictures of each check.
    clean : path, optional
        Folder with a clean image of the same name for each noisy one; or with clean images of other scenes, to which
        noise is added: that measured in the noisy ones, or of all levels where there are none.
    pairs : path, optional
        Folder with another exposure of the same name for each noisy one.
    strategy : str
        ``supervised`` (with `clean`), ``noise2noise`` (with `pairs`, or stacks whose frames show the same scene),
        ``recorrupted``, ``noise2void``, ``neighbor2neighbor``, ``blind_spot`` (with the architecture ``blindspot``), or
        ``auto``: the first that what is given and the measured noise allow. ``adapt`` goes on from the shipped weights,
        or those of `start_from`, by the strategy that ``auto`` takes, and keeps the result only where it is better on
        what was held out.
    mask_px : (int, int), optional
        With ``noise2void``: how many pixels above and below, and to either side, are hidden with each pixel, such as
        ``(0, 3)`` for noise that is correlated along rows. As far as it is measured to be where not given.
    architecture : str, optional
        ``unet`` (of the size of the shipped one), ``small`` (a sixth of it), ``unet3d`` (for stacks), or another name
        of :data:`limpid.models.registry.ARCHITECTURES`. That of `start_from` where not given, or else ``unet``.
    parameters : mapping, optional
        What the architecture is built with where its defaults are not wanted, such as ``{"latent_dim": 16}``.
    loss : str, optional
        ``mse`` where not given, ``l1``, ``charbonnier``, ``huber``, ``cross_entropy``, ``ms_ssim``, or a sum with
        weights, such as ``0.84 ms_ssim + 0.16 l1``. With noisy targets, ``mse`` alone leads to the mean; ``blind_spot``
        takes none.
    start_from : str, optional
        A model, by name or folder, whose weights are the start; it must be of the same network.
    steps : int, optional
        Batches to train on.
    minutes : float, optional
        In place of `steps`: as many as fit into that time on this machine; 20 minutes where nothing is given.
    epochs : float, optional
        In place of `steps`: as many as cover each pixel so many times on average
        (:func:`limpid.training.schedule.steps_of`).
    patience : int, optional
        Stop sooner where so many checks in a row, of which there are eight in a short run and one every 1000 steps in a
        long one, gain nothing. The rate then falls to zero over a fifth of the steps done, and the weights that
        were best at a check are kept.
    patch_px, batch : int, optional
        Side and number of the patches in a batch. The side is a multiple of what the network takes, about 64 where not
        given; there are as many as have the pixels of 8 such patches, 64 at most.
    planes : int, optional
        With ``unet3d``, which sees the planes of a stack together: how many consecutive ones a patch is cut from, 2 at
        least; 8 where not given. The side of a patch is then about 32.
    learning_rate : float, optional
        Highest rate; it warms up and falls to zero. 1e-3 where not given, 1e-4 with `adapt`.
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
    memory : int, optional
        Bytes of pixels that are in memory at a time, of the images trained on and again of those held out; 1 GiB where
        not given. Where there are more, others are read every 1000 steps.
    device : str
        ``cpu``, ``cuda``, or ``auto``: CUDA where there is a device.
    tensorboard : bool
        Write event files for TensorBoard, under ``run/tensorboard``.
    resume : bool
        Go on from the checkpoint in `output`; the result is that of a run that was not stopped.
    watcher : callable, optional
        Called after each step with the steps done, the steps in all and the loss; under ``torchrun`` in the first
        process alone.

    Raises
    ------
    OptionError
        If options contradict each other or the output is there already.
    DataError
        If none of the images can be used, or their noise rules out the strategy that `auto` would take.
    ConfigError
        If the weights to start from don't fit, or the checkpoint to go on from has other settings.
    ModelError
        If `start_from` is no model, or the network can't be built.
    MissingExtraError
        If torch is not installed, or what `tensorboard` needs.
    WriteError
        If the disk is full, for instance; the checkpoint before is kept.
    KeyboardInterrupt
        After Ctrl-C, when a checkpoint is written.
    """
    started = time.monotonic()
    try:
        from limpid.training.checkpoint import stored_config
        from limpid.training.device import choose_device
        from limpid.training.loop import Trainer
        from limpid.training.mixing import mix_back
        from limpid.training.pace import steps_within
        from limpid.training.parallel import joined
        from limpid.training.preparation import Preparation
        from limpid.training.schedule import steps_of
        from limpid.training.start import check_network, initial_network
        from limpid.training.strategies import STRATEGIES
        from limpid.training.validation import HeldOut
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "torch", extra="train", purpose="training") from error

    folder = Path(output)
    _check(folder, noisy=noisy, clean=clean, pairs=pairs, resume=resume)
    _check_length(steps=steps, minutes=minutes, epochs=epochs, patience=patience)
    trained_on = choose_device(device)
    adapting = strategy == ADAPT
    if adapting and start_from is None:
        start_from = _ADAPTED
    network = choose_network(architecture, parameters, start_from)
    patch_px = usual_patch_px(network) if patch_px is None else patch_px
    planes = choose_planes(network, planes)
    preparation = Preparation(
        preprocessing=parse_steps(preprocessing), augment=augment, skip_empty=skip_empty, planes=planes
    )
    data = find_data(
        noisy,
        clean=clean,
        pairs=pairs,
        strategy="auto" if adapting else strategy,
        mask_px=mask_px,
        patch_px=patch_px,
        hold_out_parts=adapting,
        preparation=preparation,
        value_range=value_range,
        max_pixels=max_pixels,
        memory=memory,
    )
    config = make_config(
        folder.resolve().name,
        data,
        network,
        loss=loss,
        start_from=start_from,
        patch_px=patch_px,
        batch=usual_batch(patch_px, planes) if batch is None else batch,
        rate=learning_rate if learning_rate is not None else _RATE_ADAPT if adapting else _RATE,
        seed=seed,
        patience=patience,
        preparation=preparation,
    )
    module = initial_network(config)
    check_network(module, config)
    module.to(trained_on)
    validate = HeldOut(
        data.held_out,
        strategy=config.strategy,
        parameters=config.strategy_parameters,
        patch_px=patch_px,
        gaussian=data.gaussian,
        device=trained_on,
    )
    before = copy.deepcopy(module) if adapting else None
    run = folder / RUN
    with joined(trained_on) as processes:
        options: dict[str, Any] = {"source": data.training, "device": trained_on, "processes": processes}
        if steps is None and resume:
            steps = stored_config(run).steps
        elif steps is None and epochs is not None:
            steps = steps_of(
                epochs,
                pixels=data.training.pixels(),
                batch=config.stages[0].batch,
                patch_px=patch_px,
                planes=planes or 1,
            )
        elif steps is None:
            steps = steps_within(60 * (minutes or _MINUTES), config, network=module, **options)
        config = dataclasses.replace(config, steps=steps)
        with _observers(run, data, wanted=processes.first, tensorboard=tensorboard) as observers:
            trainer = Trainer(config, network=module, folder=run, validate=validate, observers=observers, **options)
            outcome = _run(trainer, watcher if processes.first else None)
    module.load_state_dict(trainer.weights)
    reason = data.choice.reason
    validation = {name: round(value, 5) for name, value in outcome.figures.items()}
    if before is not None:
        module, validation, judged = _better(before, module, validate)
        reason = f"{reason}; {judged}"
    if STRATEGIES[config.strategy].hides_pixels and module is not before:
        validation["noise_left"] = round(mix_back(module, validation["noise_left"]), 5)
    if processes.first:
        config = dataclasses.replace(config, steps=outcome.steps)
        sigma_max = _HEADROOM * validate.level
        _save(folder, config, module.cpu(), sigma_max=sigma_max, data=data, reason=reason, figures=validation)
    return Trained(
        model=folder,
        architecture=config.architecture.name,
        strategy=strategy if adapting else config.strategy,
        reason=reason,
        steps=outcome.steps,
        seconds=time.monotonic() - started,
        validation=validation,
        converged=outcome.converged or _gained_little(run),
        skipped=data.skipped,
    )


def _check(folder: Path, *, noisy: Any, clean: Any, pairs: Any, resume: bool) -> None:
    from limpid.models.store import CARD_FILE
    from limpid.training.checkpoint import CHECKPOINT

    if noisy is None and clean is None:
        raise OptionError("no images were given; name noisy ones, or clean ones (clean) to add noise to.")
    if noisy is None and pairs is not None:
        raise OptionError("second exposures (pairs) were given without the first; name the noisy images too.")
    if clean is not None and pairs is not None:
        raise OptionError("clean images and a second exposure were both given; give the clean ones alone.")
    stopped = (folder / RUN / CHECKPOINT).exists()
    if resume and not stopped:
        raise OptionError(f"{folder} holds no checkpoint to go on from; train without resume.")
    if not resume and (stopped or (folder / CARD_FILE).exists()):
        raise OptionError(f"{folder} holds a model or a run already; choose another folder, or go on with resume.")
    if folder.is_file():
        raise OptionError(f"{folder} is a file; name a folder for the model.")


def _check_length(**given: float | None) -> None:
    """Refuse numbers that are none of a length, and more than one of steps, minutes and epochs."""
    lengths = [name for name in ("steps", "minutes", "epochs") if given[name] is not None]
    if len(lengths) > 1:
        raise OptionError(f"{' and '.join(lengths)} all say how long to train; give one of them.")
    least = {"steps": 1, "minutes": 0.01, "epochs": 0.0001, "patience": 1}
    for name, value in given.items():
        if value is not None:
            check_number(name, value, low=least[name], whole=name in ("steps", "patience"))


@contextmanager
def _observers(run: Path, data: TrainingData, *, wanted: bool, tensorboard: bool) -> Iterator[list[Observer]]:
    """Give those that show how a run is going: pictures, and events where they are asked for."""
    from limpid.training.checkpoint import stored_step
    from limpid.training.previews import Previews

    if not wanted:
        yield []
    elif not tensorboard:
        yield [Previews(data.held_out, run)]
    else:
        try:
            from limpid.training.tensorboard import TensorBoard
        except ModuleNotFoundError as error:
            name, purpose = error.name or "tensorboardX", "event files"
            raise MissingExtraError.of(name, extra="tensorboard", purpose=purpose) from error
        with closing(TensorBoard(run / "tensorboard", step=stored_step(run))) as board:
            yield [board, Previews(data.held_out, run, also=board.picture)]


def _run(trainer: Trainer, watcher: Callable[[int, int, float], None] | None) -> Outcome:
    every = max(1, min(1000, trainer.config.steps // 8))
    try:
        return trainer.run(checkpoint_every=every, after_step=watcher or (lambda *_: None))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped after {trainer.step} of {trainer.end} steps; go on from there with resume and the same options."
        ) from None


def _gained_little(run: Path) -> bool:
    """Return whether the last quarter of the checks gained next to nothing."""
    from limpid.training.log import read_log

    history = [float(row["noise_left"]) for row in read_log(run)]
    return len(history) >= 4 and history[max(len(history) * 3 // 4 - 1, 0)] - history[-1] < CONVERGED


def _better(before: nn.Module, after: nn.Module, validate: HeldOut) -> tuple[nn.Module, dict[str, float], str]:
    """Return the better of two networks on what was held out, its figures and why; in doubt, the one before."""
    from limpid.training.comparison import clearly_better

    first, second = validate.shares(before), validate.shares(after)
    figures = {"noise_left": float(second.mean()), "noise_left_before": float(first.mean())}
    text = f"{figures['noise_left']:.3f} of the noise is left on what was held out, {figures['noise_left_before']:.3f}"
    if clearly_better(second, first):
        return after, figures, f"adapted: {text} before"
    return (
        before,
        figures | {"noise_left": figures["noise_left_before"]},
        f"not adapted, the weights are the old ones: {text} before",
    )


def _save(
    folder: Path,
    config: TrainConfig,
    network: nn.Module,
    *,
    sigma_max: float,
    data: TrainingData,
    reason: str,
    figures: Mapping[str, float],
) -> None:
    from limpid.training.artefact import write_model

    sigmas = data.sigmas()
    write_model(
        network,
        folder,
        config,
        sigma_max=sigma_max,
        pictures=data.pictures(),
        noise=f"that of its images: sigma {min(sigmas):.3g} to {max(sigmas):.3g} of the range, measured",
        data="images of its maker's own",
        recipe=f"limpid {__version__} train: {config.strategy} ({reason}), seed {config.seed}, {config.steps} steps",
        licence="its maker's",
        metrics={
            "protocol": "mean squared error on held-out patches as a share of the noise's variance, estimated",
            **figures,
        },
    )
