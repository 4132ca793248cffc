"""The verb ``query``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.options import Json

__all__ = ["query"]


def query(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a survey.", show_default=False)],
    question: Annotated[
        str,
        typer.Argument(metavar="SQL", help="A query in DuckDB's SQL; the table is catalogue.", show_default=False),
    ],
    json: Json = False,
) -> None:
    """Ask the catalogue of a survey.

    Example: limpid query census/ "select iso, median(sigma) from catalogue group by iso order by iso"
    """
    with reported(json=json):
        from limpid.cli import render, tables
        from limpid.workflows import query as workflow

        answer = workflow.query(folder, question)
        if json:
            render.print_json(tables.answer_document(answer))
        else:
            render.print_table(*tables.answer_table(answer))
