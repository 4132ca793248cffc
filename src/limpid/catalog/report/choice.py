"""Which images of a collection are worth a look: the usual ones, and those at the ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb

__all__ = ["Chosen", "choose"]

#: Cohorts of which typical images are shown, images of each, and images of each other kind.
_COHORTS: Final = 5
_TYPICAL: Final = 2
_OTHERS: Final = 4

#: Columns that are told of an image.
_FACTS: Final = "uri, sha256, cohort, sigma, low, high, snr_db, camera, iso, width, height, dtype"


@dataclass(frozen=True)
class Chosen:
    """An image that was chosen, why, and its row of the catalogue."""

    kind: str
    row: Mapping[str, Any]


def choose(connection: duckdb.DuckDBPyConnection, outliers: Sequence[Mapping[str, Any]]) -> list[Chosen]:
    """Return images to be shown, 22 at most, none twice.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Holds the table ``catalogue``.
    outliers : sequence of mapping
        As in :func:`limpid.catalog.insight.insight`.

    Returns
    -------
    list of Chosen
        Of the kinds ``typical`` (nearest to the medians of their cohort), ``outlier`` (noisier than is usual where they
        come from), ``worst`` (lowest signal-to-noise ratio), ``clean`` (the noisiest of those that are left alone).
    """
    typical = (
        "with middle as (select cohort, median(ln(sigma)) as level, median(snr_db) as snr from catalogue "
        f"where sigma > 0 and cohort < {_COHORTS} group by cohort) select unnest(arg_min(uri, "
        f"abs(ln(sigma) - level) + coalesce(abs(snr_db - snr), 0) / 20, {2 * _TYPICAL})) from catalogue join middle "
        "using (cohort) where sigma > 0 group by cohort order by cohort"
    )
    noisy = "sigma > 0 and not list_contains(advice, 'clean')"
    ends = {
        "worst": f"select unnest(arg_min(uri, snr_db, {3 * _OTHERS})) from catalogue where {noisy}",
        "clean": (
            f"select unnest(arg_max(uri, sigma / (high - low), {2 * _OTHERS})) from catalogue "
            "where list_contains(advice, 'clean')"
        ),
    }
    noisier = [one["uri"] for one in outliers if one["sigma"] > one["usual"]]
    wanted = {
        "typical": [uri for (uri,) in connection.execute(typical).fetchall()],
        "outlier": noisier[: 2 * _OTHERS],
        **{kind: [uri for (uri,) in connection.execute(query).fetchall()] for kind, query in ends.items()},
    }
    rows = _rows(connection, [uri for uris in wanted.values() for uri in uris])
    seen: set[str] = set()
    found = []
    for kind, uris in wanted.items():
        counts: dict[int | None, int] = {}
        for row in (rows[uri] for uri in uris if uri in rows):
            group, most = (row["cohort"], _TYPICAL) if kind == "typical" else (None, _OTHERS)
            if row["sha256"] not in seen and counts.get(group, 0) < most:
                counts[group] = counts.get(group, 0) + 1
                seen.add(row["sha256"])
                found.append(Chosen(kind, row))
    return found


def _rows(connection: duckdb.DuckDBPyConnection, uris: Sequence[str]) -> dict[str, dict[str, Any]]:
    answer = connection.execute(f"select {_FACTS} from catalogue where list_contains(?, uri)", [list(uris)])
    names = [name for name, *_ in answer.description or []]
    found = (dict(zip(names, row, strict=True)) for row in answer.fetchall())
    return {row["uri"]: row for row in found}
