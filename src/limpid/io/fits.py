"""Whether a format can hold an image, asked of what its header announces."""

from __future__ import annotations

from collections.abc import Callable

from limpid.core.errors import WriteError
from limpid.io.formats import FORMATS
from limpid.io.formats.base import Format, ImageInfo

__all__ = ["check_fits"]


def check_fits(info: ImageInfo, format: str) -> None:  # noqa: A002 (the public word for it)
    """Refuse a format that would lose pixel type, alpha, planes or channels of an image, or is too small for it.

    :func:`~limpid.io.write_image` asks the same; asked beforehand, nothing is decoded or denoised in vain.

    Parameters
    ----------
    info : ImageInfo
        From :func:`~limpid.io.probe`.
    format : str
        ``png``, ``jpeg``, ``tiff``, ``webp`` or ``avif``.

    Raises
    ------
    WriteError
        The message names what would be lost, and the formats that hold it.
    """
    target = FORMATS[format]
    height, width = info.shape[info.axes.index("Y") :][:2]
    planes = info.pixels // (height * width)
    needs: dict[str, Callable[[Format], bool]] = {
        f"{info.dtype} pixels": lambda f: info.dtype in f.dtypes,
        f"a stack of {planes} planes (axes {info.axes})": lambda f: f.stacks or planes == 1,
        f"{info.channels} channels": lambda f: f.many_channels or info.channels in (1, 3),
        "the alpha channel": lambda f: f.alpha or not info.alpha,
        f"{width} x {height} pixels": lambda f: max(width, height) <= f.max_side,
    }
    lost = [what for what, fits in needs.items() if not fits(target)]
    if lost:
        holding = [f.title for f in FORMATS.values() if all(fits(f) for fits in needs.values())]
        raise WriteError(f"{target.title} can't hold {' and '.join(lost)}; write {' or '.join(holding)} instead.")
