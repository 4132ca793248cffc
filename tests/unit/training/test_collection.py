"""Noisy files as a source of batches."""

import logging

import numpy as np
import pytest

from limpid.core.errors import DataError, OptionError
from limpid.core.image import Image
from limpid.core.preprocess import parse_steps
from limpid.io import write_image
from limpid.training.collection import Collection
from limpid.training.preparation import Preparation, holds_signal

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


def discs(path, *, sigma=4, shape=(256, 256)):
    """Write a black image with two bright discs of 20 pixels across: 1 % of it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    disc = sum(((y - cy) ** 2 + (x - cx) ** 2 < 100).astype(float) for cy, cx in ((60, 190), (180, 70)))
    values = 20 + 150 * disc + sigma * rng.standard_normal(shape)
    write_image(Image.from_array(np.clip(values, 0, 255).astype(np.uint8)), path)
    return path


def test_patches_without_signal_are_drawn_anew_but_for_the_share_that_may_come_from_anywhere(tmp_path, caplog):
    files = [(discs(tmp_path / "a.png"), None)]
    with caplog.at_level(logging.INFO, logger="limpid"):
        picky = Collection(files, patch_px=32, preparation=Preparation(skip_empty=0.75))
    assert "hold nothing but noise; 0.75 of the draws avoid them" in caplog.text
    shares = [
        float((draw(c, count=200).noisy.amax(dim=(1, 2, 3)) > 0.5).float().mean())
        for c in (picky, Collection(files, patch_px=32))
    ]
    # A patch touches one of two discs with a chance of about 2 * 50^2 / 224^2 = 0.1; four standard errors of 200 draws.
    assert shares[0] == pytest.approx(0.75 + 0.25 * 0.1, abs=4 * np.sqrt(0.2 / 200))
    assert shares[1] == pytest.approx(0.1, abs=4 * np.sqrt(0.1 / 200))


def test_images_without_any_signal_are_trained_on_with_a_warning(tmp_path, caplog):
    files = [(discs(tmp_path / "a.png", shape=(50, 160)), None)]
    collection = Collection(files, patch_px=32, preparation=Preparation(skip_empty=0.9))
    assert "none of 256 patches holds more than noise" in caplog.text
    assert draw(collection).noisy.shape == (4, 1, 32, 32)


@pytest.mark.parametrize("sigma", [0.01, 30])
def test_signal_of_half_the_noise_is_seen_and_noise_is_not(sigma):
    rng = np.random.default_rng(0)
    level = np.full((32, 32, 1), sigma, np.float32)
    wave = np.sin(np.arange(32) / 5)[:, None, None]
    blob = sigma / 2 * (wave - wave.mean()) / wave.std()
    noises = [sigma * rng.standard_normal((32, 32, 1)) for _ in range(300)]
    assert not any(holds_signal(noise, level) for noise in noises)
    assert all(holds_signal(noise + blob, level) for noise in noises)


@pytest.mark.parametrize(("augment", "kinds"), [("none", 1), ("mirror", 2), ("turns", 8)])
def test_patches_are_augmented_as_asked_for(tmp_path, augment, kinds):
    files = [(picture(tmp_path / "a.png", (32, 32)), None)]
    batch = draw(Collection(files, patch_px=32, preparation=Preparation(augment=augment)), count=100)
    assert len({patch.numpy().tobytes() for patch in batch.noisy}) == kinds


def test_images_are_prepared_and_so_is_what_is_known_of_their_noise(tmp_path):
    steps = parse_steps([{"name": "resize", "height": 48, "width": 40}, {"name": "normalise_range"}])
    noisy, clean = picture(tmp_path / "a.png", sigma=SIGMA), picture(tmp_path / "b.png", sigma=0)
    collection = Collection([(noisy, clean)], patch_px=32, preparation=Preparation(preprocessing=steps))
    (exposure,) = collection.exposures(0)
    assert exposure.planes.shape == exposure.targets.shape == (1, 48, 40, 1)
    assert exposure.unit(exposure.planes).min() == 0
    assert exposure.noise.sigma == pytest.approx(SIGMA / 2, rel=0.1)
    assert exposure.noise.span == exposure.value_range[1] - exposure.value_range[0]


@pytest.mark.parametrize("size", [(128, 80), (100, 120), (200, 300)])
def test_the_level_told_is_what_a_change_of_size_leaves_of_the_noise(tmp_path, size):
    steps = parse_steps([{"name": "resize", "height": size[0], "width": size[1]}, {"name": "normalise_range"}])
    files = [(picture(tmp_path / "a.png", (256, 240)), picture(tmp_path / "b.png", (256, 240), sigma=0))]
    collection = Collection(files, patch_px=32, partner="clean", preparation=Preparation(preprocessing=steps))
    batch = draw(collection, count=64)
    assert float(batch.level.mean()) == pytest.approx(float((batch.noisy - batch.target).std()), rel=0.1)
    assert collection.exposures(0)[0].noise.white is (size[1] <= 120)


def test_an_image_that_is_cropped_below_a_patch_is_left_out(tmp_path):
    preparation = Preparation(preprocessing=parse_steps([{"name": "centre_crop", "height": 20, "width": 64}]))
    with pytest.raises(DataError, match="64 x 20 pixels are fewer than a patch of 32"):
        Collection([(picture(tmp_path / "a.png"), None)], patch_px=32, preparation=preparation)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": "turn"}, "unknown augmentation 'turn'; known: none, mirror, turns"),
        ({"skip_empty": 1}, "must be below 1"),
        ({"skip_empty": -0.1}, "skip_empty must be a number from 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(OptionError, match=message):
        Preparation(**settings)
