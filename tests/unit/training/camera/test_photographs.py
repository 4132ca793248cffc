"""Photographs made of clean pictures."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data as pictures

from limpid.training.camera.demosaic import DEMOSAICS
from limpid.training.camera.development import draw_development
from limpid.training.camera.finish import Finish
from limpid.training.camera.photograph import draw_shot
from limpid.training.camera.sensor import Mosaic, Sensor, mosaic_of
from limpid.training.config import Camera

CORNERS = [Mosaic(row, column) for row in range(2) for column in range(2)]
SEEDS = st.integers(0, 2**32 - 1)
QUIET = Sensor(shot=1e-12, read=0.0, rows=0.0, darkest=-1.0, bits=None)
PLAIN = Finish(
    window_px=1.5,
    threshold=1.0,
    reduction=0.0,
    sharp_px=1.0,
    sharpening=0.0,
    smooth_px=0.0,
    quality=None,
    subsampling="4:4:4",
)


def picture(side=256):
    return torch.from_numpy(pictures.astronaut()[:side, :side].transpose(2, 0, 1).astype(np.float32) / 255)


def developed(development, seen):
    """Return the picture of what a sensor sees in each of its pixels, all colours at once."""
    colours = []
    for colour in range(3):
        mosaic = next(one for one in CORNERS if one.sites()[0][2] == colour)
        cells = seen[colour].repeat_interleave(2, 0).repeat_interleave(2, 1)
        colours.append(development.balanced(cells[None], mosaic)[0, ::2, ::2])
    return development.shown(torch.stack(colours)[None])[0]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_what_a_sensor_sees_develops_into_the_picture_it_was_made_of(seed):
    development = draw_development(np.random.default_rng(seed))
    colours = picture(64) * 0.9
    seen = development.sensed(colours)
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 1
    torch.testing.assert_close(developed(development, seen), colours, atol=2e-3, rtol=0)


def test_clipped_highlights_are_white():
    for seed in range(20):
        development = draw_development(np.random.default_rng(seed))
        seen = development.sensed(torch.ones(3, 4, 4))
        torch.testing.assert_close(seen, torch.full_like(seen, development.exposure))
        torch.testing.assert_close(developed(development, seen), torch.ones(3, 4, 4))


@pytest.mark.parametrize("mosaic", CORNERS)
@pytest.mark.parametrize(("name", "reach"), [("bilinear", 2), ("malvar", 2), ("directed", 3)])
def test_a_mosaic_of_a_gray_slope_is_demosaicked_exactly(mosaic, name, reach):
    slope = torch.arange(32.0).view(-1, 1) / 100 + torch.arange(40.0) / 70
    colours = slope + torch.tensor([0.1, 0.5, 0.3])[:, None, None]
    found = DEMOSAICS[name](mosaic_of(colours, mosaic)[None], mosaic)[0]
    inside = (slice(None), slice(reach, -reach), slice(reach, -reach))
    torch.testing.assert_close(found[inside], colours[inside])


@pytest.mark.parametrize("mosaic", CORNERS)
@pytest.mark.parametrize("demosaicked", DEMOSAICS.values(), ids=DEMOSAICS)
def test_demosaicking_keeps_what_the_sensor_has_seen(mosaic, demosaicked):
    colours = picture(64)
    found = demosaicked(mosaic_of(colours, mosaic)[None], mosaic)[0]
    torch.testing.assert_close(mosaic_of(found, mosaic), mosaic_of(colours, mosaic))


def test_filters_that_look_at_gradients_come_nearer_to_the_picture():
    colours = picture()
    seen = mosaic_of(colours, Mosaic(0, 0))[None]
    error = {
        name: float((demosaicked(seen, Mosaic(0, 0))[0] - colours).square().mean())
        for name, demosaicked in DEMOSAICS.items()
    }
    assert error["malvar"] < 0.5 * error["bilinear"]
    assert error["directed"] < 0.5 * error["bilinear"]


def test_demosaicking_along_edges_chooses_the_edge():
    edge = torch.full((3, 32, 32), 0.2)
    edge[:, 15:] = 0.8
    for turned in (edge, edge.mT):
        seen = mosaic_of(turned, Mosaic(0, 0))[None]
        found = DEMOSAICS["directed"](seen, Mosaic(0, 0))[0, 1]
        torch.testing.assert_close(found[3:-3, 3:-3], turned[1, 3:-3, 3:-3])


def test_a_sensors_noise_has_the_moments_of_counted_light():
    gain, signal, count = 0.01, 0.05, 1_000_000
    sensor = Sensor(shot=gain, read=1e-6, rows=0.0, darkest=-10.0, bits=None)
    noise = sensor.expose(torch.full((1000, 1000), signal), np.random.default_rng(0)).double() - signal
    variance = gain * signal + 1e-6
    assert abs(float(noise.mean())) < 5 * math.sqrt(variance / count)
    # The second term of the expansion adds an eighteenth of an electron.
    assert float(noise.var()) == pytest.approx(variance + gain**2 / 18, rel=0.01)
    assert float(noise.pow(3).mean()) == pytest.approx(gain**2 * signal, rel=0.05)


def test_a_sensor_clips_and_rounds():
    sensor = Sensor(shot=0.01, read=1e-4, rows=0.0, darkest=0.0, bits=4)
    stored = sensor.expose(torch.linspace(0, 1, 4096).view(64, 64), np.random.default_rng(0))
    assert sorted({float(value) for value in stored.flatten()}) == [level / 16 for level in range(17)]


def test_rows_have_offsets_of_their_own():
    sensor = Sensor(shot=1e-9, read=0.0, rows=0.05, darkest=-1.0, bits=None)
    stored = sensor.expose(torch.full((400, 50), 0.5), np.random.default_rng(0))
    assert float(stored.std(1).max()) < 1e-3
    assert float(stored.mean(1).std()) == pytest.approx(0.05, rel=0.15)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, side=st.sampled_from([32, 64, 96]))
def test_a_photograph_has_the_size_asked_for_and_the_values_of_a_file(seed, side):
    rng = np.random.default_rng(seed)
    shot = draw_shot(Camera(), rng)
    noisy, clean = shot.take(torch.rand(3, shot.scene_px(side), shot.scene_px(side)), rng, side_px=side)
    assert noisy.shape == clean.shape == (3, side, side)
    assert 0 <= float(clean.min()) <= float(clean.max()) <= 1
    torch.testing.assert_close((noisy * 255).round(), noisy * 255, atol=1e-4, rtol=0)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_without_noise_and_jpeg_a_photograph_is_its_target(seed):
    rng = np.random.default_rng(seed)
    shot = draw_shot(Camera(jpeg_share=0.0), rng)
    shot = dataclasses.replace(shot, sensor=QUIET)
    scene = picture()[:, : shot.scene_px(64), : shot.scene_px(64)]
    noisy, clean = shot.take(scene, rng, side_px=64)
    # Stored in 8 bits, once before it is resized and once after.
    torch.testing.assert_close(noisy, clean, atol=1.5 / 255, rtol=0)


def test_a_photograph_begins_at_any_place_of_a_block():
    # A flat picture but for one light pixel shows through JPEG in its own block alone.
    shot = draw_shot(Camera(jpeg_share=1.0, halved_share=0.0, resized_share=0.0), np.random.default_rng(0))
    shot = dataclasses.replace(shot, sensor=QUIET, finish=dataclasses.replace(PLAIN, quality=10))
    places = set()
    for corner in [(0, 0), (3, 5)]:
        here = dataclasses.replace(shot, corner=corner)
        scene = torch.full((3, here.scene_px(64), here.scene_px(64)), 0.4)
        scene[:, 40:42, 40:42] = 1
        noisy, _ = here.take(scene, np.random.default_rng(0), side_px=64)
        rows = ((noisy - noisy[:, :1, :1]).abs().sum((0, 2)) > 0.01).nonzero().flatten()
        places.add(int(rows.min()))
    assert len(places) == 2


def test_sharpening_makes_edges_steeper_and_smoothing_spares_brightness():
    edge = torch.full((1, 3, 32, 32), 0.3)
    edge[..., 16:] = 0.6
    sharp = dataclasses.replace(PLAIN, sharpening=1.0).corrected(edge)
    assert float(sharp[..., 16].mean()) > 0.62
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    colours = 0.2 + 0.6 * torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    smooth = dataclasses.replace(PLAIN, smooth_px=1.5).corrected(colours)
    inside = (smooth > 0).all(1, keepdim=True) & (smooth < 1).all(1, keepdim=True)
    luma, before = ((weights * one).sum(1, keepdim=True)[inside] for one in (smooth, colours))
    torch.testing.assert_close(luma, before)
    assert float((smooth[:, 0] - smooth[:, 1]).std()) < 0.5 * float((colours[:, 0] - colours[:, 1]).std())


def test_reduced_noise_is_weaker_and_coarser_and_edges_stay():
    clean = torch.full((3, 128, 128), 0.3)
    clean[..., 64:] = 0.8
    noisy = clean + 0.03 * torch.randn(clean[:1].shape, generator=torch.Generator().manual_seed(0))
    reduced, target = dataclasses.replace(PLAIN, reduction=1.0).corrected(torch.stack([noisy, clean]))
    flat = (reduced - target)[0, 8:-8, 8:52]
    assert 0.1 * 0.03 < float(flat.std()) < 0.7 * 0.03
    beside = float((flat[:, 1:] * flat[:, :-1]).mean() / flat.square().mean())
    assert beside > 0.2
    torch.testing.assert_close(target[:, :, 62:66], clean[:, :, 62:66], atol=0.02, rtol=0)
    torch.testing.assert_close(target[..., :56], clean[..., :56])


def test_a_stored_picture_has_8_bits_and_through_jpeg_it_is_another_one():
    colours = picture(64) * 0.97 + 0.001
    plain = PLAIN.stored(colours)
    coded = dataclasses.replace(PLAIN, quality=80, subsampling="4:2:0").stored(colours)
    for stored in (plain, coded):
        torch.testing.assert_close((stored * 255).round(), stored * 255, atol=1e-4, rtol=0)
    torch.testing.assert_close(plain, colours, atol=0.5 / 255 + 1e-6, rtol=0)
    assert 1 / 255 < float((coded - colours).square().mean().sqrt()) < 20 / 255
