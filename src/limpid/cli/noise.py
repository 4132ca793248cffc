"""The verb ``noise``."""

from __future__ import annotations

import typer

from limpid.cli.errors import FAILED, reported
from limpid.cli.options import Inputs, Json, MaxPixels, Quiet, ValueRange, Verbose, set_up_logging

__all__ = ["noise"]


def noise(
    inputs: Inputs,
    value_range: ValueRange = None,
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
            rows = measure_files(inputs, value_range=value_range, max_pixels=limit, watcher=bar)
        if json:
            render.print_json({"results": [row.to_dict() for row in rows]})
        else:
            columns = {"input": "left", "sigma": "right", "95 % interval": "right", "per channel": "right"}
            measured = [(row.input, row.estimate) for row in rows if row.estimate is not None]
            if measured:
                render.print_table(
                    columns,
                    (
                        (
                            name,
                            f"{found.sigma:.4g}" if found.measured else "not measurable",
                            "{:.4g} to {:.4g}".format(*found.sigma_interval) if found.measured else "",
                            "  ".join(f"{sigma:.4g}" for sigma in found.sigma_per_channel) if found.measured else "",
                        )
                        for name, found in measured
                    ),
                )
    if any(row.status == "error" for row in rows):
        raise typer.Exit(FAILED)
