"""What a call is to do, image by image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from limpid.io.stores import Store, is_url

__all__ = ["Plan", "Planned", "shown", "shown_below"]


class Planned(NamedTuple):
    """One image and its output; or why it has none.

    Attributes
    ----------
    name : str
        The image, as the user would write it.
    uri : str
        The image, see :attr:`limpid.io.sources.Item.uri`.
    output : str
        Way down from the output folder, with ``/``; of no meaning with an error.
    error : str or None
        Why nothing is to be done.
    size, version : int or None, str or None
        Stamp of the image.
    """

    name: str
    uri: str
    output: str
    error: str | None
    size: int | None = None
    version: str | None = None


@dataclass(frozen=True)
class Plan:
    """All images of a call.

    Attributes
    ----------
    images : sequence of Planned
        In the order they are done. It is on disk where it is long.
    store : Store
        The folder that outputs are below, and the record in.
    shown : str
        The same, as the user would write it.
    recorded : bool
        Whether a record is kept; a single named file has none, and outputs in place without a folder of their own.
    single : bool
        Whether the user named the one output file.
    """

    images: Sequence[Planned]
    store: Store
    shown: str
    recorded: bool
    single: bool = False

    def output_of(self, image: Planned) -> str | None:
        """Return the output of an image, as the user would write it."""
        return None if image.error is not None else shown_below(self.shown, image.output)


def shown_below(folder: str, name: str) -> str:
    """Return what lies below a folder, both as the user would write them."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(os.path.normpath(Path(folder, name))))


def shown(address: str) -> str:
    """Return an absolute path from the current folder where it is below that; a URL as it is."""
    here = Path.cwd()
    return str(Path(address).relative_to(here)) if Path(address).is_relative_to(here) else address
