"""The catalogue on disk: one Parquet file, replaced as a whole; parts of it while a survey goes on.

A part is written every few rows, so that a survey that is killed loses no more than these. When all is measured, the
parts and the catalogue that was there become the new one, and the parts are removed.
"""

from __future__ import annotations

import glob
import json
import shutil
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from limpid.catalog.columns import COLUMNS, Row
from limpid.catalog.database import check_name, check_version, connect, copy_to, literal, struct
from limpid.core.errors import OptionError, WriteError
from limpid.core.plain import plain
from limpid.io.lock import take_lock

__all__ = ["CATALOGUE", "Store", "open_store", "table"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Name of the catalogue in the folder of a survey.
CATALOGUE: Final = "catalogue.parquet"
_PARTS: Final = "parts"
_LOCK: Final = ".lock"

#: A part is written when it has so many rows, or the first of them is so old.
_PART_ROWS: Final = 2000
_PART_S: Final = 30.0

#: What an image is known again by. 0 stands for one that can't be, which its name tells from others then.
_SAME: Final = "case fingerprint when 0 then hash(uri) else hash(fingerprint) end"

#: Where a row stands: parts have numbers for names.
_PLACE: Final = "coalesce(try_cast(parse_filename(filename, true) as bigint), 0) << 32 | file_row_number"


@contextmanager
def open_store(folder: Path) -> Iterator[Store]:
    """Give the catalogue in a folder, which is made if it is not there; nobody else writes to it meanwhile.

    Raises
    ------
    OptionError
        If another survey writes there, what is there is of another version, or the folder's name is no Unicode.
    WriteError
        If the folder can't be written to.
    """
    check_name(folder)
    try:
        (folder / _PARTS).mkdir(parents=True, exist_ok=True)
        lock = take_lock(folder / _LOCK)
    except OSError as error:
        reason = f"{folder} can't be written to ({error.strerror}); choose another folder."
        raise WriteError(reason, source=str(folder)) from error
    if lock is None:
        raise OptionError(
            f"another survey is writing to {folder}; wait for it, or choose another folder.", source=str(folder)
        )
    with lock:
        store = Store(folder)
        try:
            yield store
        finally:
            store.flush()


class Store:
    """A catalogue that is open for writing.

    Parameters
    ----------
    folder : Path
        It is there, and locked.

    Attributes
    ----------
    path : Path
        The catalogue.
    added : int
        Rows that were taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / CATALOGUE
        self._old = sorted((folder / _PARTS).glob("*.parquet")) + [self.path] * self.path.exists()
        for path in self._old:
            check_version(path)
        self._parts: list[Path] = []
        self._rows: list[Row] = []
        self._since = 0.0
        self._kept = array("q")
        self._known = self._measured_before()
        self.added = 0

    def _measured_before(self) -> IntArray:
        if not self._old:
            return np.empty(0, np.int64)
        query = f"select fingerprint from {table(self._old)} where fingerprint <> 0 and error is null order by 1"
        found: IntArray = connect().execute(query).fetchnumpy()["fingerprint"]
        return found

    @property
    def kept(self) -> int:
        """How many rows of earlier surveys are kept."""
        return len(self._kept)

    def keep(self, fingerprint: int) -> bool:
        """Keep the row that an earlier survey made of an image; False where there is none, or one with an error.

        Memory holds 8 bytes for each image of earlier surveys, and 8 for each that is kept.
        """
        place = int(np.searchsorted(self._known, fingerprint))
        if place == len(self._known) or self._known[place] != fingerprint:
            return False
        self._kept.append(fingerprint)
        return True

    def add(self, row: Row) -> None:
        """Take the row of an image that was measured now."""
        if not self._rows:
            self._since = time.monotonic()
        self._rows.append(row)
        self.added += 1
        if len(self._rows) >= _PART_ROWS or time.monotonic() - self._since > _PART_S:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are in memory."""
        if not self._rows:
            return
        folder = self.folder / _PARTS
        number = 1 + max((int(path.stem) for path in folder.glob("*.parquet")), default=0)
        part, lines = folder / f"{number:08}.parquet", folder / "rows.json"
        lines.write_bytes(b"".join(_line(row) for row in self._rows))
        query = f"select * from read_json({literal(lines)}, format = 'newline_delimited', columns = {struct(COLUMNS)})"
        copy_to(part, connect(), query)
        lines.unlink()
        self._parts.append(part)
        self._rows.clear()

    def merge(self) -> Path:
        """Return a file of one row for each image of the collection, in the order of names."""
        self.flush()
        merged = self.folder / _PARTS / "merged"
        connection = connect(self.folder / _PARTS / "spilled")
        connection.register("kept", {"fingerprint": np.frombuffer(self._kept, np.int64)})
        columns = ", ".join(COLUMNS)
        placed = f"{columns}, {_SAME} as same, {_PLACE} as place"
        sources = [f"select {placed} from {table(self._parts, placed=True)}"] if self._parts else []
        if self._old:
            again = "error is null and fingerprint in (select fingerprint from kept)"
            sources.append(f"select {placed} from {table(self._old, placed=True)} where {again}")
        connection.execute(f"create view everything as {' union all '.join(sources)}")
        # Of the rows of one image the first counts. Few have several, so that next to nothing is in memory of them.
        connection.execute(
            "create table firsts as select same, min(place) as place from everything group by same having count(*) > 1"
        )
        rows = "everything left join firsts using (same) where firsts.place is null or firsts.place = everything.place"
        copy_to(merged, connection, f"select {columns} from {rows} order by uri")
        return merged

    def commit(self, merged: Path, assigned: Iterable[tuple[IntArray, FloatArray]]) -> None:
        """Make the catalogue of merged rows, and remove the parts.

        Parameters
        ----------
        merged : Path
            What :meth:`merge` returned.
        assigned : iterable of (array, array)
            Of each row, in order and in pieces of any length: the cohort, -1 for none, and how sure that is.
        """
        connection = connect(self.folder / _PARTS / "spilled")
        connection.execute("create table assigned (cohort integer, cohort_sure double)")
        for cohort, sure in assigned:
            connection.register("piece", {"cohort": cohort, "sure": sure})
            known = "case when cohort >= 0 then {} end"
            connection.execute(
                f"insert into assigned select {known.format('cohort')}, {known.format('sure')} from piece"
            )
        copy_to(self.path, connection, f"select * from {table([merged])} positional join assigned")
        shutil.rmtree(self.folder / _PARTS)


def table(paths: Sequence[Path], *, placed: bool = False) -> str:
    """Return Parquet files as an SQL table; with names of files and places of rows in them if they are wanted."""
    extra = ", filename = true, file_row_number = true" if placed else ""
    return f"read_parquet([{', '.join(literal(glob.escape(str(path))) for path in paths)}]{extra})"


def _line(row: Row) -> bytes:
    """Return a row as JSON that any database reads: without what is not finite, or no Unicode."""
    return json.dumps({n: _readable(v) for n, v in plain(row).items()}, allow_nan=False).encode("ascii") + b"\n"


def _readable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
