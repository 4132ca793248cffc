"""Lists of addresses: one in a line, or ended by the character 0 as ``find -print0`` does, for any name at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from limpid.io.sources.item import Item, Place

__all__ = ["addresses"]

_READ_BYTES: Final = 1 << 16


def addresses(place: Place) -> Iterator[str | Item]:
    """Yield what a list names; relative paths count from its own folder.

    Empty lines are left out. Names are taken as they are, without quotes or escapes.
    """
    try:
        with place.content.open() as file:
            for line in _lines(file):
                if line:
                    yield _from(place.name, os.fsdecode(line))
    except OSError as error:
        yield place.failed(f"the list can't be read: {error.strerror or error}.")


def _from(name: str, line: str) -> str:
    if "://" in line:
        return line
    if "://" in name:
        return f"{name.rpartition('/')[0]}/{line}"
    return str(Path(name).parent / line)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    block = file.read(_READ_BYTES)
    end = b"\x00" if b"\x00" in block else b"\n"
    rest = b""
    while block:
        *whole, rest = (rest + block).split(end)
        yield from (line.removesuffix(b"\r") for line in whole)
        block = file.read(_READ_BYTES)
    yield rest
