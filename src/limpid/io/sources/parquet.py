"""Parquet files with a column of encoded images: bytes, or a struct that has ``bytes`` as Hugging Face makes them."""

from __future__ import annotations

import glob
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from limpid.core.errors import ReadError
from limpid.io.sources.item import Item, Place

if TYPE_CHECKING:
    import duckdb

__all__ = ["item", "items"]

#: Name of the column that is taken where several hold bytes.
_USUAL: Final = "image"

#: Rows that are decoded at a time: about this many bytes of the file, and so many at most. A row costs the decoding of
#: the page it is on, and of the pages before it in its group.
_CHUNK_BYTES: Final = 1 << 24
_CHUNK_ROWS: Final = 64


def items(place: Place) -> Iterator[Item]:
    """Yield the rows of a file; none of their bytes are read. A table of other things has no image in it."""
    table = _table(place.address, place.version, place.size)
    if isinstance(table, str):
        yield place.failed(table)
        return
    if table is not None:
        yield from (_item(place, table, row) for row in range(table.rows))


def item(place: Place, member: str) -> Item | None:
    """Return a row by its number; None if there is none."""
    table = _table(place.address, place.version, place.size)
    if isinstance(table, str):
        return place.failed(table)
    if table is None or not member.isdecimal() or int(member) >= table.rows:
        return None
    return _item(place, table, int(member))


@dataclass(frozen=True)
class _Table:
    """Where the images of a file are."""

    address: str
    version: str | None
    rows: int
    images: str
    chunk: int


@lru_cache(maxsize=8)
def _table(address: str, version: str | None, size: int | None) -> _Table | str | None:
    """Return a file's table, or why its images can't be told; None if no column of it holds bytes."""
    import duckdb

    try:
        columns = _columns(address)
        rows = int(_fetch("select count(*) from read_parquet(?)", address)[0][0])
    except (duckdb.Error, UnicodeError) as error:
        return f"the table can't be read: {str(error).splitlines()[0]}"
    images = {name: expression for name, expression in columns if expression is not None}
    chosen = _USUAL if _USUAL in images else next(iter(images)) if len(images) == 1 else None
    if not images:
        return None
    if chosen is None:
        return f"several columns hold bytes ({', '.join(images)}); name the one with the images {_USUAL!r}."
    chunk = max(1, min(_CHUNK_ROWS, _CHUNK_BYTES * rows // max(size or 0, 1)))
    return _Table(address, version, rows, images[chosen], chunk)


def _item(place: Place, table: _Table, row: int) -> Item:
    return place.part(str(row), size=None, load=partial(_load, table, row), below=f"{row:05}")


def _load(table: _Table, row: int) -> bytes:
    start, place = divmod(row, table.chunk)
    found = _near(table, start * table.chunk)
    if place >= len(found):
        raise FileNotFoundError
    if found[place] is None:
        raise ReadError("the row holds no image.")
    return found[place]


class _Kept(threading.local):
    """The rows that a thread read last: those who ask for one are about to ask for the next."""

    key: tuple[_Table, int] | None = None
    rows: Sequence[bytes] = ()


_kept: Final = _Kept()


def _near(table: _Table, start: int) -> Sequence[bytes]:
    """Return the images of a chunk of rows."""
    if _kept.key != (table, start):
        query = (
            f"select {table.images} from read_parquet(?, file_row_number = true) where file_row_number between ? and ? "
            "order by file_row_number"
        )
        _kept.key = None
        _kept.rows = [row[0] for row in _fetch(query, table.address, start, start + table.chunk - 1)]
        _kept.key = table, start
    return _kept.rows


def _columns(address: str) -> list[tuple[str, str | None]]:
    """Return the columns, each with the expression that gives bytes where there is one."""
    described = _fetch("describe select * from read_parquet(?)", address)
    return [(name, _bytes_of(name, kind)) for name, kind, *_ in described]


def _bytes_of(name: str, kind: str) -> str | None:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "BLOB":
        return quoted
    return f"{quoted}.bytes" if kind.startswith("STRUCT(") and "bytes BLOB" in kind.replace('"', "") else None


def _fetch(query: str, address: str, *values: int) -> list[tuple[Any, ...]]:
    """Return the rows that a query of one file gives, also where its name would be a glob."""
    scheme, sign, _ = address.partition("://")
    name = address if sign else glob.escape(address)
    return _connection(scheme if sign else None).cursor().execute(query, [name, *values]).fetchall()


@lru_cache
def _connection(scheme: str | None) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    if scheme is not None:
        from limpid.io.stores.filesystem import filesystem

        connection.register_filesystem(filesystem(scheme))
    return connection
