"""The verb ``advise``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.options import Inputs, Json, MaxPixels, Quiet, ValueRange, Verbose, set_up_logging

__all__ = ["advise"]


def advise(
    noisy: Inputs,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PNG", help="Draw what was measured.", show_default=False),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Clean images, as limpid train takes them.", show_default=False),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Another exposure of the same name for each.", show_default=False),
    ] = None,
    question: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="strategy, patch_px, loss, latent_dim or images_enough; can be repeated.",
            show_default="all",
        ),
    ] = None,
    architecture: Annotated[
        str, typer.Option(metavar="NAME", help="What is trained: small (a U-Net) or autoencoder.")
    ] = "small",
    minutes: Annotated[float, typer.Option(metavar="N", help="For all trainings together.")] = 10.0,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Every random number follows from it.")] = 0,
    value_range: ValueRange = None,
    max_pixels: MaxPixels = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Find out by short trainings how a network for these images is best trained.

    Example: limpid advise noisy/ --minutes 5 -o advice.png
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.io.atomic import replacing
        from limpid.workflows.advise import QUESTIONS
        from limpid.workflows.advise import advise as run

        with render.progress(quiet=quiet) as bar:
            advice = run(
                list(noisy),
                clean=clean,
                pairs=pairs,
                questions=question or QUESTIONS,
                architecture=architecture,
                minutes=minutes,
                seed=seed,
                value_range=value_range,
                max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
                watcher=bar.reached,
            )
        if output is not None:
            with replacing(output) as file:
                file.write(advice.plot())
        if json:
            render.print_json(advice.to_dict())
            return
        columns = {"question": "left", "tried": "right", "noise left": "right", "error": "right", "steps": "right"}
        rows = [
            (
                answer.question if number == 0 else "",
                f"{row['value']}{' *' if row['value'] == answer.value else '  '}",
                f"{row['noise_left']:.4f}",
                f"{row['error']:.4f}",
                str(row["steps"]),
            )
            for answer in advice.answers
            for number, row in enumerate(answer.rows)
        ]
        render.print_table(columns, rows)
        for answer in advice.answers:
            render.print_paragraph(f"{answer.question}: {answer.value}. {answer.reason}.")
