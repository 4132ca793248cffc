"""Pictures that compare pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from limpid.core.image import Array

__all__ = ["Panel", "contact_sheet"]

_GAP: Final = 12
_CAPTION: Final = 26
_TITLE: Final = 32
_LINE: Final = 20
_INK: Final = (40, 40, 40)


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet: 8-bit, shape (Y, X) or (Y, X, 3), with a caption below it."""

    values: Array
    caption: str


def contact_sheet(rows: Sequence[Sequence[Panel]], *, heading: Sequence[str] = ()) -> Array:
    """Lay panels out on white, each at its own pixels, captions below.

    Parameters
    ----------
    rows : sequence of sequences of Panel
        The panels of a row stand side by side.
    heading : sequence of str
        Lines above them, the first one larger.

    Returns
    -------
    uint8 array, shape (Y, X, 3)
    """
    from PIL import Image, ImageDraw, ImageFont

    widths = [sum(p.values.shape[1] + _GAP for p in row) + _GAP for row in rows]
    heights = [max(p.values.shape[0] for p in row) + _CAPTION + _GAP for row in rows]
    above = (_TITLE + _LINE * (len(heading) - 1) + _GAP) if heading else 0
    font, large = ImageFont.load_default(size=14), ImageFont.load_default(size=20)
    widths += [2 * _GAP + round((font if k else large).getlength(line)) for k, line in enumerate(heading)]
    sheet = np.full((above + sum(heights) + _GAP, max(widths), 3), 255, dtype=np.uint8)
    captions: list[tuple[int, int, str]] = []
    top = above + _GAP
    for row, height in zip(rows, heights, strict=True):
        left = _GAP
        for panel in row:
            y, x = panel.values.shape[:2]
            sheet[top : top + y, left : left + x] = panel.values if panel.values.ndim == 3 else panel.values[..., None]
            captions.append((left, top + y + 5, panel.caption))
            left += x + _GAP
        top += height
    drawing = Image.fromarray(sheet)
    draw = ImageDraw.Draw(drawing)
    for x, y, text in captions:
        draw.text((x, y), text, fill=_INK, font=font)
    for number, line in enumerate(heading):
        y = _GAP if number == 0 else _GAP + _TITLE + _LINE * (number - 1)
        draw.text((_GAP, y), line, fill=_INK, font=font if number else large)
    return np.asarray(drawing)
