"""The program: its verbs, and nothing else."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from limpid.cli import (
    advise,
    assess,
    auto,
    benchmark,
    cache,
    demo,
    denoise,
    export,
    models,
    noise,
    query,
    survey,
    train,
    verify,
)
from limpid.cli.errors import FAILED, INTERRUPTED
from limpid.cli.interrupt import end_promptly
from limpid.cli.streams import OutputLostError, drop_output, ready_streams
from limpid.core.version import __version__

__all__ = ["app", "run"]

app = typer.Typer(
    name="limpid",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: half the start-up time, and readable in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _verb in (
    denoise.denoise,
    noise.noise,
    survey.survey,
    query.query,
    verify.verify,
    assess.assess,
    advise.advise,
    train.train,
    auto.auto,
    benchmark.benchmark,
    models.models,
    export.export,
    demo.demo,
    cache.cache,
):
    app.command()(_verb)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"limpid {__version__}")
        raise typer.Exit


@app.callback()
def _limpid(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Measure the noise of images and remove it.

    Example: limpid denoise holiday/ -o clean/
    """


def run() -> None:
    """Run the program; see :mod:`limpid.cli.start`."""
    try:
        if not ready_streams():
            sys.exit(FAILED)
        end_promptly()
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OutputLostError as lost:
        drop_output(lost)
        sys.exit(FAILED)
