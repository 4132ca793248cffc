"""Parquet files with a column of encoded images: bytes, or a struct that has ``bytes`` as Hugging Face makes them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from limpid.core.errors import ReadError
from limpid.io.sources.item import Item, Place

if TYPE_CHECKING:
    import duckdb

__all__ = ["items"]

#: Name of the column that is taken where several hold bytes.
_USUAL: Final = "image"

#: Rows that are decoded at a time: about this many bytes of the file, and so many at most. A row costs the decoding of
#: the page it is on, and of the pages before it in its group.
_CHUNK_BYTES: Final = 1 << 24
_CHUNK_ROWS: Final = 64


def items(place: Place) -> Iterator[Item]:
    """Yield the rows of a file; none of their bytes are read."""
    import duckdb

    try:
        columns = _columns(place.address)
        rows = int(_fetch("select count(*) from read_parquet(?)", place.address)[0][0])
    except (duckdb.Error, UnicodeError) as error:
        yield place.failed(f"the table can't be read: {str(error).splitlines()[0]}")
        return
    images = {name: expression for name, expression in columns if expression is not None}
    chosen = _USUAL if _USUAL in images else next(iter(images)) if len(images) == 1 else None
    if chosen is None:
        what = f"several columns hold bytes ({', '.join(images)})" if images else "no column holds bytes"
        yield place.failed(f"{what}; name the one with the images {_USUAL!r}.")
        return
    chunk = max(1, min(_CHUNK_ROWS, _CHUNK_BYTES * rows // max(place.size or 0, 1)))
    for row in range(rows):
        yield place.part(str(row), size=None, load=partial(_load, place.address, images[chosen], row, chunk))


def _load(address: str, expression: str, row: int, chunk: int) -> bytes:
    start, place = divmod(row, chunk)
    found = _chunk(address, expression, start * chunk, chunk)
    if place >= len(found):
        raise FileNotFoundError
    if found[place] is None:
        raise ReadError("the row holds no image.")
    return found[place]


@lru_cache(maxsize=1)
def _chunk(address: str, expression: str, start: int, rows: int) -> Sequence[bytes]:
    """Return the images of some rows; those who ask for one are about to ask for the next."""
    query = (
        f"select {expression} from read_parquet(?, file_row_number = true) where file_row_number between ? and ? "
        "order by file_row_number"
    )
    return [row[0] for row in _fetch(query, address, start, start + rows - 1)]


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
        from limpid.io.sources.remote import filesystem

        connection.register_filesystem(filesystem(scheme))
    return connection
