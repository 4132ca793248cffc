"""Cohorts: images of a collection that have the same noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from limpid.catalog.database import connect, literal
from limpid.catalog.mixture import Measures, Noise, agreement, fit_noises
from limpid.catalog.store import FloatArray, IntArray, table
from limpid.noise.advice import Advice
from limpid.noise.correlation import Correlation
from limpid.noise.result import UNKNOWN, Interval, NoiseEstimate

if TYPE_CHECKING:
    import duckdb

__all__ = ["Cohort", "Fit", "assign", "describe", "fit_cohorts"]

#: Images that the noises of a kind are fitted to, and rows that are assigned at a time.
_SAMPLE: Final = 3000
_PIECE: Final = 100_000

#: An image further from all cohorts than this, in units of its errors, belongs to none of them.
_FURTHEST: Final = 6.0

#: Columns that tell the unit of what is measured: images of different kinds are never of one cohort.
Kind = tuple[float, float, int]

#: What is read of each image, in units of its value range; the intervals of 95 % as scales of a Student's t of 4
#: degrees of freedom. What is not known is NaN.
_FEATURES: Final = """
    (mean - low) / (high - low) as mean,
    (sigma / (high - low)) ** 2 as variance,
    ln(sigma_high / nullif(sigma_low, 0)) / 2.776 as variance_error,
    gain / (high - low) as gain,
    (gain_high - gain) / (high - low) / 2.776 as gain_error,
    correlation_x as x,
    correlation_y as y,
    correlation_error
"""
_USABLE: Final = "(sigma > 0 and high > low)"


@dataclass(frozen=True)
class Cohort:
    """Images with the same noise, in their own units.

    Attributes
    ----------
    id : int
        0 for the largest.
    images : int
        How many.
    gain, floor : float
        ``variance = gain * signal + floor``; gain is 0 where the noise does not depend on the signal.
    sigma : float
        Median over its images.
    sigma_interval : (float, float)
        95 % of its images lie within.
    correlation : (float, float)
        Between horizontal and vertical neighbours.
    low, high : float
        Values of black and white.
    channels : int
        Of its images.
    """

    id: int
    images: int
    gain: float
    floor: float
    sigma: float
    sigma_interval: Interval
    correlation: tuple[float, float]
    low: float
    high: float
    channels: int

    @property
    def estimate(self) -> NoiseEstimate:
        """The noise as if it had been measured in one image."""
        x, y = self.correlation
        found = Correlation(x, y, x * y, 0.0, 1.0, 0.0, 0.0, 0.0, (x,), (y,))
        one = dataclasses.replace(
            UNKNOWN,
            sigma=self.sigma,
            sigma_interval=self.sigma_interval,
            gain=self.gain,
            floor=self.floor,
            correlation=found,
        )
        return NoiseEstimate((one,), self.high - self.low)

    @property
    def read_noise(self) -> float | None:
        """Standard deviation where there is no light; None where the line is below zero there."""
        return self.estimate.read_noise

    @property
    def white(self) -> bool:
        """Whether neighbouring pixels' noise is independent."""
        return self.estimate.white is True

    @property
    def advice(self) -> tuple[Advice, ...]:
        """What to do about it."""
        return self.estimate.advice

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "id": self.id,
            "images": self.images,
            "gain": self.gain,
            "read_noise": self.read_noise,
            "sigma": self.sigma,
            "white": self.white,
            "advice": [dataclasses.asdict(one) for one in self.advice],
        }


@dataclass(frozen=True)
class Fit:
    """A noise that was found among the images of a kind, in units of their value range."""

    kind: Kind
    noise: Noise


def fit_cohorts(merged: Path) -> list[Fit]:
    """Return the noises of a collection, those of most images first.

    Parameters
    ----------
    merged : Path
        Measured images, as :meth:`~limpid.catalog.store.Store.merge` returns them. Of each kind, noises are fitted to
        3000 images at most, those of the lowest hashes.
    """
    connection, source = connect(), table([merged])
    counted = f"select low, high, channels, count(*) from {source} where {_USABLE} group by all order by all"
    found = []
    for low, high, channels, count in connection.execute(counted).fetchall():
        query = (
            f"select {_FEATURES} from {source} where {_USABLE} and (low, high, channels) = (?, ?, ?) "
            f"order by sha256, uri limit {_SAMPLE}"
        )
        measures = _measures(connection.execute(query, [low, high, channels]).fetchnumpy())
        found += [(one.share * count, Fit((low, high, channels), one)) for one in fit_noises(measures)]
    return [fit for _, fit in sorted(found, key=lambda pair: -pair[0])]


def assign(merged: Path, fits: Sequence[Fit]) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield the cohort of each image, in pieces: its place in `fits`, -1 for none, and how sure that is, 0 to 1."""
    connection, source = connect(), f"read_parquet({literal(merged)}, file_row_number = true)"
    total = connection.execute(f"select count(*) from {source}").fetchall()[0][0]
    query = (
        f"select {_FEATURES}, low, high, channels, {_USABLE} as usable from {source} "
        "where file_row_number between ? and ? order by file_row_number"
    )
    for start in range(0, total, _PIECE):
        rows = connection.execute(query, [start, start + _PIECE - 1]).fetchnumpy()
        usable = np.ma.filled(rows["usable"], fill_value=False)
        cohort, sure = np.full(len(usable), -1), np.zeros(len(usable))
        for kind in {fit.kind for fit in fits}:
            places = [place for place, fit in enumerate(fits) if fit.kind == kind]
            chosen = usable & (rows["low"] == kind[0]) & (rows["high"] == kind[1]) & (rows["channels"] == kind[2])
            some = np.flatnonzero(np.ma.filled(chosen, fill_value=False))
            if len(some):
                cohort[some], sure[some] = _nearest(
                    _measures(rows, some), [fits[place].noise for place in places], places
                )
        yield cohort, sure


def _nearest(measures: Measures, noises: Sequence[Noise], places: Sequence[int]) -> tuple[IntArray, FloatArray]:
    likely, distance = agreement(measures, noises)
    best = likely.argmax(axis=1)
    each = np.arange(len(best))
    within = distance[each, best] <= _FURTHEST
    return np.where(within, np.array(places)[best], -1), likely[each, best]


def describe(connection: duckdb.DuckDBPyConnection, fits: Sequence[Fit]) -> list[Cohort]:
    """Return the cohorts of a catalogue that has been given them; those without an image are left out."""
    rows = connection.execute(
        "select cohort, count(*), quantile_cont(sigma, [0.025, 0.5, 0.975]) from catalogue where cohort is not null "
        "group by 1 order by 1"
    ).fetchall()
    return [_described(place, images, sigmas, fits[place]) for place, images, sigmas in rows]


def _described(place: int, images: int, sigmas: Sequence[float], fit: Fit) -> Cohort:
    (low, high, channels), noise = fit.kind, fit.noise
    least, sigma, most = sigmas
    gain = noise.gain * (high - low)
    floor = noise.floor * (high - low) ** 2 - gain * low
    return Cohort(place, images, gain, floor, sigma, (least, most), (noise.x, noise.y), low, high, channels)


def _measures(rows: Mapping[str, Any], some: IntArray | slice = slice(None)) -> Measures:
    """Return columns as measures; what is null or infinite as NaN."""
    columns = {}
    for field in dataclasses.fields(Measures):
        values = np.ma.filled(rows[field.name].astype(np.float64), np.nan)[some]
        columns[field.name] = np.where(np.isfinite(values), values, np.nan)
    return Measures(**columns)
