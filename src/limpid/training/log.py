"""The log of a run: a row for each check."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from torch import nn

from limpid.io.atomic import replacing

__all__ = ["LOG", "Observer", "read_log", "write_row"]

#: Name of the log in the folder of a run.
LOG: Final = "log.csv"


class Observer(Protocol):
    """Who wants to know of each check."""

    def __call__(self, step: int, figures: Mapping[str, float], network: nn.Module) -> None:
        """Steps done, mean loss since the check before and figures of the validation, the averaged network."""
        ...


def read_log(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the log in the folder of a run; none where there is no log."""
    path = folder / LOG
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_row(folder: Path, step: int, figures: Mapping[str, float]) -> None:
    """Add the row of a check.

    Rows of this step and later ones go: a run that was killed after its row was written, and before its checkpoint was,
    makes those steps again. The file appears whole or not at all.
    """
    row = {"step": str(step), **{name: str(round(value, 5)) for name, value in figures.items()}}
    rows = [old for old in read_log(folder) if int(old["step"]) < step]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(key for one in [*rows, row] for key in one)))
    writer.writeheader()
    writer.writerows([*rows, row])
    with replacing(folder / LOG) as file:
        file.write(text.getvalue().encode())
