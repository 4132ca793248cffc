"""A catalogue reduced to what is drawn: as much data whatever the number of images."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb

__all__ = ["SEPARATE", "Distribution", "Quantiles", "Reduced", "Unit", "reduce"]

#: Cohorts that are told apart in distributions; the others together come next, and then the images of no cohort.
SEPARATE: Final = 8

#: Bars of a distribution at most, and the share of the images at either end that may lie beyond the outermost edges.
_BARS: Final = 40
_BEYOND: Final = 0.001

#: Cameras, kinds of files and reasons that are named; those of most images.
_CAMERAS: Final = 8
_NAMED: Final = 12
_REASONS: Final = 50

#: Months that are drawn one by one; of more, years are.
_MONTHS: Final = 120

#: Sensitivities are put together in thirds of a stop.
_ISO: Final = "100 * 2 ** (round(3 * log2(iso / 100)) / 3)"


@dataclass(frozen=True)
class Unit:
    """How sigma is told: in the files' own units where all images have one range, else in percent of theirs."""

    label: str
    sql: str
    factor: float | None

    def of(self, sigma: float, low: float, high: float) -> float:
        """Return a sigma in it."""
        return sigma if self.factor is None else self.factor * sigma / (high - low)


@dataclass(frozen=True)
class Distribution:
    """How often values are, for each cohort (None: of no cohort; :data:`SEPARATE`: the others)."""

    edges: Sequence[float]
    counts: Mapping[int | None, Sequence[int]]
    cut: bool


@dataclass(frozen=True)
class Quantiles:
    """Where the middle 80 % of some images lie."""

    at: float
    images: int
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Reduced:
    """What is drawn of a catalogue.

    Attributes
    ----------
    unit : Unit
        Of every sigma here.
    images, failed, bytes, megapixels : numbers
        Of the whole.
    sigma : float or None
        Median.
    distributions : mapping
        By name: ``sigma``, ``snr_db``, ``brightness``, ``sharpness``, ``correlation``, ``megapixels``; those that
        something is known for.
    sensitivity : mapping
        Sigma by ISO for each of the cameras with most images.
    cameras, kinds, advice : sequence of (str, int)
        Names with the number of images.
    dates : sequence of (date, Quantiles)
        Sigma over time.
    by_years : bool
        Whether these are years, not months.
    errors : sequence of (str, int, str)
        Reason, images, and one of them.
    jpeg_shares : mapping
        Cohort to the share of its images with traces of JPEG.
    local : bool
        Whether all images are files on this machine.
    """

    unit: Unit
    images: int
    failed: int
    bytes: int
    megapixels: float
    sigma: float | None
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    sensitivity: Mapping[str, Sequence[Quantiles]] = field(default_factory=dict)
    cameras: Sequence[tuple[str, int]] = ()
    kinds: Sequence[tuple[str, int]] = ()
    advice: Sequence[tuple[str, int]] = ()
    dates: Sequence[tuple[dt.date, Quantiles]] = ()
    by_years: bool = False
    errors: Sequence[tuple[str, int, str]] = ()
    jpeg_shares: Mapping[int, float] = field(default_factory=dict)
    local: bool = True


@dataclass(frozen=True)
class _Measure:
    """A quantity in SQL, and the width of its finest bins: in itself, or in its decimal logarithm."""

    sql: str
    step: float
    log: bool = False


def reduce(connection: duckdb.DuckDBPyConnection) -> Reduced:
    """Return what is drawn of the table ``catalogue``."""
    unit = _unit(connection)
    query = (
        "select count(*), count(error), coalesce(sum(size), 0)::bigint, "
        f"coalesce(sum({_PIXELS}), 0) / 1e6, median({unit.sql}) from catalogue"
    )
    images, failed, size, megapixels, sigma = connection.execute(query).fetchall()[0]
    cameras = _named(connection, "camera")
    dates, by_years = _over_time(connection, unit)
    return Reduced(
        unit=unit,
        images=images,
        failed=failed,
        bytes=size,
        megapixels=megapixels,
        sigma=sigma,
        distributions=_distributions(connection, unit),
        sensitivity=_sensitivity(connection, unit, [name for name, _ in cameras[:_CAMERAS]]),
        cameras=cameras,
        kinds=_named(connection, _KIND),
        advice=connection.execute(_ADVICE).fetchall(),
        dates=dates,
        by_years=by_years,
        errors=connection.execute(_ERRORS).fetchall(),
        jpeg_shares=dict(connection.execute(_JPEG).fetchall()),
        local=not connection.execute(_ELSEWHERE).fetchall(),
    )


_PIXELS: Final = "width::double * height * planes"
_KIND: Final = (
    "upper(format) || ', ' || case dtype when 'uint8' then '8 bits' when 'uint16' then '16 bits' else 'float' end || "
    "', ' || case channels when 1 then 'gray' when 3 then 'colour' else channels || ' channels' end"
)
_ADVICE: Final = (
    "select code, count(*) as images from (select unnest(advice) as code from catalogue) group by 1 "
    "order by images desc, code"
)
_ERRORS: Final = (
    "select error, count(*) as images, min(uri) from catalogue where error is not null group by error "
    f"order by images desc, error limit {_REASONS}"
)
_JPEG: Final = (
    "select cohort, avg(list_contains(advice, 'jpeg')::int) from catalogue where cohort is not null group by cohort"
)
#: What is in a shard, or in a store.
_ELSEWHERE: Final = "select 1 from catalogue where contains(uri, '#') or contains(uri, '://') limit 1"


