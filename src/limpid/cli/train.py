"""The verb ``train``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from limpid.cli.errors import reported
from limpid.cli.interrupt import unhurried
from limpid.cli.options import Json, MaxPixels, Pairs, Quiet, Seed, ValueRange, Verbose, set_up_logging, size_value
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


def _described(text: str, *, metavar: str = "N") -> Any:
    """Return the option of a parameter of the architecture."""
    return typer.Option(metavar=metavar, help=text, show_default="the architecture's", rich_help_panel="Architecture")


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of whole numbers; write it like 32,64.") from None


def train(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="Folder for the model.", show_default=False)
    ],
    noisy: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NOISY]", help="Files, folders (with all below them) or globs.", show_default=False),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A clean image of the same name for each noisy one; or of other scenes, to add noise to.",
            show_default=False,
        ),
    ] = None,
    pairs: Pairs = None,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, adapt, supervised, noise2noise, recorrupted, noise2void, neighbor2neighbor or blind_spot.",
        ),
    ] = "auto",
    mask_px: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="Y X",
            help="noise2void: hide so many pixels above and below, and to either side, too.",
            show_default="as far as the noise is correlated",
        ),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="unet, small, ensemble, dncnn, ffdnet, autoencoder, convolutional_autoencoder, blindspot, or unet3d "
            "for stacks.",
            show_default="unet, or that of --start-from",
        ),
    ] = None,
    latent_dim: Annotated[int | None, _described("Latents of an autoencoder.")] = None,
    input_px: Annotated[int | None, _described("Side of the squares of an autoencoder.")] = None,
    kind: Annotated[str | None, _described("Of an autoencoder: convolutional or dense.", metavar="NAME")] = None,
    widths: Annotated[str | None, _described("Of each scale of a U-Net or autoencoder: 32,64.", metavar="N,N")] = None,
    blocks: Annotated[str | None, _described("Of a U-Net on each scale down.", metavar="N,N")] = None,
    decoder_blocks: Annotated[str | None, _described("Of a U-Net on each scale up.", metavar="N,N")] = None,
    width: Annotated[int | None, _described("Of dncnn, ffdnet and blindspot.")] = None,
    depth: Annotated[int | None, _described("Of dncnn and ffdnet.")] = None,
    levels: Annotated[int | None, _described("Halvings of blindspot.")] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="mse, l1, charbonnier, huber, cross_entropy, ms_ssim, or a weighted sum.",
            show_default="mse",
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Start from its weights, such as those of fast.", show_default=False),
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Batches.", show_default=False)] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="N", help="In place of --steps.", show_default="20 without --steps and --epochs"),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", help="In place of --steps: times that each pixel is seen.", show_default=False),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Stop sooner, after N checks in a row without a gain.", show_default=False
        ),
    ] = None,
    patch_px: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Side of a patch.", show_default="about 64, of unet3d 32")
    ] = None,
    planes: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, help="unet3d: consecutive planes of a stack in a patch.", show_default="8"),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Patches in a batch.", show_default="8 of 64 pixels")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Highest rate.", show_default="1e-3, with adapt 1e-4")
    ] = None,
    crop: Annotated[tuple[int, int] | None, _size("Keep the centre of every image.")] = None,
    resize: Annotated[tuple[int, int] | None, _size("Bring every image to this size.")] = None,
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
    seed: Seed = 0,
    value_range: ValueRange = None,
    max_pixels: MaxPixels = None,
    memory: Annotated[
        int | None,
        typer.Option(
            parser=size_value, metavar="SIZE", help="Images in memory at a time, such as 500MB.", show_default="1GiB"
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="What to train on: auto, cpu or cuda.")] = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files for TensorBoard in MODEL/run/tensorboard.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in MODEL.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Train a network on noisy images, with clean ones beside them or without.

    Example: limpid train noisy/ -o mymodel --minutes 30, then: limpid denoise noisy/ -o clean/ --model mymodel
    """
    # Of the processes that torchrun starts, the first one speaks for all.
    first = os.environ.get("RANK", "0") == "0"
    set_up_logging(quiet=quiet or not first, verbose=verbose)
    with reported(json=json and first), unhurried():
        from limpid.cli import render
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.workflows.train import train as run

        parameters = {
            "latent_dim": latent_dim,
            "input_px": input_px,
            "kind": kind,
            "widths": _numbers(widths),
            "blocks": _numbers(blocks),
            "decoder_blocks": _numbers(decoder_blocks),
            "width": width,
            "depth": depth,
            "levels": levels,
        }
        with render.progress(quiet=quiet or not first) as bar:
            done = run(
                noisy or None,
                output,
                clean=clean,
                pairs=pairs,
                strategy=strategy,
                mask_px=mask_px,
                architecture=architecture,
                parameters={name: value for name, value in parameters.items() if value is not None},
                loss=loss,
                start_from=start_from,
                steps=steps,
                minutes=minutes,
                epochs=epochs,
                patience=patience,
                patch_px=patch_px,
                planes=planes,
                batch=batch,
                learning_rate=learning_rate,
                preprocessing=preprocessing_steps(crop, resize, normalise, percentiles),
                augment=augment,
                skip_empty=skip_empty,
                seed=seed,
                value_range=value_range,
                max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
                memory=memory,
                device=device,
                tensorboard=tensorboard,
                resume=resume,
                watcher=bar.trained,
            )
        if not first:
            return
        if json:
            render.print_json(done.to_dict())
        else:
            render.print_line(f"{done.model}: {done.strategy}, {done.steps} steps in {done.seconds:.0f} s")
            skipped = f" {len(done.skipped)} files were left out." if done.skipped else ""
            more = "" if done.converged else " It was still getting better: train longer."
            render.print_paragraph(f"{done.strategy}: {done.reason}.{skipped}{more}")
