"""What a catalogue tells of a collection: where noise comes from, what stands out, what denoising would give.

Each answer is a query, so that it takes the same memory whatever the number of images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import duckdb

__all__ = ["Expected", "insight"]

#: Lines of a table at most; what is in more lines comes first by number of images, or by how far it stands out.
_LINES: Final = 100

#: An image is an outlier whose logarithm of sigma is so many robust standard deviations from the median of its group,
#: and differs from it by this factor at least; a group is of so many images at least.
_OUTLYING: Final = 5.0
_FACTOR: Final = 1.5
_GROUP: Final = 10

#: Median absolute deviation to standard deviation, for a normal distribution.
_MAD: Final = 1.4826

#: Bits in which near duplicates differ at most. They are found by a quarter of the hash that is the same: always up to
#: 3 bits, and mostly up to 6. A quarter that more images than these share is a pattern that says nothing.
_BITS: Final = 6
_CROWD: Final = 500

#: Images up to which near duplicates are looked for: the work grows with the square.
_NEAR_MOST: Final = 1_000_000

#: A gain of fewer decibels is hardly seen.
_WORTH_DB: Final = 1.0

_DAYS: Final = 365.25


@dataclass(frozen=True)
class Expected:
    """What denoising white noise gave, to be expected of other images.

    Attributes
    ----------
    channels : int
        Of the images.
    points : sequence of (float, float)
        Sigma of values from 0 to 1, and PSNR in dB after denoising.
    basis : str
        What was denoised, and where that is written.
    megapixels_per_s : float
        Speed on this machine.
    """

    channels: int
    points: Sequence[tuple[float, float]]
    basis: str
    megapixels_per_s: float

    @property
    def gain(self) -> str:
        """Gain in dB of an image as SQL: a line in the logarithm of sigma through the points, never below 0."""
        logs = np.log([sigma for sigma, _ in self.points])
        gains = [psnr + 20 * math.log10(sigma) for sigma, psnr in self.points]
        slope, start = np.polyfit(logs, gains, 1)
        return f"greatest(0, {start:.6f} + {slope:.6f} * ln(sigma / (high - low)))"


def insight(connection: duckdb.DuckDBPyConnection, expected: Sequence[Expected]) -> dict[str, Any]:
    """Return what a catalogue tells, in plain values, ready for JSON.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Holds the table ``catalogue``.
    expected : sequence of Expected
        One for each number of channels that something is known for.

    Returns
    -------
    dict
        ``noise``: medians by camera and ISO, by folder, and by month. ``drift``: change of sigma per year, as a share,
        of each camera and ISO, with its standard error. ``outliers``, ``duplicates``: how many, and the worst of them.
        ``clean``: images that are to be left alone. ``denoising``: what to expect of denoising the others.
    """
    return {
        "noise": {
            "by_camera": _by(connection, "camera, iso", "coalesce(camera, iso::varchar) is not null"),
            "by_folder": _by(connection, "folder", "true"),
            "by_month": _by(connection, "strftime(taken, '%Y-%m') as month", "taken is not null"),
        },
        "drift": _drift(connection),
        "outliers": _outliers(connection),
        "duplicates": _duplicates(connection),
        "clean": _one(connection, "select count(*) as images from catalogue where list_contains(advice, 'clean')")[
            "images"
        ],
        "denoising": _denoising(connection, expected),
    }


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    answer = connection.execute(query)
    names = [name for name, *_ in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    return _rows(connection, query)[0]


def _counted(
    connection: duckdb.DuckDBPyConnection, query: str, *, columns: str, order: str
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many rows a query gives, and the first of them, in one pass."""
    rows = _rows(connection, f"select {columns}, count(*) over () as n from ({query}) order by {order} limit {_LINES}")
    count = rows[0]["n"] if rows else 0
    return count, [{name: value for name, value in row.items() if name != "n"} for row in rows]


def _by(connection: duckdb.DuckDBPyConnection, columns: str, where: str) -> list[dict[str, Any]]:
    """Return medians of the largest groups; images of 8 and 16 bits are no group, nor gray and colour ones."""
    return _rows(
        connection,
        f"select * from (select {columns}, dtype, channels, count(*) as images, median(sigma) as sigma, "
        "quantile_cont(sigma, 0.95) as sigma_p95, median(gain) as gain, median(read_noise) as read_noise, "
        f"median(snr_db) as snr_db from catalogue where sigma is not null and {where} group by all "
        f"order by images desc limit {_LINES}) order by all",
    )


