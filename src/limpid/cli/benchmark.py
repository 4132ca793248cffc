"""The verb ``benchmark``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.frontier import FOLDER, frontier, refuse_beside_frontier
from limpid.cli.options import (
    AllowPickle,
    Device,
    Json,
    Precision,
    Quiet,
    Runtime,
    Threads,
    ValueRange,
    Verbose,
    set_up_logging,
)

if TYPE_CHECKING:
    from limpid.cli.render import Bar
    from limpid.evaluation.benchmark import ImageScore

__all__ = ["benchmark", "counting"]


def benchmark(
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="NAME|DIR",
            help="set12, bsd68, cbsd68, kodak24, cc15, train-open, or a folder of clean images. Repeatable.",
            show_default="none; of --frontier bsd68, cbsd68",
        ),
    ] = None,
    sigma: Annotated[
        list[float] | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Noise to add, on the 0-255 scale; of real noise, what denoisers are told. Repeatable.",
            show_default="15, 25, 50; real noise is measured",
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
    draw_frontier: Annotated[
        bool,
        typer.Option(
            "--frontier",
            help="Draw PSNR against speed and arithmetic, of what limpid has and of published networks.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Where --frontier writes its table and plot.", show_default=FOLDER
        ),
    ] = None,
    value_range: ValueRange = None,
    threads: Threads = None,
    runtime: Runtime = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    allow_pickle: AllowPickle = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Compare denoisers by PSNR, SSIM, speed and memory.

    The protocol is stated below the table.

    Example: limpid benchmark --data set12 --sigma 25 --denoiser fast --denoiser nlm
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    if draw_frontier:
        refuse_beside_frontier(
            {
                "--denoiser": denoiser,
                "--pairs": pairs,
                "--blind": blind,
                "--gray": gray,
                "--runtime": runtime != "auto",
                "--device": device != "auto",
                "--precision": precision != "auto",
                "--value-range": value_range,
                "--allow-pickle": allow_pickle,
            }
        )
        frontier(data, output, sigma=sigma, seed=seed, threads=threads, json=json, quiet=quiet)
        return
    if output is not None:
        raise typer.BadParameter("it goes with --frontier, whose files it is for.", param_hint="--output")
    if not data:
        raise typer.BadParameter("name a data set or a folder of clean images.", param_hint="--data")
    with reported(json=json):
        from limpid.cli import render, tables
        from limpid.workflows.benchmark import DEFAULT_SIGMAS
        from limpid.workflows.benchmark import benchmark as run_benchmark

        denoisers = tuple(denoiser or ("auto",))
        with render.progress(quiet=quiet) as bar:
            table = run_benchmark(
                data,
                sigma=sigma or None,
                denoisers=denoisers,
                pairs=pairs,
                blind=blind,
                seed=seed,
                gray=gray,
                value_range=value_range,
                runtime=runtime,
                device=device,
                precision=precision,
                threads=threads,
                allow_pickle=allow_pickle,
                on_image=counting(bar, denoisers=len(denoisers), sigmas=len(sigma or DEFAULT_SIGMAS)),
            )
        if json:
            render.print_json(table.to_dict())
        else:
            render.print_table(*tables.benchmark_table(table))
            render.print_line("")
            render.print_paragraph(tables.protocol_text(table.protocol))


def counting(bar: Bar, *, denoisers: int, sigmas: int) -> Callable[[ImageScore], None]:
    """Return what advances a bar by an image, and lengthens it as each data set tells how many it has."""
    done = total = 0

    def count(score: ImageScore) -> None:
        nonlocal done, total
        if done == total:  # data sets are measured one after the other: this is the first image of another
            total += score.images * denoisers * (1 if score.sigma is None else sigmas)
            bar.planned(total)
        done += 1
        bar.advance()

    return count
