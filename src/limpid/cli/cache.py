"""The verb ``cache``."""

from __future__ import annotations

from typing import Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.options import Json, Quiet, Verbose, set_up_logging

__all__ = ["cache"]


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove it all; it is made or downloaded again.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Show or clear the cache folder.

    The environment variable LIMPID_CACHE moves it.

    Example: limpid cache --clear
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render, tables
        from limpid.workflows.cache import clear_cache, list_cache

        rows = clear_cache() if clear else list_cache()
        if json:
            render.print_json({"cleared": clear, "cache": [row.to_dict() for row in rows]})
        elif not quiet:
            render.print_table(*tables.cache_table(rows))
            if clear:
                render.print_line("")
                render.print_line(f"removed {tables.size(sum(row.bytes for row in rows))}")
