"""Questions about a catalogue."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from limpid.catalog.question import Answer, ask

__all__ = ["query"]


def query(folder: str | PathLike[str], question: str) -> Answer:
    """Return what DuckDB answers; the table is ``catalogue``.

    Parameters
    ----------
    folder : str or path
        Where ``limpid survey`` put the catalogue.
    question : str
        One query in DuckDB's SQL. It can change nothing, and read nothing else.

    Raises
    ------
    OptionError
        If there is no catalogue, or the question is none.
    """
    return ask(Path(folder), question)
