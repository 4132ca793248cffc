"""The verb ``noise``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limpid.cli.errors import FAILED, reported
from limpid.cli.options import Inputs, Json, MaxPixels, Quiet, ValueRange, Verbose, set_up_logging

if TYPE_CHECKING:
    from limpid.noise.result import NoiseEstimate

__all__ = ["noise"]


def noise(
    inputs: Inputs,
    value_range: ValueRange = None,
    offset: Annotated[
        float, typer.Option(help="Value of no light (black level), in the file's own units; for the read noise.")
    ] = 0.0,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw variance, correlation and histogram of one image into a PNG file."),
    ] = None,
    max_pixels: MaxPixels = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Measure the noise of images.

    Each is measured from itself alone, in the file's own units (0-255 for 8-bit, 0-65535 for 16-bit).

    Example: limpid noise holiday/*.jpg
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.workflows.noise_files import measure_files

        with render.progress(quiet=quiet) as bar:
            limit = max_pixels or DEFAULT_MAX_PIXELS
            rows = measure_files(
                inputs, value_range=value_range, offset=offset, max_pixels=limit, plot=plot, watcher=bar
            )
        if json:
            render.print_json({"results": [row.to_dict() for row in rows]})
        else:
            measured = [(row.input, row.estimate) for row in rows if row.estimate is not None]
            if len(measured) == 1:
                _print_one(*measured[0])
            elif measured:
                _print_table(measured)
    if any(row.status == "error" for row in rows):
        raise typer.Exit(FAILED)


def _print_one(name: str, noise: NoiseEstimate) -> None:
    from limpid.cli import render

    render.print_line(f"{name}: {_sigma(noise)}")
    for one in noise.advice:
        render.print_paragraph(one.text)


def _print_table(measured: list[tuple[str, NoiseEstimate]]) -> None:
    from limpid.cli import render

    columns = {"input": "left", "sigma": "right", "95 % interval": "right", "gain": "right", "found": "left"}
    rows = []
    for name, noise in measured:
        interval = "{:.4g} to {:.4g}".format(*noise.sigma_interval) if noise.measured else ""
        gain = f"{noise.gain:.3g}" if noise.gain > 0 else ""
        sigma = f"{noise.sigma:.4g}" if noise.measured else "not measurable"
        codes = [one.code for one in noise.advice if one.code not in ("level", "unmeasured", "signal-dependent")]
        rows.append((name, sigma, interval, gain, ", ".join(codes)))
    render.print_table(columns, rows)


def _sigma(noise: NoiseEstimate) -> str:
    if not noise.measured:
        return "not measurable"
    low, high = noise.sigma_interval
    return f"sigma {noise.sigma:.4g} (95 %: {low:.4g} to {high:.4g})"
