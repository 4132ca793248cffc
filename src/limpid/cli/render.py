"""All printing: results as text or JSON on standard output, progress on standard error."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from limpid.cli.errors import one_line
from limpid.core.plain import plain

__all__ = ["Bar", "print_json", "print_line", "print_paragraph", "print_table", "progress"]


#: Steps that the loss shown is about the mean of.
_LOSS_STEPS: Final = 50


class _Row(Protocol):
    @property
    def input(self) -> str: ...
    @property
    def error(self) -> str | None: ...


class Bar:
    """A progress bar that is told of rows; those with an error are printed at once, above it."""

    def __init__(self, bar: Progress | None, console: Console) -> None:
        self._bar = bar
        self._console = console
        self._task = None if bar is None else bar.add_task("", total=None, speed="")
        self._start: tuple[int, float] | None = None
        self._loss: float | None = None
        self._stage = ""

    def stage(self, text: str) -> None:
        """Begin anew, and say what with."""
        self._start = self._loss = None
        self._stage = f"{text}  "
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, speed=text)
            self._bar.tasks[0].total = None  # to be told nothing leaves it as it was

    def planned(self, count: int) -> None:
        """Set the length of the bar."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=count)

    def advance(self) -> None:
        """Count one more."""
        if self._bar is not None:
            self.reached(int(self._bar.tasks[0].completed) + 1)

    def reached(self, done: int, count: int | None = None) -> None:
        """Set what is done, and the length of the bar where it is given."""
        if self._bar is None or self._task is None:
            return
        task = self._bar.tasks[0]
        self._bar.update(self._task, completed=done, total=count or task.total)
        if task.elapsed and task.completed:
            self._bar.update(self._task, speed=f"{self._stage}{task.completed / task.elapsed:.3g}/s")

    def trained(self, step: int, count: int, loss: float) -> None:
        """Set the steps done and in all, and show the loss: the mean over some steps, since that of one jumps."""
        if self._bar is None or self._task is None:
            return
        elapsed = self._bar.tasks[0].elapsed or 0.0
        # A run that goes on from a checkpoint did the steps before it in another call.
        first, since = self._start = self._start or (step - 1, elapsed)
        self._loss = loss if self._loss is None else self._loss + (loss - self._loss) / _LOSS_STEPS
        rate = f"  {(step - first) / (elapsed - since):.3g} steps/s" if elapsed - since > 1 else ""
        self._bar.update(self._task, completed=step, total=count, speed=f"{self._stage}loss {self._loss:.4g}{rate}")

    def finished(self, row: _Row) -> None:
        """Count one more, and name it if it failed."""
        if row.error is not None:
            line = Text(one_line(f"limpid: {row.input}: {row.error}"))
            self._console.print(line, soft_wrap=True)
        self.advance()


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Bar]:
    """Show a bar with count, speed and time left, if standard error is a terminal."""
    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield Bar(None, console)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Bar(bar, console)


def print_line(text: str) -> None:
    """Print one line on standard output, whatever it holds."""
    Console(highlight=False).print(Text(one_line(text)), soft_wrap=True)


def print_paragraph(text: str) -> None:
    """Print what is said beside a result on standard output: wrapped, and dim where that can be shown."""
    console = Console(highlight=False)
    for line in textwrap.wrap(one_line(text), console.width):
        console.print(Text(line, style="dim"), soft_wrap=True)


def print_table(columns: Mapping[str, str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the columns' values are ``left`` or ``right``.

    It is as wide as it is: a cut path is of no use.
    """
    cells = [list(columns), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    console = Console(highlight=False)
    for number, row in enumerate(cells):
        padded = (
            " " * (width - cell_len(cell)) + cell if side == "right" else cell + " " * (width - cell_len(cell))
            for cell, width, side in zip(row, widths, columns.values(), strict=True)
        )
        console.print(Text("  ".join(padded).rstrip(), style="" if number else "bold"), soft_wrap=True)


def print_json(document: Any) -> None:
    """Print one strict JSON document on standard output; what is not finite becomes null."""
    sys.stdout.write(json.dumps(plain(document), allow_nan=False, indent=2) + "\n")
    sys.stdout.flush()
