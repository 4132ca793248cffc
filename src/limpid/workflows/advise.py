"""Which patch size, latent dimension, loss and strategy suit some images, and how many of them are enough: measured."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from limpid.core.arguments import check_number, listed
from limpid.core.errors import MissingExtraError, OptionError
from limpid.io import DEFAULT_MAX_PIXELS
from limpid.workflows.training_config import Network, choose_network, make_config, usual_batch
from limpid.workflows.training_data import PathOrPaths, TrainingData, find_data

if TYPE_CHECKING:
    from limpid.training.trials import Trial

__all__ = ["QUESTIONS", "Advice", "Answer", "advise"]

#: What can be asked, in the order in which it is answered.
QUESTIONS: Final = ("strategy", "patch_px", "loss", "latent_dim", "images_enough")

#: Architecture that the latent dimension is a question of.
AUTOENCODER: Final = "autoencoder"

#: Largest patch that is tried, how many sizes are, and the one that is taken where it is not asked for.
_PATCH_MOST, _PATCHES, _USUAL_PX = 128, 4, 64

#: Smallest side of images that advice can be given for.
_LEAST_PX: Final = 16

#: Autoencoders: largest input that latent dimensions are compared for, units of the hidden layer, and latents where
#: they are not asked for.
_LATENT_PX, _HIDDEN, _USUAL_K = 32, 512, 64

_LATENT_DIMS: Final = (4, 8, 16, 32, 64, 128, 256)
_LOSSES: Final = ("mse", "l1", "charbonnier", "huber")

#: Highest rate of every trial.
_RATE: Final = 1e-3


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes
    ----------
    question : str
        One of :data:`QUESTIONS`.
    value : int or str
        What is recommended.
    reason : str
        Why.
    rows : tuple of mapping
        One for each value that was tried: ``value``, ``noise_left`` (the mean squared error on held-out patches as a
        share of the noise's variance), its standard ``error``, ``steps`` and ``seconds``.
    """

    question: str
    value: Any
    reason: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Advice:
    """Answers to what was asked.

    Attributes
    ----------
    answers : tuple of Answer
        In the order of :data:`QUESTIONS`.
    seconds : float
        All of it took.
    """

    answers: tuple[Answer, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; what was not asked is null."""
        values: dict[str, Any] = dict.fromkeys(QUESTIONS)
        values |= {answer.question: answer.value for answer in self.answers}
        reasons = {answer.question: answer.reason for answer in self.answers}
        evidence = {answer.question: [dict(row) for row in answer.rows] for answer in self.answers}
        return {**values, "reasons": reasons, "evidence": evidence, "seconds": self.seconds}

    def plot(self) -> bytes:
        """Return a PNG with a panel for each question.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        from limpid.evaluation.plots import advice_plot

        return advice_plot([(answer.question, answer.value, answer.rows) for answer in self.answers])


def advise(
    noisy: PathOrPaths,
    *,
    clean: str | PathLike[str] | None = None,
    pairs: str | PathLike[str] | None = None,
    questions: str | Sequence[str] = QUESTIONS,
    architecture: str = "small",
    minutes: float = 10.0,
    seed: int = 0,
    value_range: tuple[float, float] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    watcher: Callable[[int, int], None] | None = None,
) -> Advice:
    """Answer what to train and how, by short trainings on the images themselves.

    Every setting is trained for the same time from fresh weights and measured on the same held-out patches. Of settings
    that are equally good within two standard errors, the cheapest is recommended. All questions but the latent
    dimension are answered with `architecture`, that one with an autoencoder.

    Parameters
    ----------
    noisy, clean, pairs, seed, value_range, max_pixels
        As in :func:`limpid.train`.
    questions : str or sequence of str
        Some of ``strategy``, ``patch_px``, ``loss``, ``latent_dim`` (of an autoencoder) and ``images_enough``.
    architecture : str
        ``small`` (a U-Net) or ``autoencoder``; the patch of an autoencoder is its input.
    minutes : float
        For all trainings together.
    watcher : callable, optional
        Called with the trainings done and those in all.

    Returns
    -------
    Advice

    Raises
    ------
    OptionError
        If a question is unknown, or an argument is wrong.
    DataError
        If none of the images can be used, or their noise rules out every strategy.
    MissingExtraError
        If torch is not installed.
    """
    started = time.monotonic()
    asked = listed("questions", questions, str, what="a question")
    unknown = [name for name in asked if name not in QUESTIONS]
    if unknown:
        raise OptionError(f"no question {unknown[0]!r}; choose from: {', '.join(QUESTIONS)}.")
    check_number("minutes", minutes, low=0.05)
    if architecture not in ("small", AUTOENCODER):
        raise OptionError(f"advice is given for small and {AUTOENCODER}, got {architecture!r}; choose one of them.")
    try:
        from limpid.training.trials import recommended
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or "torch", extra="train", purpose="advice on training") from error

    def find(patch_px: int) -> TrainingData:
        return find_data(
            noisy,
            clean=clean,
            pairs=pairs,
            strategy="auto",
            patch_px=patch_px,
            hold_out_parts=True,
            value_range=value_range,
            max_pixels=max_pixels,
        )

    bench = _Bench(find, architecture, seed)
    ordered = [question for question in QUESTIONS if question in asked]
    total = sum(len(bench.settings(question)) for question in ordered)
    answers, done = [], 0
    for question in ordered:
        trials = []
        for trial in bench.run(bench.settings(question), seconds=60 * minutes / total):
            trials.append(trial)
            done += 1
            if watcher is not None:
                watcher(done, total)
        chosen = recommended(trials)
        bench.adopt(question, chosen.value)
        answers.append(Answer(question, chosen.value, _reason(trials, chosen), tuple(map(_row, trials))))
    return Advice(tuple(answers), time.monotonic() - started)


