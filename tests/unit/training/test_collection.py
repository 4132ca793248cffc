"""Noisy files as a source of batches."""

import logging

import numpy as np
import pytest

from limpid.core.errors import DataError
from limpid.core.image import Image
from limpid.io import write_image
from limpid.training.collection import Collection

SIGMA = 12


def picture(path, shape=(96, 80), *, dtype=np.uint8, seed=0, sigma=SIGMA):
    rng = np.random.default_rng(seed)
    full = np.iinfo(dtype).max
    values = full / 255 * (128 + 40 * np.sin(np.arange(shape[1]) / 15) + sigma * rng.standard_normal(shape[:2]))
    if len(shape) == 3:
        values = values[..., None] + np.zeros(shape[2])
    write_image(Image.from_array(np.clip(values, 0, full).astype(dtype)), path)
    return path


def draw(collection, *, step=0, seed=0, count=4):
    return collection.draw(count, patch_px=32, rng=np.random.default_rng(seed), step=step)


def test_patches_follow_from_the_generator_and_are_told_the_measured_level(tmp_path):
    files = [(picture(tmp_path / f"{k}.png", seed=k), None) for k in range(3)]
    first, again, other = (draw(Collection(files, patch_px=32), seed=s) for s in (0, 0, 1))
    assert first.noisy.shape == first.level.shape == (4, 1, 32, 32)
    assert first.target is None
    assert np.array_equal(first.noisy, again.noisy)
    assert not np.array_equal(first.noisy, other.noisy)
    assert float(first.level.mean()) == pytest.approx(SIGMA / 255, rel=0.1)
    assert float(first.noisy.mean()) == pytest.approx(0.5, abs=0.15)


def test_sixteen_bits_are_scaled_by_their_own_range(tmp_path):
    files = [(picture(tmp_path / "a.png", dtype=np.uint16), None)]
    batch = draw(Collection(files, patch_px=32))
    assert float(batch.level.mean()) == pytest.approx(SIGMA / 255, rel=0.1)


def test_partners_are_cut_and_turned_alike(tmp_path):
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
    noisy = picture(tmp_path / "noisy" / "a.png")
    clean = picture(tmp_path / "clean" / "a.png", sigma=0)
    batch = draw(Collection([(noisy, clean)], patch_px=32, partner="clean"), count=16)
    residual = batch.noisy - batch.target
    assert float(residual.std()) == pytest.approx(SIGMA / 255, rel=0.1)


def test_files_that_cannot_be_used_are_left_out_and_named(tmp_path, caplog):
    good = picture(tmp_path / "good.png")
    small = picture(tmp_path / "small.png", (20, 200))
    colour = picture(tmp_path / "colour.png", (96, 80, 3))
    flat = tmp_path / "flat.png"
    write_image(Image.from_array(np.full((64, 64), 7, np.uint8)), flat)
    broken = tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:200])
    files = [(path, None) for path in (good, small, colour, flat, broken)]
    with caplog.at_level(logging.WARNING):
        collection = Collection(files, patch_px=32, channels=1)
    reasons = {path.name: reason for path, reason in collection.skipped.items()}
    assert reasons.keys() == {"small.png", "colour.png", "flat.png", "broken.png"}
    assert "fewer than a patch of 32" in reasons["small.png"]
    assert "3 channels, the others 1" in reasons["colour.png"]
    assert "can't be measured" in reasons["flat.png"]
    assert len(collection.exposures(0)) == 1
    assert "broken.png: left out" in caplog.text


def test_a_partner_of_another_shape_is_left_out(tmp_path):
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", (64, 64))
    with pytest.raises(DataError, match=r"none of the 1 images.*they must match"):
        Collection([(first, second)], patch_px=32, partner="exposure")


def test_a_bounded_part_is_in_memory_and_which_one_follows_from_the_step(tmp_path):
    files = [(picture(tmp_path / f"{k}.png", seed=k), None) for k in range(12)]
    size = 96 * 80
    collection = Collection(files, patch_px=32, memory=3 * size)
    assert len(collection.exposures(0)) == 3
    seen = set()
    for step in range(0, 20_000, 1000):
        assert len(collection.exposures(step)) == 3
        seen |= {exposure.planes.tobytes() for exposure in collection.exposures(step)}
    assert len(seen) == 12
    late, resumed = (draw(c, step=5300) for c in (collection, Collection(files, patch_px=32, memory=3 * size)))
    assert np.array_equal(late.noisy, resumed.noisy)


def test_patches_keep_their_rows_where_quarter_turns_are_out(tmp_path):
    """Each row of the picture has a value of its own: in a patch turned by a quarter, each column has."""
    rows = np.repeat(np.arange(40, dtype=np.uint8)[:, None] * 5, 40, axis=1)
    noise = np.random.default_rng(0).integers(0, 5, rows.shape, dtype=np.uint8)
    write_image(Image.from_array(rows + noise), tmp_path / "rows.png")
    collection = Collection([(tmp_path / "rows.png", None)], patch_px=16)

    def share_upright():
        noisy = collection.draw(64, patch_px=16, rng=np.random.default_rng(0), step=0).noisy
        return float((noisy.mean(3).std(2) > noisy.mean(2).std(2)).float().mean())

    assert 0.3 < share_upright() < 0.7
    collection.quarter_turns = False
    assert share_upright() == 1
    assert collection.first(1).quarter_turns is False