def _unit(connection: duckdb.DuckDBPyConnection) -> Unit:
    query = "select distinct low, high from catalogue where sigma is not null limit 2"
    ranges = connection.execute(query).fetchall()
    if len(ranges) != 1:
        return Unit("sigma, % of the value range", "100 * sigma / (high - low)", 100.0)
    low, high = ranges[0]
    return Unit(f"sigma (values {low:g} to {high:g})", "sigma", None)


def _distributions(connection: duckdb.DuckDBPyConnection, unit: Unit) -> dict[str, Distribution]:
    measures = {
        "sigma": _Measure(unit.sql, 1 / 40, log=True),
        "snr_db": _Measure("snr_db", 0.5),
        "brightness": _Measure("100 * (mean - low) / (high - low)", 1.0),
        "sharpness": _Measure("sharpness", 0.01),
        "correlation": _Measure("correlation_x", 0.01),
        "megapixels": _Measure(f"{_PIXELS} / 1e6", 1 / 20, log=True),
    }
    found = {name: _distribution(connection, one) for name, one in measures.items()}
    return {name: one for name, one in found.items() if one is not None}


def _distribution(connection: duckdb.DuckDBPyConnection, measure: _Measure) -> Distribution | None:
    value = f"log10({measure.sql})" if measure.log else measure.sql
    usable = f"isfinite({measure.sql})" + (f" and {measure.sql} > 0" if measure.log else "")
    query = (
        f"select floor({value} / {measure.step} + 1e-9)::bigint as bin, "
        f"case when cohort is not null then least(cohort, {SEPARATE}) end as part, count(*) "
        f"from catalogue where {usable} group by all order by all"
    )
    rows: list[tuple[int, int | None, int]] = connection.execute(query).fetchall()
    if not rows:
        return None
    first, last = _ends(rows)
    width = next(factor for factor in _factors() if last // factor - first // factor < _BARS)
    first, last = first // width, last // width
    counts: dict[int | None, list[int]] = {}
    for place, part, images in rows:
        row = counts.setdefault(part, [0] * (last - first + 1))
        row[min(max(place // width, first), last) - first] += images
    edges = [(first + k) * width * measure.step for k in range(last - first + 2)]
    cut = rows[0][0] // width < first or rows[-1][0] // width > last
    ordered = sorted(counts, key=lambda part: (part is None, part or 0))
    return Distribution([10**e for e in edges] if measure.log else edges, {p: counts[p] for p in ordered}, cut)


def _ends(rows: Sequence[tuple[int, int | None, int]]) -> tuple[int, int]:
    """Return the bins between which almost all images are."""
    total = sum(images for *_, images in rows)
    below, first, last = 0, rows[0][0], rows[-1][0]
    for place, _, images in rows:
        if below <= _BEYOND * total:
            first = place
        below += images
        if below >= (1 - _BEYOND) * total:
            return first, place
    return first, last


def _factors() -> list[int]:
    return [factor * 10**exponent for exponent in range(12) for factor in (1, 2, 4, 5)]


def _quantiles(unit: Unit) -> str:
    return f"count(*) as images, quantile_cont({unit.sql}, [0.1, 0.5, 0.9]) as q"


def _sensitivity(
    connection: duckdb.DuckDBPyConnection, unit: Unit, cameras: Sequence[str]
) -> dict[str, list[Quantiles]]:
    query = (
        f"select camera, {_ISO} as stop, {_quantiles(unit)} from catalogue "
        "where sigma > 0 and iso > 0 and list_contains(?, camera) group by all order by stop"
    )
    found: dict[str, list[Quantiles]] = {}
    for camera, at, images, middle in connection.execute(query, [list(cameras)]).fetchall():
        found.setdefault(camera, []).append(Quantiles(at, images, *middle))
    return {camera: found[camera] for camera in cameras if camera in found}


def _named(connection: duckdb.DuckDBPyConnection, what: str) -> list[tuple[str, int]]:
    query = (
        f"select {what} as name, count(*) as images from catalogue where name is not null and error is null "
        f"group by 1 order by images desc, name limit {_NAMED}"
    )
    return connection.execute(query).fetchall()


def _over_time(connection: duckdb.DuckDBPyConnection, unit: Unit) -> tuple[list[tuple[dt.date, Quantiles]], bool]:
    """Return sigma by month, or by year where there are many months; cameras whose clock was wrong are in it too."""

    def by(what: str) -> list[tuple[Any, ...]]:
        query = (
            f"select date_trunc('{what}', taken)::date as day, {_quantiles(unit)} from catalogue "
            f"where sigma > 0 and taken is not null group by 1 order by images desc, day limit {_MONTHS + 1}"
        )
        return connection.execute(query).fetchall()

    rows, by_years = by("month"), False
    if len(rows) > _MONTHS:
        rows, by_years = by("year"), True
    return [(at, Quantiles(_year(at), images, *middle)) for at, images, middle in sorted(rows)], by_years


def _year(day: dt.date) -> float:
    return day.year + (day.month - 1) / 12