@dataclass(frozen=True)
class _Setting:
    """What a trial trains; `images` is the number of files, all where None."""

    value: Any
    network: Network
    patch_px: int
    strategy: str
    loss: str = "mse"
    images: int | None = None


class _Bench:
    """The trials on some images; what has been answered is used by those that follow.

    Parameters
    ----------
    find : callable
        Maps a largest patch to the images.
    architecture : str
        What all questions but the latent dimension are answered with.
    seed : int
        Of every trial.
    """

    def __init__(self, find: Callable[[int], TrainingData], architecture: str, seed: int) -> None:
        self._architecture, self._seed = architecture, seed
        shortest = find(_LEAST_PX).shortest_px
        self._sizes = _sizes(shortest, 1 if architecture == AUTOENCODER else 16)
        self._latent_px = min(shortest, _LATENT_PX)
        self._data = find(max(self._sizes[-1], self._latent_px))
        usual = min(self._sizes, key=lambda side: abs(side - _USUAL_PX))
        self._best = _Setting(None, self._network(usual), usual, self._data.choice.strategy)

    def settings(self, question: str) -> list[_Setting]:
        """Return what is tried, the cheapest first."""
        best = self._best
        match question:
            case "strategy":
                names = self._data.fitting_strategies()
                return [dataclasses.replace(best, value=name, strategy=name) for name in names]
            case "patch_px":
                return [dataclasses.replace(best, value=n, patch_px=n, network=self._network(n)) for n in self._sizes]
            case "loss":
                return [dataclasses.replace(best, value=name, loss=name) for name in _LOSSES]
            case "images_enough":
                return [dataclasses.replace(best, value=n, images=n) for n in _doubling(len(self._data.training))]
            case _:
                side = self._latent_px
                networks = {k: _autoencoder(side, k) for k in _LATENT_DIMS if k <= side**2}
                return [dataclasses.replace(best, value=k, network=n, patch_px=side) for k, n in networks.items()]

    def run(self, settings: Sequence[_Setting], *, seconds: float) -> Iterator[Trial]:
        """Yield the trials of a question, all measured on the same patches."""
        from limpid.training.trials import run_trial
        from limpid.training.validation import HeldOut

        choice = self._data.choice
        side = max(setting.patch_px for setting in settings)
        validate = HeldOut(self._data.held_out, strategy=choice.strategy, patch_px=side, gaussian=self._data.gaussian)
        for one in settings:
            data = dataclasses.replace(self._data, choice=dataclasses.replace(choice, strategy=one.strategy))
            config = make_config(
                "trial",
                data,
                one.network,
                loss=one.loss,
                start_from=None,
                patch_px=one.patch_px,
                batch=usual_batch(one.patch_px),
                rate=_RATE,
                seed=self._seed,
            )
            source = data.training if one.images is None else data.training.first(one.images)
            yield run_trial(one.value, config, source=source, validate=validate, seconds=seconds)

    def adopt(self, question: str, value: Any) -> None:
        """Use an answer in what follows."""
        if question not in ("latent_dim", "images_enough"):
            self._best = next(one for one in self.settings(question) if one.value == value)

    def _network(self, side: int) -> Network:
        return _autoencoder(side, _USUAL_K) if self._architecture == AUTOENCODER else choose_network("small", None)


def _autoencoder(side: int, latent_dim: int) -> Network:
    """Return one for squares of any side: of matrices, since not every side can be halved."""
    return choose_network(
        AUTOENCODER, {"kind": "dense", "input_px": side, "widths": [_HIDDEN], "latent_dim": latent_dim}
    )


def _sizes(shortest: int, multiple: int) -> list[int]:
    """Return sides of patches, each half of the next, that images have room for: the largest is at most 128."""
    largest = min(shortest, _PATCH_MOST) // multiple * multiple
    sizes = [largest]
    while len(sizes) < _PATCHES and sizes[0] % 2 == 0 and (sizes[0] // 2) % multiple == 0:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def _doubling(count: int) -> list[int]:
    numbers = [2**power for power in range(count.bit_length()) if 2**power < count]
    return [*numbers, count]


def _row(trial: Trial) -> dict[str, Any]:
    error = float(trial.shares.std(ddof=1)) / len(trial.shares) ** 0.5
    return {
        "value": trial.value,
        "noise_left": trial.noise_left,
        "error": error,
        "steps": trial.steps,
        "seconds": trial.seconds,
    }


def _reason(trials: Sequence[Trial], chosen: Trial) -> str:
    best = min(trials, key=lambda trial: trial.noise_left)
    text = f"{chosen.value} left {chosen.noise_left:.3f} of the noise"
    if len(trials) == 1:
        return f"{text}; there is nothing to compare it with"
    if chosen is best:
        worst = max(trials, key=lambda trial: trial.noise_left)
        return f"{text}, the least of {len(trials)}; the most was {worst.noise_left:.3f} with {worst.value}"
    return f"{text}, which is no more than {best.value} did ({best.noise_left:.3f}) within their errors, and costs less"
