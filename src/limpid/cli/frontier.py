"""What ``benchmark --frontier`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from limpid.cli.errors import reported
from limpid.cli.interrupt import unhurried

if TYPE_CHECKING:
    from limpid.evaluation.frontier import FrontierRow

__all__ = ["FOLDER", "frontier", "refuse_beside_frontier"]

#: Where its files go unless told.
FOLDER: Final = "limpid-frontier"


def refuse_beside_frontier(options: Mapping[str, object]) -> None:
    """Refuse options that the frontier has no use for: it measures what it measures, as published.

    Parameters
    ----------
    options : mapping of str to object
        What was given for each; what is false was not.

    Raises
    ------
    typer.BadParameter
        If one was.
    """
    given = [name for name, value in options.items() if value]
    if given:
        raise typer.BadParameter(
            f"it goes with --data, --sigma, --seed, --threads and --output, not with {', '.join(given)}.",
            param_hint="--frontier",
        )


def frontier(
    data: Sequence[str] | None,
    output: Path | None,
    *,
    sigma: Sequence[float] | None,
    seed: int,
    threads: int | None,
    json: bool,
    quiet: bool,
) -> None:
    """Measure, write and tell."""
    with reported(json=json), unhurried():
        from limpid.cli import render, tables
        from limpid.workflows.benchmark import DEFAULT_SIGMAS
        from limpid.workflows.frontier import FRONTIER_DATA
        from limpid.workflows.frontier import frontier as run

        with render.progress(quiet=quiet) as bar:
            done = 0

            def on_row(_: FrontierRow, count: int) -> None:
                nonlocal done
                done += 1
                bar.reached(done, count)

            found = run(
                output or FOLDER,
                data=data or FRONTIER_DATA,
                sigma=sigma or DEFAULT_SIGMAS,
                seed=seed,
                threads=threads,
                on_row=on_row,
            )
        if json:
            render.print_json(found.to_dict())
            return
        render.print_table(*tables.frontier_table(found))
        render.print_line("")
        for line in tables.frontier_lines(found):
            render.print_line(line)
        render.print_paragraph(tables.protocol_text(found.protocol))
        render.print_line(f"written: {', '.join(str(path) for path in found.files)}")
