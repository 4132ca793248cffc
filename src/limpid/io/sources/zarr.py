"""Zarr arrays, of either version of the format, alone or in groups: each plane is an image."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np

from limpid.core.errors import MissingExtraError
from limpid.io.sources.item import Item, Place, failed, uri_of

__all__ = ["items"]

_DTYPES: Final = ("uint8", "uint16", "float32")

#: Names that OME-Zarr gives the axes of a plane.
_PLANE: Final = ("y", "x")


def items(place: Place) -> Iterator[Item]:
    """Yield the planes of all arrays in a store, the last axes moving fastest; of a pyramid, its full resolution.

    Names of axes, where they are stored, have to end in ``y, x``, or in ``y, x, c`` for colour. Without names, an array
    whose last axis is of length 3 is colour. All axes before are planes. What is read is a TIFF file of the pixels.
    """
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("zarr", extra="zarr", purpose="reading Zarr arrays") from error
    try:
        top = zarr.open(place.address, mode="r")
        arrays = [("", top, None)] if isinstance(top, zarr.Array) else list(_arrays(top))
    # Stores and codecs raise what they like.
    except Exception as error:  # noqa: BLE001
        yield place.failed(f"no Zarr array or group ({type(error).__name__}: {error}); check the folder.")
        return
    for path, array, names in arrays:
        yield from _planes(place, path, array, names or getattr(array.metadata, "dimension_names", None))


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


def _planes(place: Place, path: str, array: Any, names: list[str] | None) -> Iterator[Item]:
    shape = tuple(array.shape)
    if names:
        colour = names[-1] == "c" and shape[-1] == 3
        ordered = tuple(names[-3:-1] if colour else names[-2:]) == _PLANE
    else:
        colour = len(shape) > 2 and shape[-1] == 3
        ordered = len(shape) >= 2
    if not ordered or str(array.dtype) not in _DTYPES:
        what = f"shape {shape}, axes {names or 'not named'}, {array.dtype}"
        error = f"no images: {what}; limpid takes axes that end in y, x, of {', '.join(_DTYPES)}."
        yield failed(f"{place.uri}#{uri_of(path)}".removesuffix("#"), error)
        return
    before = shape[: len(shape) - 2 - colour]
    size = math.prod(shape[len(before) :]) * array.dtype.itemsize
    for index in np.ndindex(before):
        member = "/".join([path, ",".join(map(str, index))]).strip("/")
        yield place.part(member, size=size, load=partial(_load, place.address, path, index, colour))


def _load(address: str, path: str, index: tuple[int, ...], colour: bool) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    pixels = np.ascontiguousarray(_array(address, path)[index])
    tifffile.imwrite(buffer, pixels, photometric="rgb" if colour else "minisblack", metadata=None)
    return buffer.getvalue()


@lru_cache(maxsize=4)
def _array(address: str, path: str) -> Any:
    import zarr

    return zarr.open_array(address, path=path, mode="r")
