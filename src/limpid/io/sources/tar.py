"""Tar shards, as WebDataset makes them: each member with the suffix of an image is one."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import partial

from limpid.core.errors import ReadError
from limpid.io.paths import is_image_path
from limpid.io.sources.item import Content, Item, Place

__all__ = ["items"]


def items(place: Place) -> Iterator[Item]:
    """Yield the images of a shard in the order they have in it; only the headers are read."""
    try:
        with place.content.open() as file, tarfile.open(fileobj=file, mode="r:") as shard:
            while (member := shard.next()) is not None:
                if member.isreg() and is_image_path(member.name):
                    load = partial(_load, place.content, member.offset_data, member.size)
                    yield place.part(member.name, size=member.size, load=load)
                shard.members.clear()  # type: ignore[attr-defined] # it would keep all of them
            file.seek(shard.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                yield place.failed("the shard is damaged, or cut short, after the last image listed; restore it.")
    except (tarfile.TarError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        yield place.failed(f"the shard can't be read on ({reason}); shards are plain tar files, not compressed ones.")


def _load(shard: Content, start: int, size: int) -> bytes:
    found = shard.read(start, size)
    if len(found) < size:
        raise ReadError("the shard ends inside it; restore it from its origin.")
    return found
