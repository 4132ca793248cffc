"""The verb ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limpid.cli.errors import reported
from limpid.cli.options import Inputs, Json, MaxPixels, Quiet, ValueRange, Verbose, set_up_logging

__all__ = ["train"]


def train(
    noisy: Inputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="Folder for the model.", show_default=False)
    ],
    clean: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A clean image of the same name for each noisy one.", show_default=False),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Another exposure of the same name for each noisy one.", show_default=False),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, supervised, noise2noise, recorrupted, noise2void, neighbor2neighbor or blind_spot.",
        ),
    ] = "auto",
    mask_px: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="Y X",
            help="noise2void: hide so many pixels above and below, and to either side, too.",
            show_default="as measured",
        ),
    ] = None,
    network: Annotated[
        str, typer.Option(metavar="NAME", help="fast (of the shipped one's size), small or blindspot.")
    ] = "fast",
    start_from: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Start from its weights, such as those of fast.", show_default=False),
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Batches.", show_default=False)] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="In place of --steps.", show_default="20 without --steps")
    ] = None,
    patch_px: Annotated[int, typer.Option(metavar="N", min=1, help="Side of a patch.")] = 64,
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="Patches in a batch.")] = 8,
    learning_rate: Annotated[float, typer.Option(metavar="N", min=0, help="Highest rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Every random number follows from it.")] = 0,
    value_range: ValueRange = None,
    max_pixels: MaxPixels = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in MODEL.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Train a network on noisy images, with clean ones beside them or without.

    Example: limpid train noisy/ -o mymodel --minutes 30, then: limpid denoise noisy/ -o clean/ --model mymodel
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.workflows.train import train as run

        with render.progress(quiet=quiet) as bar:
            done = run(
                list(noisy),
                output,
                clean=clean,
                pairs=pairs,
                strategy=strategy,
                mask_px=mask_px,
                network=network,
                start_from=start_from,
                steps=steps,
                minutes=minutes,
                patch_px=patch_px,
                batch=batch,
                learning_rate=learning_rate,
                seed=seed,
                value_range=value_range,
                max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
                resume=resume,
                watcher=bar.reached,
            )
        if json:
            render.print_json(done.to_dict())
        else:
            render.print_line(f"{done.model}: {done.strategy}, {done.steps} steps in {done.seconds:.0f} s")
            skipped = f" {len(done.skipped)} files were left out." if done.skipped else ""
            more = "" if done.converged else " It was still getting better: train longer."
            render.print_paragraph(f"{done.strategy}: {done.reason}.{skipped}{more}")
