"""What a file holds, from its header alone."""

from __future__ import annotations

from limpid.io.formats import codec_for
from limpid.io.formats.base import ImageInfo
from limpid.io.formats.identify import identify
from limpid.io.source import Source, opened

__all__ = ["probe"]


def probe(source: Source) -> ImageInfo:
    """Return format, shape, axes and pixel type of an image file, without decoding pixels.

    Parameters
    ----------
    source : str, path or bytes
        An image file of any size.

    Raises
    ------
    ReadError
        If it is no image, or one that :func:`~limpid.io.read_image` refuses. A file whose header is whole but
        whose pixel data is cut short passes here.

    Examples
    --------
    >>> import numpy as np
    >>> from limpid.core.image import Image
    >>> from limpid.io import probe, write_image
    >>> folder = getfixture("tmp_path")
    >>> write_image(Image.from_array(np.zeros((4, 6), np.uint16)), folder / "dark.png")
    >>> info = probe(folder / "dark.png")
    >>> info.shape, info.axes, info.dtype
    ((4, 6), 'YX', 'uint16')
    """
    with opened(source) as (file, _):
        return codec_for(identify(file)).probe(file)
