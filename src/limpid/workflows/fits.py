"""Whether an output can hold an image, asked of the image's header before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from limpid.core.errors import WriteError
from limpid.io import SUFFIXES, ImageInfo
from limpid.io.formats import FORMATS
from limpid.io.formats.base import Format

__all__ = ["check_output_holds"]


def check_output_holds(info: ImageInfo, output: Path) -> None:
    """Refuse an output whose format would lose pixel type, alpha, planes or channels of the input.

    :func:`limpid.io.write_image` refuses the same, but only once the image is denoised.

    Parameters
    ----------
    info : ImageInfo
        Of the input.
    output : Path
        One without the suffix of an image keeps the input's format.

    Raises
    ------
    WriteError
        The message names what would be lost, and the formats that hold it.
    """
    target = FORMATS[SUFFIXES.get(output.suffix.lower(), info.format)]
    needs: dict[str, Callable[[Format], bool]] = {
        f"{info.dtype} pixels": lambda f: info.dtype in f.dtypes,
        f"a stack (axes {info.axes})": lambda f: f.stacks or info.axes in ("YX", "YXC"),
        f"{info.channels} channels": lambda f: f.many_channels or info.channels in (1, 3),
        "the alpha channel": lambda f: f.alpha or not info.alpha,
    }
    lost = [what for what, fits in needs.items() if not fits(target)]
    if lost:
        holding = [f.title for f in FORMATS.values() if all(fits(f) for fits in needs.values())]
        raise WriteError(f"{target.title} can't hold {' and '.join(lost)}; write {' or '.join(holding)} instead.")
