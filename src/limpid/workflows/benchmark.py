"""Compare denoisers by one protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, Final

from limpid.core.apply import Level
from limpid.core.arguments import listed
from limpid.core.denoiser import Denoiser
from limpid.core.errors import OptionError
from limpid.core.image import Image
from limpid.evaluation.benchmark import NOISY, BenchmarkRow, ImageScore, measure_all
from limpid.evaluation.datasets import resolve
from limpid.evaluation.protocol import protocol
from limpid.noise.estimate import estimate_noise
from limpid.workflows.choosing import fitting
from limpid.workflows.level import level_of, measured_sigma
from limpid.workflows.models import load_model

__all__ = ["DEFAULT_SIGMAS", "BenchmarkTable", "benchmark"]

#: Those of the published tables.
DEFAULT_SIGMAS: Final = (15, 25, 50)


@dataclass(frozen=True)
class BenchmarkTable:
    """The rows of a benchmark and the protocol they were made by.

    Attributes
    ----------
    protocol : mapping
        Noise, seed, clipping, scoring, versions and hardware, in words and numbers.
    rows : tuple of BenchmarkRow
        One per data set, denoiser and sigma, in this order.
    """

    protocol: Mapping[str, Any]
    rows: tuple[BenchmarkRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"protocol": dict(self.protocol), "rows": [asdict(row) for row in self.rows]}


def benchmark(
    data: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    sigma: float | Sequence[float] | None = None,
    denoisers: str | Denoiser | Sequence[str | Denoiser] = ("auto",),
    pairs: str | PathLike[str] | None = None,
    blind: bool = False,
    seed: int = 0,
    gray: bool = False,
    strength: float = 1.0,
    value_range: tuple[float, float] | None = None,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    allow_pickle: bool = False,
    on_image: Callable[[ImageScore], None] | None = None,
) -> BenchmarkTable:
    """Measure denoisers on data sets.

    Parameters
    ----------
    data : name, folder, or sequence of them
        Registered data sets (``set12``, ``bsd68``, ``cbsd68``, ``kodak24``, ``cc15``) or folders of clean images.
    sigma : float or sequence of float, optional
        Noise to add, on the 0-255 scale; 15, 25 and 50 where not given. Of real noise (``cc15``, `pairs`), the level
        that denoisers are told; it is measured in each image where not given.
    denoisers : str, Denoiser, or sequence of them
        Names as in :func:`limpid.load_model`, or ``noisy`` for the score of the noisy images themselves.
    pairs : folder, optional
        Noisy images of the same names as those of `data`, a folder of clean ones: real noise instead of added noise.
    blind : bool
        Withhold sigma: it is measured in each noisy image.
    seed : int
        Of the noise.
    gray : bool
        Measure on the luma of colour images.
    strength : float
        As in :func:`limpid.denoise`.
    value_range : (float, float), optional
        Values of black and white in folders of float files.
    runtime, device, precision, threads, allow_pickle
        As in :func:`limpid.load_model`.
    on_image : callable, optional
        Called with each image's score, for progress.

    Returns
    -------
    BenchmarkTable

    Raises
    ------
    DataError, OptionError, ModelError
        If data, options or a denoiser can't be used; the message says what to do.
    """
    names = listed("data", data, (str, PathLike), what="a data set or a folder")
    told = [] if sigma is None else listed("sigma", sigma, Real, what="a number")
    each = listed("denoisers", denoisers, (str, Denoiser), what="a name or a denoiser")
    if pairs is not None and len(names) != 1:
        raise OptionError(f"pairs goes with one folder of clean images, got {len(names)}.")
    where = {
        "runtime": runtime,
        "device": device,
        "precision": precision,
        "threads": threads,
        "allow_pickle": allow_pickle,
    }
    loaded = [_load(d, where) for d in each]
    noisy = None if pairs is None else Path(pairs)
    datasets = [resolve(_spelled(name), noisy=noisy, value_range=value_range) for name in names]
    rows: list[BenchmarkRow] = []
    for dataset in datasets:
        real = dataset.noisy is not None
        rows += measure_all(
            loaded,
            dataset,
            sigmas=told if real else told or DEFAULT_SIGMAS,
            estimate=_measured if blind or (real and not told) else None,
            seed=seed,
            strength=strength,
            gray=gray,
            on_image=on_image,
        )
    paired = {dataset.noisy is not None for dataset in datasets}
    noise = {"added": False in paired, "real": True in paired}
    stated = protocol(seed=seed, **noise, strength=strength, gray=gray, threads=threads)
    return BenchmarkTable(stated, tuple(rows))


def _load(denoiser: str | Denoiser, where: Mapping[str, Any]) -> Denoiser:
    if not isinstance(denoiser, str):
        return denoiser
    return NOISY if denoiser == NOISY.name else load_model(denoiser, **where)


def _spelled(name: str | PathLike[str]) -> str | Path:
    return name if isinstance(name, str) else Path(name)


def _measured(noisy: Image, denoiser: Denoiser) -> tuple[Denoiser, Level]:
    found = estimate_noise(noisy)
    return fitting(denoiser, found, image=noisy).denoiser, level_of(noisy, measured_sigma(found))[0]
