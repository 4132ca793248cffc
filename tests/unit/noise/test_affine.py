"""The line of variance over signal."""

import numpy as np
import pytest

from limpid.noise.affine import fit_line
from limpid.noise.blocks import BAND_COUNTS


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rounding", [1e-30, 1e-26])
def test_blocks_that_hold_nothing_but_rounding_have_no_gain(rounding):
    """Large even parts of drawings and skies: their energy is 0, or what a transform in float32 leaves."""
    energy = np.full((len(BAND_COUNTS), 2048), rounding, np.float32)
    energy[:, :64] = 0
    line = fit_line(np.linspace(0, 1, 2048).astype(np.float32), energy, step=8)
    assert line.gain == 0
    assert 0 <= line.floor < 2 * rounding
