"""Tar shards, as WebDataset makes them: each member with the suffix of an image is one."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial

from limpid.core.errors import ReadError
from limpid.io.paths import is_image_path
from limpid.io.sources.item import Content, Item, Place

__all__ = ["item", "items"]


def items(place: Place) -> Iterator[Item]:
    """Yield the images of a shard in the order they have in it; only the headers are read.

    Of members with the same name the first one is an image, and each other an item with an error.
    """
    seen: set[int] = set()
    try:
        for member in _members(place.content):
            identity = hash(member.name)
            if identity in seen:
                yield place.failed(f"{member.name} is in it twice, and only the first is read; rename the other.")
                continue
            seen.add(identity)
            yield _item(place, member.name, member.offset_data, member.size)
    except (tarfile.TarError, OSError) as error:
        yield place.failed(_reason(error))


def item(place: Place, member: str) -> Item | None:
    """Return the image of a name; None if there is none."""
    try:
        index, damage = _index(place.content, place.version)
    except OSError as error:
        return place.failed(_reason(error))
    if member in index:
        return _item(place, member, *index[member])
    return None if damage is None else place.failed(damage)


@lru_cache(maxsize=2)
def _index(shard: Content, version: str | None) -> tuple[Mapping[str, tuple[int, int]], str | None]:  # noqa: ARG001
    """Return where each image begins, with its size, and what is wrong with the shard behind them.

    It is kept for as long as the version is the same: those who ask for one image are about to ask for the next.
    """
    found: dict[str, tuple[int, int]] = {}
    try:
        for member in _members(shard):
            found.setdefault(member.name, (member.offset_data, member.size))
    except (tarfile.TarError, _CutShortError) as error:  # what is before the damage is whole
        return found, _reason(error)
    return found, None


def _members(content: Content) -> Iterator[tarfile.TarInfo]:
    with content.open() as file, tarfile.open(fileobj=file, mode="r:") as shard:
        while (member := shard.next()) is not None:
            if member.isreg() and is_image_path(member.name):
                yield member
            shard.members.clear()  # type: ignore[attr-defined] # it would keep all of them
        file.seek(shard.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise _CutShortError


class _CutShortError(OSError):
    """A shard ends before its end mark."""


def _reason(error: tarfile.TarError | OSError) -> str:
    if isinstance(error, _CutShortError):
        return "the shard is damaged, or cut short, after the last image listed; restore it."
    reason = getattr(error, "strerror", None) or error
    return f"the shard can't be read on ({reason}); shards are plain tar files, not compressed ones."


def _item(place: Place, member: str, start: int, size: int) -> Item:
    return place.part(member, size=size, load=partial(_load, place.content, start, size))


def _load(shard: Content, start: int, size: int) -> bytes:
    found = shard.read(start, size)
    if len(found) < size:
        raise ReadError("the shard ends inside it; restore it from its origin.")
    return found
