"""What public functions take as an image."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy.typing as npt

from limpid.core.errors import OptionError
from limpid.core.image import Image
from limpid.io import read_image

__all__ = ["as_image"]


def as_image(
    image: Image | str | PathLike[str] | npt.NDArray[Any],
    *,
    value_range: tuple[float, float] | None = None,
    axes: str | None = None,
) -> Image:
    """Return what any public function takes as an image, as an :class:`Image`."""
    if isinstance(image, Image):
        if value_range is not None or axes is not None:
            raise OptionError("an Image states its own value_range and axes; leave them out.")
        return image
    if isinstance(image, str | PathLike):
        return read_image(image, value_range=value_range)
    return Image.from_array(image, axes=axes, value_range=value_range)
