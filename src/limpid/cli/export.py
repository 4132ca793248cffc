"""The verb ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.options import AllowPickle, Json, Quiet, Verbose, set_up_logging

__all__ = ["export"]


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="One network, such as fast-gray (limpid models lists them), or a model folder or file.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="File to write, or a folder.", show_default=False)
    ],
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="onnx, openvino (.xml and .bin) or torch (.safetensors).")
    ] = "onnx",
    allow_pickle: AllowPickle = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Write a network in the format of another program.

    Example: limpid export fast-gray --to openvino -o fast-gray.xml
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render, tables
        from limpid.workflows.export import export as run

        done = run(model, output, to=to, allow_pickle=allow_pickle)
        if json:
            render.print_json(done.to_dict())
        elif not quiet:
            files = ", ".join(map(str, done.files))
            render.print_line(f"{done.model} as {done.format}: {files} ({tables.size(done.bytes)})")
