"""What denoisers reach for what they cost: limpid's, classical ones and published networks, in a table and a plot."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np

from limpid.classical.registry import CLASSICAL, load_classical
from limpid.core.arguments import check_number, listed
from limpid.core.denoiser import Denoiser
from limpid.core.errors import DataError, LimpidError, OptionError
from limpid.evaluation.benchmark import measure
from limpid.evaluation.datasets import Dataset, resolve
from limpid.evaluation.frontier import FrontierRow, Kind, frontier_csv
from limpid.evaluation.frontier_plot import frontier_plot
from limpid.evaluation.plots import new_figure
from limpid.evaluation.protocol import protocol
from limpid.evaluation.published import PUBLISHED, Published
from limpid.evaluation.scale import PEAK
from limpid.evaluation.speed import megapixels_per_s, noisy_picture, timed
from limpid.inference.denoiser import NetworkDenoiser
from limpid.io.atomic import replacing
from limpid.io.paths import created_folder
from limpid.models.store import shipped_names
from limpid.workflows.benchmark import DEFAULT_SIGMAS
from limpid.workflows.choosing import CAMERA
from limpid.workflows.models import load_model
from limpid.workflows.published import Cost, cost_of

__all__ = ["FRONTIER_DATA", "Frontier", "frontier"]

_log = logging.getLogger(__name__)

#: Gray and colour, where most is published.
FRONTIER_DATA: Final = ("bsd68", "cbsd68")

#: Drawn where it is among the noise levels, as in most papers; the table has all.
_DRAWN_SIGMA: Final = 25.0

#: Time for the calls of each method: those that need minutes for the usual picture get a smaller one.
_SECONDS: Final = 20.0

_SPEED: Final = (
    "one photograph of 512 x 512 pixels, or of 256 or 128 where that would take too long; the whole call; the shortest "
    "of up to 5 times, after one that is not counted"
)


@dataclass(frozen=True)
class Frontier:
    """The rows, how they were made, and where they are.

    Attributes
    ----------
    protocol : mapping
        As of :class:`~limpid.workflows.benchmark.BenchmarkTable`; ``speed`` is that of one picture.
    rows : tuple of FrontierRow
        By data set, method and sigma, in this order.
    left_out : mapping of str to str
        Data sets and methods that have no rows, and why.
    files : tuple of Path
        ``frontier.csv``, ``frontier.png`` and ``frontier.svg``.
    """

    protocol: Mapping[str, Any]
    rows: tuple[FrontierRow, ...]
    left_out: Mapping[str, str]
    files: tuple[Path, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "protocol": dict(self.protocol),
            "rows": [asdict(row) for row in self.rows],
            "left_out": dict(self.left_out),
            "files": [str(path) for path in self.files],
        }


def frontier(
    output: str | PathLike[str],
    *,
    data: str | PathLike[str] | Sequence[str | PathLike[str]] = FRONTIER_DATA,
    sigma: float | Sequence[float] = DEFAULT_SIGMAS,
    seed: int = 0,
    threads: int | None = None,
    seconds: float = _SECONDS,
    published: Sequence[Published] = PUBLISHED,
    on_row: Callable[[FrontierRow, int], None] | None = None,
) -> Frontier:
    """Draw PSNR against speed and against arithmetic, and write the table.

    Measured are the shipped networks and the classical methods; of published ones PSNR is from their papers, and their
    speed that of the same architecture with random weights on this machine.

    Parameters
    ----------
    output : path
        Folder for ``frontier.csv``, ``frontier.png`` and ``frontier.svg``; created where it does not exist. They are
        replaced together, at the end.
    data : name, folder, or sequence of them
        Data sets of clean images, as in :func:`limpid.benchmark`. One that can't be had is left out, and said so.
        Published scores are there for ``set12``, ``bsd68``, ``cbsd68`` and ``kodak24``.
    sigma : float or sequence of float
        Noise levels on the 0-255 scale; published are 15, 25 and 50.
    seed : int
        Of the noise.
    threads : int, optional
        CPU threads of networks; all cores where not given.
    seconds : float
        Time for the calls of each method that speed is taken from, ``>= 0``; slow ones get a smaller picture.
    published : sequence of Published
        What others published.
    on_row : callable, optional
        Called with each row, and how many there will be at most.

    Returns
    -------
    Frontier

    Raises
    ------
    DataError
        If none of the data sets can be had.
    OptionError
        If an argument is wrong, or data hold real noise.
    MissingExtraError
        If matplotlib is not installed.
    WriteError
        If a file can't be written.
    KeyboardInterrupt
        On Ctrl-C; what is measured by then is written first.
    """
    names = listed("data", data, (str, PathLike), what="a data set or a folder")
    sigmas = [float(one) for one in listed("sigma", sigma, Real, what="a number")]
    for one in sigmas:
        check_number("sigma (on the 0-255 scale)", one, low=0)
        if one == 0:
            raise OptionError(
                "sigma is 0: without noise nothing is denoised that could be measured; choose one above 0."
            )
    check_number("seed", seed, low=0, whole=True)
    check_number("seconds", seconds, low=0)
    new_figure()  # says now, not after an hour, where matplotlib is missing
    left_out: dict[str, str] = {}
    datasets = _resolved(names, left_out)
    folder = created_folder(Path(output))
    work = _Work(sigmas=sigmas, seed=seed, threads=threads, seconds=seconds, published=published, left_out=left_out)
    count = len(datasets) * len(sigmas) * (len(shipped_names()) + len(CLASSICAL) + len(published))
    rows: list[FrontierRow] = []
    stopped = False
    try:
        for dataset in datasets:
            for row in work.rows(dataset):
                rows.append(row)
                _log.info("%s on %s, sigma %g: %.2f dB", row.method, row.data, row.sigma, row.psnr)
                if on_row is not None:
                    on_row(row, count)
    except KeyboardInterrupt:
        if not rows:
            raise
        stopped = True
    if not rows:
        raise DataError(f"no method could be measured: {'; '.join(left_out.values())}")
    stated = protocol(seed=seed, threads=threads) | {"speed": _SPEED}
    files = _written(folder, rows, stated)
    if stopped:
        raise KeyboardInterrupt(f"the {len(rows)} rows that were done are in {folder}, nothing else was touched.")
    return Frontier(stated, tuple(rows), left_out, files)


def _resolved(names: Sequence[Any], left_out: dict[str, str]) -> list[Dataset]:
    """Return the data sets that can be had, and note the others."""
    found = []
    for name in names:
        try:
            dataset = resolve(name if isinstance(name, str) else Path(name))
        except DataError as error:
            _log.warning("%s is left out: %s", name, error)
            left_out[str(name)] = str(error)
            continue
        if dataset.noisy is not None:
            raise OptionError(f"{dataset.name} holds real noise; a frontier is of noise that is added to clean images.")
        found.append(dataset)
    if not found:
        raise DataError(f"none of the data sets can be had: {'; '.join(left_out.values())}")
    return found


class _Work:
    """Makes rows; what a method costs is measured once for gray and once for colour."""

    def __init__(
        self,
        *,
        sigmas: Sequence[float],
        seed: int,
        threads: int | None,
        seconds: float,
        published: Sequence[Published],
        left_out: dict[str, str],
    ) -> None:
        self._sigmas = sigmas
        self._seed = seed
        self._threads = threads
        self._seconds = seconds
        self._published = published
        self._left_out = left_out
        self._costs: dict[tuple[str, int, float | None], Cost] = {}

    def rows(self, dataset: Dataset) -> Iterator[FrontierRow]:
        """Yield the rows of a data set."""
        channels = next(dataset.images()).channels
        for name in shipped_names():
            if name == CAMERA:
                self._left_out[f"{name} on {dataset.name}"] = "it is for noise as cameras make it, none that is added"
                continue
            yield from self._measured(load_model(name, threads=self._threads), "limpid", dataset, channels)
        for name in CLASSICAL:
            yield from self._measured(load_classical(name), "classical", dataset, channels)
        if not any(dataset.name in one.scores for one in self._published):
            self._left_out[f"published methods on {dataset.name}"] = "no scores of them are known"
            return
        for one in self._published:
            yield from self._reported(one, dataset, channels)

    def _measured(self, denoiser: Denoiser, kind: Kind, dataset: Dataset, channels: int) -> Iterator[FrontierRow]:
        for sigma in self._sigmas:
            try:
                score = measure(denoiser, dataset, sigma=sigma, seed=self._seed)
            except LimpidError as error:
                self._left_out[f"{denoiser.name} on {dataset.name}"] = str(error)
                return
            found = partial(_measured_cost, denoiser, channels, sigma, self._seconds)
            cost = self._cost((denoiser.name, channels, sigma), found)
            yield FrontierRow(
                method=denoiser.name,
                kind=kind,
                data=dataset.name,
                channels=channels,
                sigma=sigma,
                psnr=score.psnr,
                psnr_is="measured",
                source="limpid benchmark",
                **asdict(cost),
            )

    def _reported(self, one: Published, dataset: Dataset, channels: int) -> Iterator[FrontierRow]:
        scores = [(sigma, psnr) for sigma in self._sigmas if (psnr := one.psnr(dataset.name, sigma)) is not None]
        if not scores:
            self._left_out[f"{one.name} on {dataset.name}"] = "no score of it is known"
            return
        found = partial(cost_of, one, channels=channels, seconds=self._seconds, threads=self._threads)
        cost = self._cost((one.name, channels, None), found)
        for sigma, psnr in scores:
            yield FrontierRow(
                method=one.name,
                kind=one.kind,
                data=dataset.name,
                channels=channels,
                sigma=sigma,
                psnr=psnr,
                psnr_is="published",
                source=one.source,
                **asdict(cost),
            )

    def _cost(self, key: tuple[str, int, float | None], find: Callable[[], Cost]) -> Cost:
        if key not in self._costs:
            self._costs[key] = find()
        return self._costs[key]


def _measured_cost(denoiser: Denoiser, channels: int, sigma: float, seconds: float) -> Cost:
    """Return what a denoiser costs that is here as it is used."""
    side, took = timed(denoiser, channels, sigma=sigma, limit_s=seconds)
    speed: dict[str, Any] = {"megapixels_per_s": megapixels_per_s(side, took), "frame_px": side}
    if not isinstance(denoiser, NetworkDenoiser) or channels not in denoiser.models:
        return Cost(**speed)
    card, plane = denoiser.models[channels].card, noisy_picture(channels, side, sigma=sigma).planes()[0] / PEAK
    return Cost(
        **speed,
        runtime=denoiser.runtime.name,
        precision=denoiser.precision_for(plane, np.full(channels, sigma / PEAK, np.float32)),
        kmac_per_pixel=card.kmac_per_pixel,
        kmac_is="counted",
        parameters=card.weights,
    )


def _written(folder: Path, rows: Sequence[FrontierRow], stated: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write the table and the plot."""
    drawn = [row.sigma for row in rows]
    sigma = _DRAWN_SIGMA if _DRAWN_SIGMA in drawn else drawn[0]
    cpu = f"{stated['threads']} threads of {stated['cpu']}"
    where = {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "cpu": cpu,
        "versions": ", ".join(f"{name} {version}" for name, version in stated["versions"].items()),
    }
    below = (
        "Gaussian noise, neither clipped nor rounded; mean over whole images. Published networks: PSNR from their "
        f"papers, speed with random weights in the fastest runtime. Speed: the whole call, {cpu}."
    )
    contents = {"csv": frontier_csv(rows, where), **frontier_plot(rows, sigma=sigma, below=below)}
    files = []
    for ending, content in contents.items():
        path = folder / f"frontier.{ending}"
        with replacing(path) as file:
            file.write(content)
        files.append(path)
    return tuple(files)
