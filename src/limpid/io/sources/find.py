"""From addresses to images."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Final, Protocol, cast

from limpid.io.sources.item import Item, Place, address_of, failed, uri_of
from limpid.io.sources.local import nothing_at
from limpid.io.sources.wanted import CONTAINERS, LIST, container_suffix
from limpid.io.stores import is_url

__all__ = ["find_items", "item_of"]

#: Modules that find places by an address, on this machine and elsewhere.
_LOCAL: Final = "limpid.io.sources.local"
_REMOTE: Final = "limpid.io.sources.remote"


class _Store(Protocol):
    """A module that opens up folders and globs."""

    def places(self, address: str, *, outside: str | None) -> Iterator[Place | Item]:
        """Yield the files that an address stands for; what can't be listed is an item with an error."""

    def place(self, address: str) -> Place | Item:
        """Return the file of that very name, or an item that says why there is none."""


class _Container(Protocol):
    """A module that knows what is in one place."""

    def items(self, place: Place) -> Iterator[Item]:
        """Yield the images; what can't be read of it is an item with an error."""

    def item(self, place: Place, member: str) -> Item | None:
        """Return the image of that name, None if there is none; what it takes to find it is kept for the next."""


def find_items(addresses: Iterable[str], *, outside: str | None = None) -> Iterator[Item]:
    """Yield the images that addresses stand for, in the order of the addresses and then of names.

    Parameters
    ----------
    addresses : iterable of str
        Files, folders (with all below them) and globs; tar shards (``.tar``, as WebDataset makes them), Parquet files
        with a column of images (``.parquet``), Zarr arrays (``.zarr``), and lists (``.txt``) of all these; each on this
        machine or anywhere fsspec reaches (``s3://bucket/prefix``).
    outside : str, optional
        A folder whose content is not looked at where it lies below another: the outputs of an earlier run.

    Yields
    ------
    Item
        What can't be listed (a folder without permission, a damaged shard, an address that names nothing) is an item
        with an error, and the stream goes on. What is named twice comes twice.

    Raises
    ------
    MissingExtraError
        If an address needs a package that is not installed.
    """
    for address in addresses:
        yield from _or_nothing(address, _of_address(address, outside))


def item_of(uri: str) -> Item:
    """Return the item of a name that an item once had.

    Parameters
    ----------
    uri : str
        See :attr:`Item.uri`.

    Returns
    -------
    Item
        As :func:`find_items` yields it now; with an error where it is gone.

    Raises
    ------
    MissingExtraError
        If it needs a package that is not installed.
    """
    container, sign, member = uri.partition("#")
    address = address_of(container)
    place = _store(address).place(address)
    if isinstance(place, Item):
        return place
    suffix = container_suffix(address)
    if not sign or suffix is None:
        return place.item()
    return _container(suffix).item(place, address_of(member)) or failed(uri, "it is no longer in there.")


def _or_nothing(address: str, items: Iterator[Item]) -> Iterator[Item]:
    first = next(items, None)
    if first is None:
        yield failed(uri_of(address), nothing_at(address), name=address)
        return
    yield first
    yield from items


def _of_address(address: str, outside: str | None, *, list_folder: str | None = None) -> Iterator[Item]:
    """Yield what an address stands for; one in a list has its place in the folder that the list is in."""
    for place in _store(address).places(address, outside=outside):
        if isinstance(place, Item):
            yield place
            continue
        is_list = PurePath(place.address).suffix.lower() == LIST
        if is_list and list_folder is None:
            yield from _of_list(place, outside)
        elif is_list:
            yield place.failed("a list in a list; name images.")
        elif list_folder is not None and place.address.startswith(list_folder):
            yield from _of_place(replace(place, below=place.address.removeprefix(list_folder)))
        else:
            yield from _of_place(place)


def _of_place(place: Place) -> Iterator[Item]:
    suffix = container_suffix(place.address)
    if suffix is None:
        yield place.item()
    else:
        yield from _container(suffix).items(place)


def _store(address: str) -> _Store:
    return cast("_Store", importlib.import_module(_REMOTE if is_url(address) else _LOCAL))


def _container(suffix: str) -> _Container:
    return cast("_Container", importlib.import_module(CONTAINERS[suffix]))


def _of_list(place: Place, outside: str | None) -> Iterator[Item]:
    from limpid.io.sources.paths import addresses

    folder = f"{place.address.rpartition('/')[0] if place.path is None else Path(place.path).parent}/"
    for address in addresses(place):
        if isinstance(address, Item):
            yield address
        else:
            yield from _or_nothing(address, _of_address(address, outside, list_folder=folder))
