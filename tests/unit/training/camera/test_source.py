"""Photographs as a source, and the level that is told of them."""

import dataclasses

import numpy as np
import pytest
import torch
from skimage import data as pictures

from limpid.core.image import Image
from limpid.models.registry import build_network
from limpid.noise.estimate import estimate_noise
from limpid.training.camera.display import shown_with_noise
from limpid.training.camera.source import Photographed
from limpid.training.camera.told import told_level
from limpid.training.camera.validation import PhotographValidation
from limpid.training.config import Camera, Data, Noise
from limpid.training.data import Pool

DATA = Data(pool="none", channels=3, reductions=(1.0,))
NOISE = Noise(sigma_max=50, zero_share=0.1, poisson_share=0.2)
EXACT = Camera(level_error=0.0, level_lack=0.0, jpeg_lack=0.0, channel_error=0.0, line_share=0.0)


def pool():
    return Pool([pictures.astronaut()], DATA)


def source(camera=Camera()):  # noqa: B008 (frozen)
    return Photographed(pool(), camera, NOISE)


def drawn(source, seed=0, count=6):
    return source.draw(count, patch_px=64, rng=np.random.default_rng(seed), step=0)


def test_the_same_generator_gives_the_same_batch_and_another_one_another():
    batches = [drawn(source(), seed) for seed in (1, 1, 2)]
    for one, same, other in zip(*(batch[:3] for batch in batches), strict=True):
        torch.testing.assert_close(one, same, atol=0, rtol=0)
        assert not torch.equal(one, other)


def test_a_batch_is_finite_and_its_level_at_most_the_largest_that_is_told():
    batch = drawn(Photographed(pool(), Camera(), dataclasses.replace(NOISE, sigma_max=5)), count=30)
    for values in (batch.noisy, batch.level, batch.target):
        assert values.shape == (30, 3, 64, 64)
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()
    assert 0 <= float(batch.level.min()) < float(batch.level.max()) == np.float32(5 / 255)


def test_without_errors_the_level_is_the_standard_deviation_of_the_noise():
    batch = drawn(source(dataclasses.replace(EXACT, display_share=0.0)), count=12)
    noise = (batch.noisy - batch.target).square().mean((2, 3)).sqrt().clamp(max=50 / 255)
    torch.testing.assert_close(batch.level.mean((2, 3)), noise)


def test_a_line_is_told_where_noise_grows_with_the_signal():
    clean = torch.linspace(0.1, 0.9, 64).expand(3, 64, 64).contiguous()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = clean + (0.01 * clean).sqrt() * noise
    camera = dataclasses.replace(EXACT, line_share=1.0)
    level = told_level(noisy, clean, camera, np.random.default_rng(0), coded=False)
    # 12,288 squares tell a standard deviation within 1 %, and its slope within some times that. The level is that of
    # the signal around a pixel, which at the sides is another.
    inside = slice(3, -3)
    torch.testing.assert_close(level.mean((0, 1))[inside], (0.01 * clean[0, 0, inside]).sqrt(), atol=0, rtol=0.1)


def test_levels_are_told_too_low_and_after_jpeg_still_lower():
    clean = torch.full((3, 64, 64), 0.5)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    rng, camera = np.random.default_rng(0), Camera(line_share=0.0)
    ratio = {
        coded: np.median([float(told_level(noisy, clean, camera, rng, coded=coded).mean()) for _ in range(500)]) / 0.1
        for coded in (False, True)
    }
    # Medians of exponential distributions: their means times the logarithm of 2.
    assert ratio[False] == pytest.approx(np.exp(-camera.level_lack * np.log(2)), rel=0.08)
    assert ratio[True] == pytest.approx(np.exp(-camera.jpeg_lack * np.log(2)), rel=0.1)


def test_noise_added_to_what_is_shown_is_white_or_correlated_as_asked_for():
    clean = torch.full((3, 256, 256), 0.5)
    noise = Noise(sigma_max=30, zero_share=0.0, poisson_share=0.0)
    for correlated in (False, True):
        noisy, _ = shown_with_noise(clean, noise, EXACT, np.random.default_rng(4), correlated=correlated)
        values = (noisy.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        assert estimate_noise(Image.from_array(values)).white is not correlated


def test_a_picture_without_noise_is_its_target_and_nearly_nothing_is_told_of_it():
    noise = dataclasses.replace(NOISE, zero_share=1.0)
    clean = torch.rand(3, 32, 32)
    noisy, level = shown_with_noise(clean, noise, Camera(), np.random.default_rng(0), correlated=False)
    torch.testing.assert_close(noisy, clean, atol=0.5 / 255 + 1e-6, rtol=0)
    assert 0 < float(level.max()) < 5 / 255


def test_a_validation_is_the_same_each_time_and_tells_what_a_network_gains():
    class Nothing(torch.nn.Module):
        size_multiple = 1

        def forward(self, noisy, level):
            return torch.zeros_like(noisy)

    one, same = (PhotographValidation(pool(), Camera(), NOISE)(Nothing()) for _ in range(2))
    assert one == same
    assert one["psnr_told"] == pytest.approx(one["psnr_noisy"], abs=1e-4)
    assert one["psnr_measured"] == pytest.approx(one["psnr_noisy"], abs=1e-4)
    assert one["psnr_25"] == pytest.approx(20.17, abs=0.1)
    network = build_network("unet", {"channels": 3, "widths": [32], "blocks": [1], "decoder_blocks": []})
    assert set(PhotographValidation(pool(), Camera(), NOISE)(network)) == set(one)
