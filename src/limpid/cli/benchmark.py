"""The verb ``benchmark``."""

from __future__ import annotations

from typing import Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.options import Json, Quiet, Runtime, Threads, ValueRange, Verbose, set_up_logging

__all__ = ["benchmark"]


def benchmark(
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            metavar="NAME|DIR",
            help="set12, bsd68, cbsd68, kodak24, cc15, or a folder of clean images. Repeatable.",
            show_default=False,
        ),
    ],
    sigma: Annotated[
        list[float] | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Noise to add, on the 0-255 scale. Repeatable.",
            show_default="15, 25, 50",
        ),
    ] = None,
    denoiser: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="As denoise --model, or noisy for the noisy images' own score. Repeatable.",
            show_default="auto",
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Noisy images named as those of the one --data folder: real noise instead of added noise.",
            show_default=False,
        ),
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Withhold sigma: it is measured in each image.")] = False,
    gray: Annotated[bool, typer.Option("--gray", help="Measure on the luma of colour images.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the noise.")] = 0,
    value_range: ValueRange = None,
    threads: Threads = None,
    runtime: Runtime = "auto",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Compare denoisers by PSNR, SSIM, speed and memory.

    The protocol is stated below the table.

    Example: limpid benchmark --data set12 --sigma 25 --denoiser fast --denoiser nlm
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render, tables
        from limpid.workflows.benchmark import benchmark as run_benchmark

        with render.progress(quiet=quiet) as bar:
            table = run_benchmark(
                data,
                sigma=sigma or (15, 25, 50),
                denoisers=denoiser or ("auto",),
                pairs=pairs,
                blind=blind,
                seed=seed,
                gray=gray,
                value_range=value_range,
                runtime=runtime,
                threads=threads,
                on_image=lambda _: bar.advance(),
            )
        if json:
            render.print_json(table.to_dict())
        else:
            render.print_table(*tables.benchmark_table(table))
            render.print_line("")
            for line in tables.protocol_lines(table.protocol):
                render.print_line(line)
