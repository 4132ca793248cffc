"""Measure the noise of one image."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy.typing as npt

from limpid.core.image import Image
from limpid.evaluation.plots import noise_plot
from limpid.io.atomic import replacing
from limpid.noise import estimate
from limpid.noise.result import NoiseEstimate
from limpid.workflows.inputs import as_image

__all__ = ["estimate_noise", "write_noise_plot"]


def estimate_noise(
    image: Image | str | PathLike[str] | npt.NDArray[Any],
    *,
    value_range: tuple[float, float] | None = None,
    axes: str | None = None,
    offset: float = 0.0,
) -> NoiseEstimate:
    """Return the noise of an image, measured from that image alone.

    Parameters
    ----------
    image : array, Image, or path
        As in :func:`limpid.denoise`.
    value_range : (float, float), optional
        Values of black and white: needed for floats, the dtype's range otherwise.
    axes : str, optional
        For arrays whose axes are not plain, such as ``ZYX``.
    offset : float
        Value of no light (black level), in the image's own units: needed for the read noise alone.

    Returns
    -------
    NoiseEstimate
        ``sigma``, ``gain`` and ``read_noise`` with their intervals, in the image's own units; ``white``,
        ``correlation``, ``impulse_share``, ``clipped_share``, ``jpeg_blocking``, and ``advice`` in words.

    Raises
    ------
    ImageError, ReadError, OptionError
        If the image or an option can't be used; the message says what to do.

    Examples
    --------
    >>> import numpy as np, limpid
    >>> noisy = np.random.default_rng(0).normal(128, 20, (256, 256)).astype(np.float32)
    >>> round(limpid.estimate_noise(noisy, value_range=(0, 255)).sigma)
    20
    """
    return estimate.estimate_noise(as_image(image, value_range=value_range, axes=axes), offset=offset)


def write_noise_plot(image: Image, noise: NoiseEstimate, path: Path) -> None:
    """Draw what was measured into a PNG file: variance against signal, autocorrelation, histogram.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    WriteError
        If the file can't be written.
    """
    content = noise_plot(image, noise)
    with replacing(path) as file:
        file.write(content)
