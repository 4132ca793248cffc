"""Zarr arrays, of either version of the format, alone or in groups: each plane is an image."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np

from limpid.core.errors import MissingExtraError
from limpid.io.sources.item import Item, Place, failed, uri_of

__all__ = ["item", "items"]

_DTYPES: Final = ("uint8", "uint16", "float32")

#: Names that OME-Zarr gives the axes of a plane.
_PLANE: Final = ("y", "x")


def items(place: Place) -> Iterator[Item]:
    """Yield the planes of all arrays in a store, the last axes moving fastest; of a pyramid, its full resolution.

    Names of axes, where they are stored, have to end in ``y, x``, or in ``y, x, c`` for colour. Without names, an array
    whose last axis is of length 3 is colour. All axes before are planes. What is read is a TIFF file of the pixels.
    """
    arrays = _opened(place.address, place.version)
    if isinstance(arrays, str):
        yield place.failed(arrays)
        return
    for path, array, names in arrays:
        colour = _is_colour(array, names)
        if colour is None:
            shown = f"shape {tuple(array.shape)}, axes {names or 'not named'}, {array.dtype}"
            error = f"no images: {shown}; limpid takes axes that end in y, x, of {', '.join(_DTYPES)}."
            yield failed(f"{place.uri}#{uri_of(path)}".removesuffix("#"), error)
            continue
        for index in np.ndindex(array.shape[: array.ndim - 2 - colour]):
            yield _item(place, path, array, index, colour)


def item(place: Place, member: str) -> Item | None:
    """Return the plane of a name; None if there is none."""
    arrays = _opened(place.address, place.version)
    if isinstance(arrays, str):
        return place.failed(arrays)
    for path, array, names in arrays:
        colour = _is_colour(array, names)
        before = () if colour is None else array.shape[: array.ndim - 2 - colour]
        if colour is not None and member.startswith(path):
            index = _index(member.removeprefix(path).lstrip("/"))
            if len(index) == len(before) and all(one in range(most) for one, most in zip(index, before, strict=True)):
                return _item(place, path, array, index, colour)
    return None


#: Path in the store, the array, and the names of its axes if they are known.
_Named = tuple[str, Any, "Sequence[str] | None"]


@lru_cache(maxsize=4)
def _opened(address: str, version: str | None) -> list[_Named] | str:  # noqa: ARG001 (another, if it changed)
    """Return the arrays of a store, or why there are none."""
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("zarr", extra="zarr", purpose="reading Zarr arrays") from error
    try:
        top = zarr.open(address, mode="r")
        arrays = [("", top, None)] if isinstance(top, zarr.Array) else list(_arrays(top))
        return [(path, one, names or getattr(one.metadata, "dimension_names", None)) for path, one, names in arrays]
    # Stores and codecs raise what they like.
    except Exception as error:  # noqa: BLE001
        return f"no Zarr array or group ({type(error).__name__}: {error}); check the folder."


def _arrays(group: Any) -> Iterator[tuple[str, Any, list[str] | None]]:
    """Yield path, array and names of axes of what is in a group; of a pyramid, the first level alone."""
    levels: dict[str, list[str]] = {}
    lower: set[str] = set()
    everything = dict(group.members(max_depth=None))
    for path, node in {"": group, **everything}.items():
        for pyramid in _pyramids(node):
            first, *others = (f"{path}/{one['path']}".strip("/") for one in pyramid["datasets"])
            levels[first] = [axis["name"] for axis in pyramid.get("axes", [])]
            lower.update(others)
    for path, node in sorted(everything.items()):
        if hasattr(node, "shape") and path not in lower:
            yield path, node, levels.get(path)


def _pyramids(node: Any) -> list[Mapping[str, Any]]:
    """Return what OME-NGFF's metadata say of a group: in a key of its own since version 0.5."""
    attributes = node.attrs.asdict()
    found: list[Mapping[str, Any]] = attributes.get("ome", attributes).get("multiscales", [])
    return found


def _is_colour(array: Any, names: Sequence[str] | None) -> bool | None:
    """Return whether the last axis of an array is colour; None if its last axes are no planes."""
    shape = tuple(array.shape)
    if names:
        colour = names[-1] == "c" and shape[-1] == 3
        ordered = tuple(names[-3:-1] if colour else names[-2:]) == _PLANE
    else:
        colour = len(shape) > 2 and shape[-1] == 3
        ordered = len(shape) >= 2
    return colour if ordered and str(array.dtype) in _DTYPES else None


def _index(text: str) -> tuple[int, ...]:
    """Return the place of a plane among the others; -1 for what is no number."""
    return tuple(int(part) if part.isdecimal() else -1 for part in text.split(",")) if text else ()


def _item(place: Place, path: str, array: Any, index: tuple[int, ...], colour: bool) -> Item:
    member = "/".join([path, ",".join(map(str, index))]).strip("/")
    size = math.prod(array.shape[array.ndim - 2 - colour :]) * array.dtype.itemsize
    load = partial(_load, place.address, place.version, path, index, colour)
    return place.part(member, size=size, load=load, below=f"{member or 'plane'}.tif")


def _load(address: str, version: str | None, path: str, index: tuple[int, ...], colour: bool) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    pixels = np.ascontiguousarray(_array(address, version, path)[index])
    tifffile.imwrite(buffer, pixels, photometric="rgb" if colour else "minisblack", metadata=None)
    return buffer.getvalue()


@lru_cache(maxsize=4)
def _array(address: str, version: str | None, path: str) -> Any:  # noqa: ARG001 (another, if it changed)
    import zarr

    return zarr.open_array(address, path=path, mode="r")
