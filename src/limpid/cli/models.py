"""The verb ``models``."""

from __future__ import annotations

from limpid.cli.errors import reported
from limpid.cli.options import Json, Quiet, Runtime, Verbose, set_up_logging

__all__ = ["models"]


def models(runtime: Runtime = "auto", json: Json = False, quiet: Quiet = False, verbose: Verbose = 0) -> None:
    """List the networks that are installed.

    With what their cards say, and how fast and how exact each arithmetic of this machine runs them.

    Example: limpid models
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render, tables
        from limpid.workflows.models import denoiser_names, list_models

        rows = list_models(runtime=runtime)
        if json:
            render.print_json({"models": rows})
        else:
            render.print_table(*tables.models_table(rows))
            render.print_line("")
            render.print_table(*tables.precisions_table(rows))
            render.print_paragraph(tables.precisions_text(rows))
            render.print_line("")
            render.print_line(f"--model takes: auto, {', '.join(denoiser_names())}, a model folder or file")
