"""The verb ``assess``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limpid.cli.errors import FAILED, reported
from limpid.cli.options import AllowPickle, Json, MaxPixels, Quiet, ValueRange, Verbose, set_up_logging

if TYPE_CHECKING:
    from limpid.evaluation.reference_free.assessment import Assessment
    from limpid.workflows.assess_files import FileAssessment

__all__ = ["assess"]


def assess(
    noisy: Annotated[
        str, typer.Argument(metavar="NOISY", help="A file, or a folder with all below it.", show_default=False)
    ],
    denoised: Annotated[
        str | None,
        typer.Argument(
            metavar="[DENOISED]", help="The denoised file, or the folder that mirrors NOISY.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="Denoise with it and assess, in place of DENOISED; or what made DENOISED, where it doesn't say.",
            show_default="as DENOISED says",
        ),
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Noise level in the file's own units, where it is known.", show_default="measured"
        ),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The same, as printed by: limpid noise IMAGE --json.", show_default=False),
    ] = None,
    repeat: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Another exposure of the same scene; may be given again.", show_default=False
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Write a proof sheet; a folder for several images.", show_default=False),
    ] = None,
    allow_pickle: AllowPickle = False,
    value_range: ValueRange = None,
    max_pixels: MaxPixels = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Tell how good denoised images are, without clean ones.

    The error is estimated with a 90 % interval by running the denoiser again, as the file's provenance says.

    Examples: limpid assess noisy.png clean.png --sheet proof.png

    limpid assess noisy.png --model fast
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.workflows.assess_files import assess_files

        with render.progress(quiet=quiet) as bar:
            rows = assess_files(
                noisy,
                denoised,
                model=model,
                allow_pickle=allow_pickle,
                sigma=sigma,
                noise=noise,
                repeats=repeat or (),
                value_range=value_range,
                max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
                sheet=sheet,
                watcher=bar,
            )
        if json:
            render.print_json({"results": [row.to_dict() for row in rows]})
        else:
            _print(rows)
    if any(row.status == "error" for row in rows):
        raise typer.Exit(FAILED)


def _print(rows: list[FileAssessment]) -> None:
    from limpid.cli import render
    from limpid.cli.tables import assessment_table, tests_table

    if len(rows) == 1 and rows[0].found is not None:
        name, found = rows[0].input, rows[0].found
        render.print_line(f"{name}: {found.verdict}; {_estimate(found)}")
        render.print_paragraph(found.explanation)
        if found.tests:
            render.print_table(*tests_table(found))
    elif any(row.found is not None for row in rows):
        render.print_table(*assessment_table(rows))


def _estimate(found: Assessment) -> str:
    if found.psnr is None or found.psnr_interval is None:
        return f"PSNR can't be estimated: {found.reason}"
    low, high = found.psnr_interval
    return f"PSNR {found.psnr:.2f} dB (90 %: {low:.2f} to {high:.2f})"
