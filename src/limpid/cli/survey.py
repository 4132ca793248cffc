"""The verb ``survey``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limpid.cli.errors import FAILED, RULE_VIOLATED, reported
from limpid.cli.interrupt import unhurried
from limpid.cli.options import Collection, Json, MaxPixels, Quiet, Threads, ValueRange, Verbose, set_up_logging

if TYPE_CHECKING:
    from limpid.workflows.survey import Survey

__all__ = ["survey"]


def survey(
    collection: Collection,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for catalogue and report.", show_default=False)
    ],
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml", help="Rules to be kept; if one is not, the exit status is 3.", show_default=False
        ),
    ] = None,
    value_range: ValueRange = None,
    threads: Threads = None,
    max_pixels: MaxPixels = None,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures", help="Whether the report shows parts of images, which takes up to 20 s."
        ),
    ] = True,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Measure every image of a collection into a table and a report, and find those with the same noise.

    Again with the same DIR, it measures what is new or changed, and goes on where it was interrupted.

    Example: limpid survey holiday/ -o census/
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.workflows import survey as workflow

        with render.progress(quiet=quiet) as bar, unhurried():
            limit = max_pixels or DEFAULT_MAX_PIXELS
            found = workflow.survey(
                collection,
                output,
                rules=rules,
                value_range=value_range,
                threads=threads,
                max_pixels=limit,
                pictures=pictures,
                watcher=bar,
            )
        if json:
            render.print_json(found.to_dict())
        else:
            _print(found)
    if not all(one.passed for one in found.checks):
        raise typer.Exit(RULE_VIOLATED)
    if found.failed:
        raise typer.Exit(FAILED)


def _print(found: Survey) -> None:
    from limpid.cli import render, tables

    render.print_line(f"{found.images} images, {found.failed} of them failed: {found.catalogue}")
    if found.cohorts:
        render.print_table(*tables.cohort_table(found.cohorts))
    for line in tables.insight_lines(found.insight):
        render.print_line(line)
    if found.checks:
        render.print_table(*tables.check_table(found.checks))
    render.print_line(f"Report: {found.report}")
