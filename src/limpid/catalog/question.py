"""SQL over a catalogue, which can change nothing."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limpid.catalog.database import check_name, check_version, connect, literal
from limpid.catalog.store import CATALOGUE, table
from limpid.core.errors import OptionError

if TYPE_CHECKING:
    import duckdb

__all__ = ["Answer", "ask", "opened"]


@dataclass(frozen=True)
class Answer:
    """Columns and rows; values are Python's own."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection that holds the table ``catalogue`` and reads no other file, nor writes any.

    Raises
    ------
    OptionError
        If there is no catalogue in the folder, or one of another version.
    """
    check_name(folder)
    path = folder / CATALOGUE
    if not path.exists():
        raise OptionError(
            f"no catalogue in {folder}; make one, or go on with one that was interrupted: limpid survey COLLECTION -o "
            f"{folder}",
            source=str(folder),
        )
    check_version(path)
    connection = connect()
    connection.execute(f"create view catalogue as select * from {table([path])}")
    # The name that a query gives is compared as it is written there, before it is taken for a pattern.
    connection.execute(f"set allowed_paths = [{literal(path)}, {literal(glob.escape(str(path)))}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def ask(folder: Path, question: str) -> Answer:
    """Return the answer to one query in DuckDB's SQL; the table is ``catalogue``.

    Raises
    ------
    OptionError
        If it is no query, more than one, or DuckDB refuses it; the message says why.
    """
    import duckdb

    connection = opened(folder)
    try:
        statements = connection.extract_statements(question)
        if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
            raise OptionError(
                "a question is one query, such as: select camera, median(sigma) from catalogue group by 1."
            )
        answer = connection.execute(statements[0])
        columns = [name for name, *_ in answer.description or []]
        return Answer(columns, answer.fetchall())
    except duckdb.Error as error:
        raise OptionError(f"DuckDB refuses the question: {error}") from error
