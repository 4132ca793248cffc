"""Pictures of single digits, drawn from the fonts that matplotlib ships: the kind of data small autoencoders learn."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

#: DejaVu, STIX and Computer Modern, each with digits of its own.
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmb10", "cmr10", "cmss10", "cmtt10"),
)

#: A digit is drawn this many times larger and then averaged down, so that its edges are smooth.
OVERSAMPLING = 4

#: Height of a digit as a share of the picture, before it is changed.
HEIGHT = 0.7

#: Largest turn in degrees, shear, change of size along each axis, and shift as a share of the picture.
TURN, SHEAR, ZOOM, SHIFT = 15.0, 0.25, 0.15, 0.08


def digits(count: int, seed: int, size: int = 28) -> npt.NDArray[np.float32]:
    """Return pictures of one digit each, light on dark, each with its own font and affine change.

    Parameters
    ----------
    count : int
        Number of pictures.
    seed : int
        Digit, font and change of every picture follow from it; more pictures begin with the same ones.
    size : int
        Height and width in pixels, about 8 or more.

    Returns
    -------
    float32 array, shape (count, size, size)
        In [0, 1].
    """
    rng = np.random.default_rng(seed)
    side = OVERSAMPLING * size
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    fonts = [_font(folder / f"{name}.ttf", round(HEIGHT * side)) for name in FONTS]
    pictures = [_picture(fonts[rng.integers(len(fonts))], str(rng.integers(10)), side, rng) for _ in range(count)]
    return np.stack(pictures) if pictures else np.empty((0, size, size), np.float32)


def _picture(font: ImageFont.FreeTypeFont, text: str, side: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    canvas = Image.new("L", (side, side))
    left, top, right, bottom = font.getbbox(text)
    ImageDraw.Draw(canvas).text(((side - left - right) / 2, (side - top - bottom) / 2), text, fill=255, font=font)
    turn, shear = math.radians(rng.uniform(-TURN, TURN)), rng.uniform(-SHEAR, SHEAR)
    forth = (
        np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        @ np.array([[1, shear], [0, 1]])
        @ np.diag(rng.uniform(1 - ZOOM, 1 + ZOOM, 2))
    )
    back, middle = np.linalg.inv(forth), np.full(2, side / 2)
    start = middle - back @ (middle + rng.uniform(-SHIFT, SHIFT, 2) * side)  # where the picture's corner comes from
    moved = canvas.transform(
        (side, side), Image.Transform.AFFINE, (*back[0], start[0], *back[1], start[1]), Image.Resampling.BILINEAR
    )
    return np.asarray(moved.reduce(OVERSAMPLING), dtype=np.float32) / 255


def _font(path: Path, height_px: int) -> ImageFont.FreeTypeFont:
    """Return a font in which a zero is `height_px` high."""
    _, top, _, bottom = ImageFont.truetype(path, 1000).getbbox("0")
    return ImageFont.truetype(path, round(1000 * height_px / (bottom - top)))