def _drift(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the slope of the logarithm of sigma over time, and the error of least squares."""
    return _rows(
        connection,
        "with timed as (select camera, iso, dtype, channels, ln(sigma) as y, "
        f"epoch(taken) / 86400 / {_DAYS} as x from catalogue where sigma > 0 and taken is not null) "
        "select camera, iso, dtype, channels, count(*) as images, exp(regr_slope(y, x)) - 1 as per_year, "
        "sqrt(greatest(regr_syy(y, x) - regr_slope(y, x) ** 2 * regr_sxx(y, x), 0) / (count(*) - 2) / regr_sxx(y, x)) "
        f"as error from timed group by all having count(*) >= {_GROUP} and regr_sxx(y, x) > 0 "
        f"order by images desc, camera, iso, dtype, channels limit {_LINES}",
    )


def _outliers(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return images far from the median of the same camera and ISO, or of their folder where none is known."""
    query = (
        "with grouped as (select uri, sigma, ln(sigma) as y, dtype, channels, camera, iso, "
        "case when camera is null and iso is null then folder end as place from catalogue where sigma > 0), "
        "middle as (select dtype, channels, camera, iso, place, median(y) as m, mad(y) as d, count(*) as n "
        f"from grouped group by all having n >= {_GROUP}) "
        "select uri, sigma, exp(m) as usual, abs(y - m) as away from grouped join middle on "
        "(grouped.dtype, grouped.channels) = (middle.dtype, middle.channels) "
        "and grouped.camera is not distinct from middle.camera and grouped.iso is not distinct from middle.iso "
        "and grouped.place is not distinct from middle.place "
        f"where away > greatest({_OUTLYING} * {_MAD} * d, {math.log(_FACTOR)})"
    )
    images, worst = _counted(connection, query, columns="uri, sigma, usual", order="away desc, uri")
    return {"images": images, "worst": worst}


def _duplicates(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return how many images are there already, byte by byte, and pairs that look the same."""
    groups = "select min(uri) as uri, count(*) as copies from catalogue where sha256 is not null group by sha256"
    exact = _one(connection, f"select coalesce(sum(copies - 1), 0)::bigint as images from ({groups})")["images"]
    most = _rows(connection, f"{groups} having copies > 1 order by copies desc, uri limit {_LINES}")
    near: int | None = None
    pairs: list[dict[str, Any]] = []
    if _one(connection, "select count(*) as images from catalogue")["images"] <= _NEAR_MOST:
        near, pairs = _counted(connection, _near(), columns="one, other, bits", order="bits, one, other")
    return {"exact": exact, "groups": most, "near": near, "pairs": pairs}


def _near() -> str:
    """Return the query for pairs of different files whose hashes differ in few bits."""
    quarters = " union all ".join(
        f"select uri, sha256, phash, {place} as place, (phash >> {16 * place}) & 65535 as part from catalogue "
        "where phash <> 0 and error is null"
        for place in range(4)
    )
    return (
        f"with parts as (select * from ({quarters}) qualify count(*) over (partition by place, part) <= {_CROWD}) "
        "select distinct a.uri as one, b.uri as other, bit_count(xor(a.phash, b.phash)) as bits "
        f"from parts a join parts b using (place, part) where a.uri < b.uri "
        f"and a.sha256 <> b.sha256 and bits <= {_BITS}"
    )


def _denoising(connection: duckdb.DuckDBPyConnection, expected: Sequence[Expected]) -> dict[str, Any]:
    """Return what to expect of denoising the images that aren't clean; of correlated noise nothing is known."""
    gains = " ".join(f"when channels = {one.channels} then {one.gain}" for one in expected)
    speeds = " ".join(f"when channels = {one.channels} then {one.megapixels_per_s}" for one in expected)
    gain = f"case when not white then null {gains} end" if expected else "null::double"
    speed = f"case {speeds} end" if expected else "null::double"
    found = _one(
        connection,
        f"with noisy as (select size, {gain} as gain_db, width::double * height * planes / 1e6 as megapixels, "
        f"{speed} as speed from catalogue where sigma > 0 and not list_contains(advice, 'clean')) "
        "select count(*) as images, coalesce(sum(size), 0)::bigint as bytes, "
        "coalesce(sum(megapixels), 0) as megapixels, sum(megapixels / speed) / 60 as minutes, "
        "median(gain_db) as gain_db, quantile_cont(gain_db, [0.05, 0.95]) as gain_db_range, "
        f"count(*) filter (gain_db < {_WORTH_DB}) as not_worth_it, count(*) filter (gain_db is null) as gain_unknown "
        "from noisy",
    )
    return {**found, "basis": [one.basis for one in expected]}
