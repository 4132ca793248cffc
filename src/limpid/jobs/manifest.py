"""The frozen list of what a job is to do, as Parquet: a row for each item, in shards of neighbours."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Item", "Shard", "read_shards", "shard_size", "write_manifest"]

_COLUMNS: Final = {
    "item": "BIGINT",
    "input": "VARCHAR",
    "output": "VARCHAR",
    "error": "VARCHAR",
    "size": "BIGINT",
    "mtime_ns": "BIGINT",
    "sha256": "VARCHAR",
}

#: Items that are in memory at a time.
_CHUNK: Final = 20_000

#: About so many receipts are written, however many items there are.
_SHARDS: Final = 1_000
#: But a shard is never longer, so that what is lost with a process stays small.
_LONGEST: Final = 4_096


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do.

    Attributes
    ----------
    number : int
        Place in the plan, from 0.
    input, output : str
        As :func:`~limpid.jobs.names.text_of` gives them; no output where nothing can be done.
    error : str or None
        Why nothing can be done.
    size, mtime_ns : int or None
        Stamp of the input when it was planned.
    sha256 : str or None
        Hash of its contents then, where it was asked for.
    """

    number: int
    input: str
    output: str | None
    error: str | None = None
    size: int | None = None
    mtime_ns: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """Items that are recorded together."""

    number: int
    items: tuple[Item, ...]


def shard_size(count: int) -> int:
    """Return how many items a shard has: one in small jobs, so that hardly anything is done twice.

    Examples
    --------
    >>> [shard_size(count) for count in (0, 1, 1_999, 10_000, 1_000_000, 10**9)]
    [1, 1, 1, 10, 1000, 4096]
    """
    return min(max(count // _SHARDS, 1), _LONGEST)


def write_manifest(path: Path, items: Iterable[Item]) -> int:
    """Write items as Parquet and return their number.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    import duckdb
    import numpy as np

    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    casts = ", ".join(f"{name}::{kind}" for name, kind in _COLUMNS.items())
    rest = iter(items)
    with _connected() as connection, _plain(path) as target:
        connection.execute(f"CREATE TABLE items ({columns})")
        while some := [*map(_values, islice(rest, _CHUNK))]:
            cells = np.array(some, dtype=object)
            chunk = {name: cells[:, column] for column, name in enumerate(_COLUMNS)}
            connection.register("chunk", chunk)
            connection.execute(f"INSERT INTO items SELECT {casts} FROM chunk")
        count = int(connection.execute("SELECT count(*) FROM items").fetchall()[0][0])
        sharded = f"SELECT item // {shard_size(count)} AS shard, * FROM items ORDER BY item"
        quoted = target.replace("'", "''")
        try:
            connection.execute(f"COPY ({sharded}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.IOException as error:
            raise OSError(" ".join(str(error).split())) from error
    return count


def read_shards(path: Path, numbers: Sequence[int], *, size: int) -> Iterator[Shard]:
    """Yield shards of a manifest by their numbers, which are ascending; few are in memory at a time.

    Parameters
    ----------
    path : Path
        What :func:`write_manifest` wrote.
    numbers : sequence of int
        Of the shards.
    size : int
        Items in a shard.
    """
    query = f"SELECT shard, {', '.join(_COLUMNS)} FROM read_parquet(?) WHERE shard BETWEEN ? AND ? ORDER BY item"
    rest = iter(numbers)
    with _connected() as connection, _plain(path) as source:
        while some := list(islice(rest, max(_CHUNK // size, 1))):
            wanted = set(some)
            rows = connection.execute(query, [source, some[0], some[-1]]).fetchall()
            for number, group in groupby(rows, key=lambda row: row[0]):
                if number in wanted:
                    yield Shard(number, tuple(Item(*row[1:]) for row in group))


_values = attrgetter(*(field.name for field in fields(Item)))


def _connected() -> DuckDBPyConnection:
    import duckdb

    return duckdb.connect(":memory:")


@contextmanager
def _plain(path: Path) -> Iterator[str]:
    """Give a name of the file that DuckDB takes for one: in UTF-8, and not for a pattern."""
    name = str(path)
    if name.isascii() and not glob.has_magic(name):
        yield name
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "link"
        link.symlink_to(path.parent.absolute(), target_is_directory=True)
        yield str(link / path.name)
