"""The verb ``denoise``."""

from __future__ import annotations

from typing import Annotated

import typer

from limpid.cli.errors import FAILED, reported
from limpid.cli.options import (
    AllowPickle,
    Device,
    Inputs,
    Json,
    MaxPixels,
    Memory,
    Precision,
    Quiet,
    Runtime,
    Threads,
    ValueRange,
    Verbose,
    set_up_logging,
    shards_value,
    sigma_value,
)
from limpid.cli.summary import planned_line, summary_line

__all__ = ["denoise"]


def denoise(
    inputs: Inputs,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A folder, or a prefix in a store (s3://bucket/clean), in which the trees of the inputs are mirrored; "
            "or, for one input, a file.",
            show_default=False,
        ),
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace the inputs, instead of -o.")] = False,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="auto (by the noise of each image), best, fast, camera, nlm, wavelet, tv, bilateral, median, "
            "zero-shot, or a model's folder or file; limpid models lists the networks.",
        ),
    ] = "auto",
    sigma: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Noise level in the file's own units (0-255 for 8-bit, 0-65535 for 16-bit); auto measures it.",
        ),
    ] = "auto",
    strength: Annotated[
        float,
        typer.Option(metavar="S", help="How much is removed: 0 nothing, 1 the noise that was measured, at most 2."),
    ] = 1.0,
    chroma_strength: Annotated[
        float | None,
        typer.Option(metavar="S", help="The same for colour noise.", show_default="--strength"),
    ] = None,
    value_range: ValueRange = None,
    format: Annotated[  # noqa: A002 (the option's name)
        str | None,
        typer.Option(metavar="NAME", help="png, jpeg, tiff, webp or avif.", show_default="as the input"),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(metavar="Q", help="Of lossy formats, 0 to 100.", show_default="95; AVIF 90"),
    ] = None,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave out what tells about people, places, devices and steps.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out what an earlier run with the same model and options has done.")
    ] = False,
    assess: Annotated[
        bool, typer.Option("--assess", help="Also tell how good the results are; takes five times as long.")
    ] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Tell changed inputs by their contents, not by size and time.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only plan the job, for others to do by --shards; print its shards.")
    ] = False,
    shards: Annotated[
        str | None,
        typer.Option(
            metavar="A:B",
            help="Do these shards of what --plan planned, from A to before B.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[str, typer.Option(metavar="NAME", help="local, or ray: a cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of a Ray cluster.", show_default="one is started here"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print which input goes where.")] = False,
    memory: Memory = None,
    threads: Threads = None,
    runtime: Runtime = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    allow_pickle: AllowPickle = False,
    max_pixels: MaxPixels = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Remove the noise from images.

    Metadata, pixel type and the tree of folders are kept; limpid-job/ in the output folder records what is done.

    Inputs are files, folders and globs, and what holds many images: tar shards, Parquet files, Zarr arrays, lists; here
    or in a store.

    Examples: limpid denoise holiday/ -o clean/

    limpid denoise s3://bucket/shards -o s3://bucket/clean

    limpid denoise scan.tif -o clean.tif --sigma 300 --strength 0.8
    """
    level = sigma_value(sigma)
    part = None if shards is None else shards_value(shards)
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.cli.tables import assessed_table
        from limpid.core.errors import OptionError
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.workflows.files import denoise_files
        from limpid.workflows.options import DenoiseOptions
        from limpid.workflows.shards import denoise_shards, plan_files

        options = DenoiseOptions(
            model=model,
            sigma=level,
            strength=strength,
            chroma_strength=chroma_strength,
            runtime=runtime,
            device=device,
            precision=precision,
            allow_pickle=allow_pickle,
            threads=threads,
            memory=memory,
            value_range=value_range,
            max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
            format=format,
            quality=quality,
            strip_metadata=strip_metadata,
            in_place=in_place,
            resume=resume,
            checksums=checksums,
            engine=engine,
            address=address,
            assess=assess,
            dry_run=dry_run,
        )
        if plan + dry_run + (part is not None) > 1:
            raise OptionError("--plan, --shards and --dry-run are three ways to run; give one of them.")
        if plan:
            planned = plan_files(inputs, output, options=options)
            if json:
                render.print_json(planned.to_dict())
            elif not quiet:
                render.print_line(planned_line(planned))
            return
        with render.progress(quiet=quiet) as bar:
            if part is None:
                summary = denoise_files(inputs, output, options=options, watcher=bar)
            else:
                summary = denoise_shards(inputs, output, part, options=options, watcher=bar)
        if json:
            render.print_json(summary.to_dict())
        elif dry_run:
            for result in summary.results:
                if result.status == "planned":
                    render.print_line(f"{result.input} -> {result.output}")
        elif not quiet:
            render.print_line(summary_line(summary))
            if assess:
                render.print_table(*assessed_table(summary))
    if summary.count("error"):
        raise typer.Exit(FAILED)
