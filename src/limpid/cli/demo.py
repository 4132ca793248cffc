"""The verb ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.options import Json, Quiet, Verbose, set_up_logging

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where demo.png goes.")] = Path(
        "limpid-demo"
    ),
    sigma: Annotated[float, typer.Option(metavar="N", min=0, help="Noise to add, on the 0-255 scale.")] = 25.0,
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="As in denoise.")] = "auto",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Clean a few noisy pictures; no data needed.

    Noise is added to pictures, removed again, and both are shown side by side.

    Example: limpid demo
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render, tables
        from limpid.workflows.demo import DEMO_PICTURES, run_demo

        with render.progress(quiet=quiet) as bar:
            bar.planned(len(DEMO_PICTURES))
            shown = run_demo(output, sigma=sigma, model=model, on_picture=lambda _: bar.advance())
        if json:
            render.print_json(tables.demo_document(shown))
        elif not quiet:
            render.print_table(*tables.demo_table(shown))
            render.print_line("")
            render.print_line(f"side by side: {shown.sheet}")
