"""The verb ``auto``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from limpid.cli.errors import FAILED, reported
from limpid.cli.interrupt import unhurried
from limpid.cli.options import (
    Collection,
    Json,
    MaxPixels,
    Memory,
    Quiet,
    Seed,
    Threads,
    ValueRange,
    Verbose,
    set_up_logging,
)

if TYPE_CHECKING:
    from limpid.workflows.auto import Autopilot

__all__ = ["auto"]


def auto(
    collection: Collection,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for results and report.", show_default=False),
    ],
    minutes: Annotated[
        float,
        typer.Option(metavar="N", min=0, help="For races and trainings together; 0 trains nothing.", show_default=True),
    ] = 20.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only measure, and say what there is and how long it would take.")
    ] = False,
    seed: Seed = 0,
    value_range: ValueRange = None,
    memory: Memory = None,
    threads: Threads = None,
    max_pixels: MaxPixels = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Find out what denoises each noise of a collection best, do it, and show how good it is.

    Again with the same DIR, it goes on where it was interrupted.

    Example: limpid auto holiday/ -o clean/ --minutes 30
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    with reported(json=json):
        from limpid.cli import render
        from limpid.io import DEFAULT_MAX_PIXELS
        from limpid.workflows.auto import auto as run

        with render.progress(quiet=quiet) as bar, unhurried():
            done = run(
                collection,
                output,
                minutes=minutes,
                dry_run=dry_run,
                seed=seed,
                value_range=value_range,
                threads=threads,
                memory=memory,
                max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
                watcher=bar,
            )
        if json:
            render.print_json(done.to_dict())
        else:
            _print(done)
    if done.failed:
        raise typer.Exit(FAILED)


def _print(done: Autopilot) -> None:
    from limpid.cli import render, tables

    if done.cohorts:
        render.print_table(*tables.course_table(done.cohorts))
    for course in done.cohorts:
        if course.decision is not None:
            render.print_paragraph(f"Cohort {course.cohort.id}: {course.decision.reason}.")
    if done.files is None:
        for line in tables.insight_lines(done.survey.insight):
            render.print_line(line)
    else:
        render.print_line(f"{done.done} images denoised, {done.failed} failed: {done.files.output}")
    render.print_line(f"Report: {done.report}")
