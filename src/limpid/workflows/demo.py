"""Thirty seconds, no data needed: noise added to pictures that scikit-image ships, and removed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from limpid.core.image import Array, Image
from limpid.evaluation.figures import Panel, contact_sheet
from limpid.evaluation.metrics import psnr
from limpid.io import write_image
from limpid.io.paths import created_folder
from limpid.noise.models import Gaussian
from limpid.workflows.denoise import run_denoise
from limpid.workflows.models import load_model

__all__ = ["DEMO_PICTURES", "Demo", "DemoRow", "run_demo"]

#: Public-domain or CC0 pictures inside scikit-image's wheel, each with the corner (y, x) of its crop for the sheet.
DEMO_PICTURES: Final = {"astronaut": (20, 110), "chelsea": (20, 90), "coffee": (70, 180), "camera": (50, 130)}

_CROP: Final = 256


@dataclass(frozen=True)
class DemoRow:
    """What happened to one picture.

    Attributes
    ----------
    picture : str
        Its name in ``skimage.data``.
    sigma : float
        Noise added, on the 0-255 scale.
    sigma_measured : float
        What was measured from the noisy picture alone and told to the network.
    psnr_noisy, psnr_denoised : float
        In dB, over all channels.
    seconds : float
        Measuring and denoising.
    """

    picture: str
    sigma: float
    sigma_measured: float
    psnr_noisy: float
    psnr_denoised: float
    seconds: float


@dataclass(frozen=True)
class Demo:
    """The rows, and where the side-by-side picture is."""

    rows: tuple[DemoRow, ...]
    sheet: Path


def run_demo(
    folder: Path,
    *,
    sigma: float = 25.0,
    model: str = "auto",
    seed: int = 0,
    on_picture: Callable[[DemoRow], None] | None = None,
) -> Demo:
    """Add noise to a few pictures, denoise them blind, and write ``demo.png`` beside their scores.

    Parameters
    ----------
    folder : Path
        Created where it does not exist.
    sigma : float
        Noise to add, on the 0-255 scale; the result is rounded to 8 bits, as a camera's would be.
    model : str
        As in :func:`limpid.load_model`.
    seed : int
        Of the noise.
    on_picture : callable, optional
        Called with each row as it is done.

    Raises
    ------
    WriteError
        If the folder can't be written to.
    """
    import skimage.data

    denoiser = load_model(model)
    rng = np.random.default_rng(seed)
    rows: list[DemoRow] = []
    panels: list[list[Panel]] = []
    for name, corner in DEMO_PICTURES.items():
        clean: Array = getattr(skimage.data, name)()
        noisy = np.clip(np.rint(Gaussian(sigma).sample(clean.astype(np.float32), rng=rng)), 0, 255).astype(np.uint8)
        result = run_denoise(Image.from_array(noisy), denoiser)
        denoised = np.asarray(result.image)
        before, after = (psnr(x, clean, data_range=255) for x in (noisy, denoised))
        measured = float(np.sqrt(np.mean(np.square(result.sigma))))
        rows.append(DemoRow(name, sigma, measured, before, after, result.seconds))
        window = tuple(slice(c, c + _CROP) for c in corner)
        panels.append(
            [
                Panel(noisy[window], f"{name}, noisy: {before:.2f} dB"),
                Panel(denoised[window], f"denoised: {after:.2f} dB"),
                Panel(clean[window], "original"),
            ]
        )
        if on_picture is not None:
            on_picture(rows[-1])
    sheet = created_folder(folder) / "demo.png"
    write_image(Image.from_array(contact_sheet(panels)), sheet)
    return Demo(tuple(rows), sheet)
