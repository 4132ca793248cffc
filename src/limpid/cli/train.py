"""The verb ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from limpid.cli.errors import reported
from limpid.cli.options import Inputs, Json, MaxPixels, Quiet, ValueRange, Verbose, set_up_logging
from limpid.core.errors import OptionError

__all__ = ["preprocessing_steps", "train"]


def _size(text: str) -> Any:
    """Return the option of a height and width in pixels."""
    return typer.Option(metavar="H W", min=1, help=text, show_default=False)


def preprocessing_steps(
    crop: tuple[int, int] | None,
    resize: tuple[int, int] | None,
    normalise: str | None,
    percentiles: tuple[float, float] | None,
) -> list[dict[str, Any]]:
    """Return the steps that flags ask for, in the one order they can have: crop, resize, normalise."""
    sizes = {"centre_crop": crop, "resize": resize}
    steps: list[dict[str, Any]] = [
        {"name": name, "height": size[0], "width": size[1]} for name, size in sizes.items() if size is not None
    ]
    if normalise not in (None, "range", "percentile"):
        raise OptionError(f"--normalise must be range or percentile, got {normalise!r}.")
    if percentiles is not None and normalise != "percentile":
        raise OptionError("--percentiles is for --normalise percentile; give both, or neither.")
    if normalise is not None:
        ends = {} if percentiles is None else {"low": percentiles[0], "high": percentiles[1]}
        steps.append({"name": f"normalise_{normalise}", **ends})
    return steps


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
            help="auto, supervised, noise2noise, recorrupted, noise2void or neighbor2neighbor.",
        ),
    ] = "auto",
    network: Annotated[str, typer.Option(metavar="NAME", help="fast (of the shipped one's size) or small.")] = "fast",
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
    resize: Annotated[tuple[int, int] | None, _size("Bring every image to this size first.")] = None,
    crop: Annotated[tuple[int, int] | None, _size("Keep the centre of every image, before it is resized.")] = None,
    normalise: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What becomes 0 and 1: range or percentile.", show_default="the value range"),
    ] = None,
    percentiles: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="For --normalise percentile.", show_default="1 99"),
    ] = None,
    augment: Annotated[str, typer.Option(metavar="NAME", help="none, mirror or turns.")] = "turns",
    skip_empty: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the patches that must hold more than noise.")
    ] = 0.0,
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
                network=network,
                start_from=start_from,
                steps=steps,
                minutes=minutes,
                patch_px=patch_px,
                batch=batch,
                learning_rate=learning_rate,
                preprocessing=preprocessing_steps(crop, resize, normalise, percentiles),
                augment=augment,
                skip_empty=skip_empty,
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
