"""The frozen list of what a job is to do, as Parquet: a row for each item, in shards of neighbours."""

from __future__ import annotations

import glob
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from limpid.core.plain import error_text
from limpid.io.stores import Store, is_url
from limpid.io.stores.filesystem import filesystem

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["MANIFEST", "Item", "Shard", "read_shards", "shard_size", "write_manifest"]

#: Name of the manifest in the folder of its job.
MANIFEST: Final = "manifest.parquet"

_COLUMNS: Final = {
    "item": "BIGINT",
    "input": "VARCHAR",
    "output": "VARCHAR",
    "error": "VARCHAR",
    "size": "BIGINT",
    "version": "VARCHAR",
    "sha256": "VARCHAR",
    "way": "INTEGER",
}

#: Items that are in memory at a time.
_CHUNK: Final = 20_000
#: What DuckDB may take of it; the rest of a plan is on disk.
_MEMORY: Final = "500MB"

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
    input : str
        URI, as :mod:`limpid.jobs.names` makes them.
    output : str or None
        Way down from the folder of the job, as a URI too; None where nothing can be done.
    error : str or None
        Why nothing can be done.
    size, version : int or None, str or None
        Stamp of the input when it was planned.
    sha256 : str or None
        Hash of its contents then, where it was asked for.
    way : int or None
        Which of several ways to do it, for tasks that know some.
    """

    number: int
    input: str
    output: str | None
    error: str | None = None
    size: int | None = None
    version: str | None = None
    sha256: str | None = None
    way: int | None = None


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


def write_manifest(store: Store, items: Iterable[Item]) -> tuple[int, str]:
    """Write items as Parquet; return their number, and the hash of the file.

    Raises
    ------
    OSError, WriteError
        If the file can't be written.
    """
    with tempfile.TemporaryDirectory(prefix="limpid-") as folder:
        made = Path(folder, MANIFEST)
        count = _write(made, items)
        with made.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
            source.seek(0)
            with store.replacing(MANIFEST) as target:
                shutil.copyfileobj(source, target)
    return count, sha256


def _write(path: Path, items: Iterable[Item]) -> int:
    """Write items by way of a table, since how long a shard is depends on how many there are."""
    import duckdb
    import numpy as np

    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    casts = ", ".join(f"{name}::{kind}" for name, kind in _COLUMNS.items())
    rest = iter(items)
    with duckdb.connect(":memory:", config={"memory_limit": _MEMORY, "temp_directory": str(path.parent)}) as connection:
        connection.execute(f"CREATE TABLE items ({columns})")
        try:
            while some := [*map(_values, islice(rest, _CHUNK))]:
                cells = np.array(some, dtype=object)
                chunk = {name: cells[:, column] for column, name in enumerate(_COLUMNS)}
                connection.register("chunk", chunk)
                connection.execute(f"INSERT INTO items SELECT {casts} FROM chunk")
            count = int(connection.execute("SELECT count(*) FROM items").fetchall()[0][0])
            sharded = f"SELECT item // {shard_size(count)} AS shard, * FROM items ORDER BY item"
            connection.execute(f"COPY ({sharded}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.IOException as error:
            raise OSError(error_text(error)) from error
    return count


def read_shards(store: Store, numbers: Sequence[int], *, size: int) -> Iterator[Shard]:
    """Yield shards of a manifest by their numbers, which are ascending; few are in memory at a time.

    Parameters
    ----------
    store : Store
        Where :func:`write_manifest` wrote it.
    numbers : sequence of int
        Of the shards.
    size : int
        Items in a shard.
    """
    query = f"SELECT shard, {', '.join(_COLUMNS)} FROM read_parquet(?) WHERE shard BETWEEN ? AND ? ORDER BY item"
    rest = iter(numbers)
    with _opened(f"{store.address}/{MANIFEST}") as (connection, source):
        while some := list(islice(rest, max(_CHUNK // size, 1))):
            wanted = set(some)
            rows = connection.execute(query, [source, some[0], some[-1]]).fetchall()
            for number, group in groupby(rows, key=lambda row: row[0]):
                if number in wanted:
                    yield Shard(number, tuple(Item(*row[1:]) for row in group))


_values = attrgetter(*(field.name for field in fields(Item)))


@contextmanager
def _opened(address: str) -> Iterator[tuple[DuckDBPyConnection, str]]:
    """Give a connection, and the name that it knows a file by: in UTF-8, and not taken for a pattern."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        if is_url(address):
            # Not DuckDB's own access to stores, which it downloads.
            connection.register_filesystem(filesystem(address.partition("://")[0]))
        if is_url(address) or (address.isascii() and not glob.has_magic(address)):
            yield connection, address
            return
        path = Path(address)
        with tempfile.TemporaryDirectory(prefix="limpid-") as folder:
            link = Path(folder, "link")
            link.symlink_to(path.parent.absolute(), target_is_directory=True)
            yield connection, str(link / path.name)
