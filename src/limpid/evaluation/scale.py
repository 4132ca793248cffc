"""The one scale that scores are taken on, and the one gray that colour is turned to."""

from __future__ import annotations

from typing import Final

import numpy as np

from limpid.core.errors import ImageError
from limpid.core.image import FloatArray, Image

__all__ = ["LUMA", "PEAK", "luma", "on_scale"]

#: White on the 0-255 scale, on which sigma is told and scores are taken, whatever the files hold.
PEAK: Final = 255.0

#: Luma of ITU-R BT.601, section 2.5.1.
LUMA: Final = (0.299, 0.587, 0.114)


def on_scale(image: Image) -> FloatArray:
    """Return the values on the 0-255 scale, as float32; 8-bit values stay exactly what they are."""
    values = image.values.astype(np.float32)
    if image.value_range == (0.0, PEAK):
        return values
    return (values - np.float32(image.value_range[0])) * np.float32(PEAK / image.span)


def luma(image: Image) -> Image:
    """Return the image in gray by BT.601, rounded where it holds integers; gray images as they are.

    Raises
    ------
    ImageError
        If it has neither one channel nor three.
    """
    if image.channels == 1:
        return image
    if image.channels != 3:
        raise ImageError(
            f"{image.source or 'an image'} has {image.channels} channels; luma is made of 3 (RGB).", source=image.source
        )
    gray = image.values @ np.asarray(LUMA)
    gray = np.rint(gray).astype(image.values.dtype) if image.values.dtype.kind == "u" else gray.astype(np.float32)
    return Image(gray, image.axes.removesuffix("C"), image.value_range, source=image.source)
