"""An image as one value: pixels together with what they mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from limpid.core.arguments import is_range
from limpid.core.errors import ImageError

__all__ = ["Array", "FloatArray", "Image", "Metadata", "Provenance", "to_unit"]

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]

#: Letters `Image.axes` may hold: time, unspecified sequence (pages of a file), depth, height, width, channel.
_AXES: Final = "TIZYXC"


@dataclass(frozen=True)
class Provenance:
    """One processing step an image has been through. It holds no time, so that equal runs give equal bytes.

    Attributes
    ----------
    software : str
        Name and version, such as ``limpid 0.1.0``.
    operation : str
        What was done, such as ``denoise``.
    parameters : mapping
        What decided the result (model, its SHA-256, sigma, strength, ...); values are JSON scalars or lists.
    """

    software: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metadata:
    """What a file says about its pixels, carried through untouched.

    Attributes
    ----------
    exif, icc, xmp : bytes or None
        The blocks as stored in the file, without container headers. EXIF holds the orientation; pixels are
        never turned.
    resolution : (float, float) or None
        Pixels per inch, horizontal and vertical.
    provenance : tuple of Provenance
        Steps so far, oldest first.
    extras : mapping
        What only one format knows (JPEG subsampling, TIFF tags, text entries), by name of that format.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    resolution: tuple[float, float] | None = None
    provenance: tuple[Provenance, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels with axes, value range, unit and metadata.

    Attributes
    ----------
    values : array
        uint8, uint16 or float32. Read-only: a step that changes pixels makes a new image.
    axes : str
        One letter per axis of `values`: ``Y`` and ``X`` last but for an optional ``C``, before them any of
        ``T`` (time), ``I`` (pages), ``Z`` (depth). Examples: ``YX``, ``YXC``, ``ZYX``, ``TYXC``.
    value_range : (float, float)
        Values of black and white. Pixels may lie outside it.
    unit : str or None
        Unit of the values where the file states one (``HU``, ``adu``, ...).
    alpha : array or None
        Opacity, same shape as `values` without ``C``; never denoised.
    metadata : Metadata
        What the file says besides pixels.
    source : str or None
        Path or id the pixels came from, for messages.

    Raises
    ------
    ImageError
        If axes don't fit the array, the dtype is not one of the three, or the range is empty.
    """

    values: Array
    axes: str
    value_range: tuple[float, float]
    unit: str | None = None
    alpha: Array | None = None
    metadata: Metadata = field(default_factory=Metadata)
    source: str | None = None

    def __post_init__(self) -> None:
        if len(self.axes) != self.values.ndim:
            raise self._error(f"axes {self.axes!r} name {len(self.axes)} axes, the array has {self.values.ndim}.")
        if not self.axes.removesuffix("C").endswith("YX") or self.axes != "".join(a for a in _AXES if a in self.axes):
            raise self._error(f"axes {self.axes!r} are not T, I, Z (each optional), YX, C (optional), in this order.")
        if self.values.dtype not in (np.uint8, np.uint16, np.float32):
            raise self._error(f"dtype {self.values.dtype} is not uint8, uint16 or float32; convert the array first.")
        if 0 in self.values.shape:
            raise self._error(f"shape {self.values.shape} holds no pixels.")
        if not is_range(self.value_range):
            raise self._error(f"value_range must be (low, high) with low < high, got {self.value_range!r}.")
        if self.alpha is not None and self.alpha.shape != self.values.shape[: len(self.axes.removesuffix("C"))]:
            raise self._error(f"alpha has shape {self.alpha.shape}, the pixels have {self.values.shape}.")
        values = self.values.view()
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @classmethod
    def from_array(
        cls,
        array: npt.ArrayLike,
        *,
        axes: str | None = None,
        value_range: tuple[float, float] | None = None,
        unit: str | None = None,
    ) -> Self:
        """Wrap an array.

        Parameters
        ----------
        array : array_like
            Boolean (becomes uint8, 0 and 255), uint8, uint16, or any float (becomes float32). Other byte orders
            become the machine's own.
        axes : str, optional
            As :attr:`Image.axes`. Without it, 2 axes are ``YX`` and 3 axes ending in 3 are ``YXC``; anything
            else must be told.
        value_range : (float, float), optional
            Values of black and white. Integers default to their dtype's range; floats need it.
        unit : str, optional
            Unit of the values.

        Raises
        ------
        ImageError
            If dtype, axes or range can't be known from what was given.
        """
        values = np.asarray(array)
        if values.dtype == np.bool_:
            values = values.astype(np.uint8) * np.uint8(255)
        kind = values.dtype.kind
        if kind not in "uf" or (kind == "u" and values.dtype.itemsize > 2):
            raise ImageError(
                f"dtype {values.dtype} can't be denoised as it is: its range is not known; convert to uint8 or uint16, "
                "or to a float dtype with value_range=(low, high)."
            )
        values = values.astype(np.float32 if kind == "f" else values.dtype.newbyteorder("="), copy=False)
        if value_range is None:
            if kind == "f":
                raise ImageError(
                    "float pixels have no range of their own; pass value_range=(low, high), the values of black and "
                    "white, such as (0, 1)."
                )
            value_range = (0.0, float(np.iinfo(values.dtype).max))
        return cls(values, axes or _guess_axes(values.shape), value_range, unit)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Return the pixels, so that ``numpy.asarray(image)`` and plotting libraries take an image as it is."""
        return np.array(self.values, dtype=dtype, copy=copy)

    @property
    def channels(self) -> int:
        """Number of channels; 1 where there is no ``C`` axis."""
        return int(self.values.shape[-1]) if self.axes.endswith("C") else 1

    @property
    def span(self) -> float:
        """Width of the value range: what PSNR calls the peak, and what sigma is divided by."""
        return self.value_range[1] - self.value_range[0]

    def planes(self) -> Array:
        """Return the pixels as (N, Y, X, C): every axis before ``YX`` merged, a view where possible."""
        with_channel = self.values if self.axes.endswith("C") else self.values[..., None]
        return with_channel.reshape(-1, *with_channel.shape[-3:])

    def stacks(self) -> Array:
        """Return the pixels as (N, D, Y, X, C), a view where possible.

        D is the axis before ``YX``: ``Z`` where there is one, else ``I``, else ``T``; 1 where there is none.
        """
        planes, y = self.planes(), self.axes.index("Y")
        return planes.reshape(-1, self.values.shape[y - 1] if y else 1, *planes.shape[1:])

    def unit_planes(self) -> FloatArray:
        """Return the pixels as float32, shape (N, Y, X, C), scaled so that the value range is ``[0, 1]``."""
        return to_unit(self.planes(), self.value_range)

    def with_planes(self, planes: Array, *, step: Provenance | None = None) -> Image:
        """Return this image with other pixels.

        Parameters
        ----------
        planes : array, shape (N, Y, X, C)
            As returned by :meth:`planes`, of the dtype of :attr:`values`.
        step : Provenance, optional
            Appended to the metadata.
        """
        if planes.dtype != self.values.dtype:
            raise self._error(f"planes of dtype {planes.dtype} can't replace values of dtype {self.values.dtype}.")
        metadata = self.metadata
        if step is not None:
            metadata = dataclasses.replace(metadata, provenance=(*metadata.provenance, step))
        return dataclasses.replace(self, values=planes.reshape(self.values.shape), metadata=metadata)

    def _error(self, message: str) -> ImageError:
        return ImageError(f"{self.source}: {message}" if self.source else message, source=self.source)


def to_unit(pixels: Array, value_range: tuple[float, float]) -> FloatArray:
    """Return a copy of pixels as float32, scaled so that the value range is ``[0, 1]``."""
    low, high = value_range
    values: FloatArray = pixels.astype(np.float32)
    values -= np.float32(low)
    values /= np.float32(high - low)
    return values


def _guess_axes(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3 and shape[-1] == 3:
        return "YXC"
    raise ImageError(
        f"the axes of an array of shape {shape} are ambiguous; pass axes=, such as 'ZYX' for a stack or 'YXC' for "
        "channels."
    )
