from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from limpid.noise.impulses import find, impulse_share, repair

SIDE = 256


def _noise(sigma: float, shape: tuple[int, ...] = (SIDE, SIDE), *, seed: int = 0) -> np.ndarray:
    return sigma * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def _stored(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _some(shape: tuple[int, ...], share: float, *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) < share


def _star(width: float, y: float, x: float, side: int = 15) -> np.ndarray:
    """Return a Gaussian of height 1 and the given width at half height, sampled finely and added up in pixels."""
    fine = (np.arange(side * 9) + 0.5) / 9 - 0.5
    along = [np.exp(-4 * np.log(2) * ((fine - at) / width) ** 2).reshape(side, 9).mean(axis=1) for at in (y, x)]
    star = np.outer(*along)
    return star / star.max()


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("sigma", [2, 8])
def test_hot_and_dead_pixels_in_smooth_areas_are_found(sigma: float, polarity: int) -> None:
    ramp = np.add.outer(np.linspace(60, 140, SIDE), np.linspace(0, 40, SIDE))
    added = _some(ramp.shape, 2e-3)
    found = find((ramp + _noise(sigma) + polarity * 11 * sigma * added).astype(np.float32), sigma)
    assert found[added].mean() > 0.95
    assert not found[~added].any()


@pytest.mark.parametrize("name", ["camera", "moon", "coins"])
def test_salt_and_pepper_on_photographs_is_found(name: str) -> None:
    before = _stored(getattr(data, name)() + _noise(2, getattr(data, name)().shape))
    after = before.copy()
    after[_some(before.shape, 0.005)], after[_some(before.shape, 0.005, seed=2)] = 255, 0
    added = np.abs(after.astype(int) - before) > 20
    found = find(after, 2)
    assert found[added].mean() > 0.95
    assert found[after == before].sum() <= find(before, 2).sum() + 2


def test_salt_and_pepper_in_smooth_areas_is_found_next_to_each_other_too() -> None:
    values = _stored(128 + _noise(5))
    added = _some(values.shape, 0.01)
    values[added] = np.where(_some((int(added.sum()),), 0.5), 255, 0)
    found = find(values, 5)
    assert found[added].mean() > 0.99
    assert not found[~added].any()


def test_two_side_by_side_are_found_but_a_line_is_not() -> None:
    for offset in ((0, 1), (1, 0), (1, 1), (1, -1)):
        for length in (1, 2, 3, 6):
            values = 100 + _noise(1, (21, 21))
            places = tuple((10 + np.arange(length)[:, None] * np.array(offset)).T)
            values[places] += 50
            assert find(values, 1).sum() == (length if length < 3 else 0)


@pytest.mark.parametrize("sigma", [5, 10, 25])
@pytest.mark.parametrize("name", ["camera", "moon", "coins", "astronaut", "chelsea", "rocket"])
def test_photographs_hold_next_to_none(name: str, sigma: float) -> None:
    clean = getattr(data, name)().astype(np.float32)
    values = _stored(clean + _noise(sigma, clean.shape))
    assert find(values[None], sigma).sum() <= 1 + 2e-5 * values.size


def test_noise_alone_holds_none() -> None:
    assert not find(_noise(3, (4, 512, 512)), 3).any()


@pytest.mark.parametrize("width", [1.5, 2, 3])
@pytest.mark.parametrize("height", [20, 100, 5000])
def test_stars_are_not_found(width: float, height: float) -> None:
    rng = np.random.default_rng(0)
    fields = [height * _star(width, *(7 + rng.uniform(-0.5, 0.5, 2))) for _ in range(100)]
    assert find((fields + _noise(1, (100, 15, 15))).astype(np.float32), 1).sum() <= 1


def test_edges_corners_and_bad_neighbours_do_not_hide_an_impulse() -> None:
    values = 100 + _noise(1, (20, 30))
    places = ([0, 0, 19, 10, 10], [0, 15, 29, 29, 10])
    values[places] += 60
    values[9, 9], values[9, 10], values[5, 5] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(np.argwhere(find(values, 1)), sorted(zip(*places, strict=True)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (2, 1, 1, 3)])
def test_small_images_are_no_error(shape: tuple[int, ...]) -> None:
    for values in (np.zeros(shape, np.uint8), np.full(shape, np.nan, np.float32)):
        assert not find(values, 0).any()
        assert impulse_share(values, 0) == 0


def test_sigma_may_differ_from_pixel_to_pixel() -> None:
    sigma = np.repeat([[1.0, 20.0]], SIDE // 2, axis=1) * np.ones((SIDE, 1))
    added = _some(sigma.shape, 2e-3)
    found = find(_noise(1) + 100 * added.astype(np.float32), sigma)
    left = np.arange(SIDE) < SIDE // 2
    assert found[added & left].mean() > 0.95
    assert not found[~left | ~added].any()


def test_each_plane_and_channel_is_judged_by_itself() -> None:
    values = 100 + _noise(1, (2, 40, 50, 3))
    values[1, 20, 30, 2] += 50
    assert np.argwhere(find(values, 1)).tolist() == [[1, 20, 30, 2]]
    assert impulse_share(values, 1) == 1 / values.size


@pytest.mark.parametrize("rows", [512, 4096])
def test_share_is_that_of_the_pixels(rows: int) -> None:
    values = 100 + _noise(1, (rows, 512))
    added = _some(values.shape, 5e-3)
    values[added] += 100
    assert impulse_share(values, 1) == pytest.approx(5e-3, rel=0.05)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_repair_takes_the_median_of_good_neighbours_and_touches_nothing_else(dtype: type) -> None:
    values = np.arange(25).reshape(5, 5).astype(dtype)
    values[2, 2], values[2, 3] = 200, 250
    mask = values >= 200
    repaired = repair(values, mask)
    assert repaired.dtype == dtype
    assert repaired[2, 2] == np.median([6, 7, 8, 11, 16, 17, 18])
    np.testing.assert_array_equal(repaired[~mask], values[~mask])
    assert values[2, 2] == 200


def test_repair_fills_holes_from_the_rim_and_leaves_what_has_no_rim() -> None:
    values = np.full((2, 12, 12, 2), 7, np.float32)
    mask = np.zeros(values.shape, np.bool_)
    mask[0, 2:9, 2:9, 1] = mask[1, ..., 0] = True
    values[mask] = np.nan
    repaired = repair(values, mask)
    assert np.isnan(repaired[1, ..., 0]).all()
    assert (repaired[0] == 7).all()
    assert (repaired[1, ..., 1] == 7).all()


def test_found_and_repaired_is_near_to_what_was() -> None:
    clean = data.moon().astype(np.float32)
    before = clean + _noise(3, clean.shape)
    after = before.copy()
    after[_some(after.shape, 0.01)] = 255
    repaired = repair(after, find(after, 3))
    assert np.sqrt(np.mean((repaired - clean) ** 2)) < 3.3 < np.sqrt(np.mean((after - clean) ** 2)) / 3
