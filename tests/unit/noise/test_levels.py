from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.noise.levels import LEVEL_HALO_PX, level_map
from limpid.noise.models import Gaussian, PoissonGaussian


def _by_definition(tile: np.ndarray, model: PoissonGaussian) -> np.ndarray:
    level = np.empty_like(tile)
    for y in range(tile.shape[0]):
        for x in range(tile.shape[1]):
            box = tile[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4].mean(axis=(0, 1), dtype=np.float64)
            level[y, x] = np.sqrt(model.gain * np.maximum(box - model.offset, 0) + model.read_noise**2)
    return level


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3]), st.integers(0, 9))
def test_level_is_that_of_the_mean_over_the_part_of_the_box_inside(
    height: int, width: int, channels: int, seed: int
) -> None:
    tile = np.random.default_rng(seed).normal(0.1, 0.3, (height, width, channels)).astype(np.float32)
    model = PoissonGaussian(0.04, 0.01)
    np.testing.assert_allclose(level_map(tile, model), _by_definition(tile, model), rtol=1e-4)


def test_inside_of_a_tile_does_not_depend_on_what_lies_beyond_the_halo() -> None:
    image = np.random.default_rng(0).random((40, 40, 1), dtype=np.float32)
    model = PoissonGaussian(0.1, 0.001)
    inside = level_map(image[8:30, 5:31], model)[LEVEL_HALO_PX:-LEVEL_HALO_PX, LEVEL_HALO_PX:-LEVEL_HALO_PX]
    assert np.array_equal(inside, level_map(image, model)[11:27, 8:28])


def test_a_plane_of_many_rows_has_the_levels_of_its_parts_and_so_have_the_planes_of_a_stack() -> None:
    stack = np.random.default_rng(0).random((2, 300, 700, 3), dtype=np.float32)
    model = PoissonGaussian(0.1, 0.001)
    whole = level_map(stack, model)
    assert np.array_equal(whole[1], level_map(stack[1], model))
    assert np.array_equal(whole[0, 100:120], level_map(stack[0, 97:123], model)[3:-3])


def test_gaussian_level_is_sigma_everywhere() -> None:
    level = level_map(np.zeros((5, 6, 3), np.float32), Gaussian(0.25))
    assert level.dtype == np.float32
    assert (level == np.float32(0.25)).all()


def test_level_is_the_one_training_tells_the_networks() -> None:
    torch = pytest.importorskip("torch")
    tile = np.random.default_rng(2).normal(0.05, 0.2, (9, 20, 3)).astype(np.float32)
    nchw = torch.from_numpy(tile.transpose(2, 0, 1)[None].copy())
    signal = torch.nn.functional.avg_pool2d(nchw, 7, stride=1, padding=3, count_include_pad=False).clamp(min=0)
    expected = (0.04 * signal + 0.01).sqrt()[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(level_map(tile, PoissonGaussian(0.04, 0.01)), expected, rtol=1e-4)
