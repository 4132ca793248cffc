from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
from skimage import data

from limpid.core.image import Image
from limpid.evaluation.plots import noise_plot
from limpid.noise.estimate import estimate_noise


@pytest.mark.parametrize(
    "values",
    [
        data.astronaut()[:200, :300],
        np.random.default_rng(0).normal(0.5, 0.1, (64, 64)).astype(np.float32),
        np.zeros((3, 5), np.uint8),
        np.full((40, 40), np.nan, np.float32),
    ],
    ids=["colour", "float", "tiny", "nothing finite"],
)
def test_every_image_gives_a_picture(values: np.ndarray) -> None:
    image = Image.from_array(values, value_range=(0, 1) if values.dtype.kind == "f" else None)
    content = noise_plot(image, estimate_noise(image))
    drawn = PIL.Image.open(io.BytesIO(content))
    assert drawn.size == (1430, 462)
    assert content == noise_plot(image, estimate_noise(image))
