"""The verb ``verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from limpid.cli.errors import FAILED, reported
from limpid.cli.options import Json, Quiet, Verbose, set_up_logging
from limpid.cli.summary import account_lines

__all__ = ["verify"]


def verify(
    folder: Annotated[str, typer.Argument(metavar="OUT", help="The output folder of limpid denoise.")],
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Read every output and compare its contents; slow.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Check that every planned image is accounted for and every output is there.

    Example: limpid verify clean/
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.workflows.account import verify as run

        account = run(folder, checksums=checksums)
        if json:
            render.print_json(account.to_dict())
        elif not quiet or account.problems:
            for line in account_lines(account):
                render.print_line(line)
    if account.problems or account.pending:
        raise typer.Exit(FAILED)
