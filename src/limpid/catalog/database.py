"""DuckDB, as the catalogue uses it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from limpid.catalog.columns import VERSION
from limpid.core.errors import OptionError, WriteError
from limpid.io.atomic import replacing

if TYPE_CHECKING:
    import duckdb

__all__ = ["check_name", "check_version", "connect", "copy_to", "literal", "struct"]

#: What a question may take of memory, and what goes over all rows once; beyond it, disk is used.
_MEMORY: Final = "1GB"
_MEMORY_OF_PASSES: Final = "256MB"

#: Key of Parquet's own metadata that holds the version of the catalogue's format.
_KEY: Final = "limpid_catalogue"


def connect(spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection to a new database in memory.

    Parameters
    ----------
    spill : Path, optional
        Folder for what does not fit into little memory: for passes over all rows. Questions get more memory, and spill
        into the system's folder for temporary files.
    """
    import duckdb

    folder = Path(tempfile.gettempdir(), f"limpid-{os.getpid()}") if spill is None else spill
    limit = _MEMORY if spill is None else _MEMORY_OF_PASSES
    return duckdb.connect(config={"memory_limit": limit, "temp_directory": str(folder)})


def copy_to(path: Path, connection: duckdb.DuckDBPyConnection, query: str, values: list[Any] | None = None) -> None:
    """Write what a query gives as a Parquet file, whole or not at all.

    Raises
    ------
    WriteError
        If it can't be written.
    """
    import duckdb

    with replacing(path) as file:
        options = f"format parquet, compression zstd, use_tmp_file false, kv_metadata {{{_KEY}: '{VERSION}'}}"
        try:
            connection.execute(f"copy ({query}) to {literal(file.name)} ({options})", values or [])
        except duckdb.Error as error:
            raise WriteError(
                f"{path} can't be written ({error}); is there room on the disk?", source=str(path)
            ) from error


def check_name(folder: Path) -> None:
    """Refuse a folder that DuckDB can't open files in.

    Raises
    ------
    OptionError
        If its name is no Unicode.
    """
    try:
        str(folder).encode("utf-8")
    except UnicodeEncodeError:
        raise OptionError(
            f"the name of {folder} holds bytes that are no UTF-8: no catalogue can be there; choose another.",
            source=str(folder),
        ) from None


def check_version(path: Path) -> None:
    """Refuse a file that is no catalogue of this version.

    Raises
    ------
    OptionError
        With what it is instead.
    """
    import duckdb

    query = f"select decode(key), decode(value) from parquet_kv_metadata({literal(path)})"
    try:
        found = dict(connect().execute(query).fetchall()).get(_KEY)
    except duckdb.Error as error:
        what = f"is damaged, or no catalogue ({str(error).splitlines()[0]})"
    else:
        if found == str(VERSION):
            return
        what = "is no catalogue" if found is None else f"has format {found}, this limpid reads {VERSION}"
    raise OptionError(f"{path} {what}; move it away to have everything measured anew.", source=str(path))


def literal(value: object) -> str:
    """Return text as SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def struct(columns: Mapping[str, str]) -> str:
    """Return names and types as SQL."""
    return "{" + ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns.items()) + "}"
