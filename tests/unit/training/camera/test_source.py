"""Photographs as a source."""

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
from limpid.training.camera.validation import PhotographValidation
from limpid.training.config import Camera, Data, Noise
from limpid.training.data import Pool

DATA = Data(pool="none", channels=3, reductions=(1.0,))
NOISE = Noise(sigma_max=50, zero_share=0.1, poisson_share=0.2)


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


def test_a_batch_is_finite_and_tells_no_level():
    batch = drawn(source(), count=30)
    for values in (batch.noisy, batch.target):
        assert values.shape == (30, 3, 64, 64)
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()
    assert not batch.level.any()


def test_noise_added_to_what_is_shown_is_white_or_correlated_as_asked_for():
    clean = torch.full((3, 256, 256), 0.5)
    noise = Noise(sigma_max=30, zero_share=0.0, poisson_share=0.0)
    for correlated in (False, True):
        noisy = shown_with_noise(clean, noise, np.random.default_rng(4), correlated=correlated)
        values = (noisy.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        assert estimate_noise(Image.from_array(values)).white is not correlated


def test_a_picture_without_noise_is_its_target():
    noise = dataclasses.replace(NOISE, zero_share=1.0)
    clean = torch.rand(3, 32, 32)
    noisy = shown_with_noise(clean, noise, np.random.default_rng(0), correlated=False)
    torch.testing.assert_close(noisy, clean, atol=0.5 / 255 + 1e-6, rtol=0)


def test_a_validation_is_the_same_each_time_and_tells_what_a_network_gains():
    class Nothing(torch.nn.Module):
        size_multiple = 1

        def forward(self, noisy, level):
            return torch.zeros_like(noisy)

    one, same = (PhotographValidation(pool(), Camera())(Nothing()) for _ in range(2))
    assert one == same
    assert one["psnr"] == pytest.approx(one["psnr_noisy"], abs=1e-4)
    assert one["psnr_25"] == pytest.approx(20.17, abs=0.1)
    network = build_network("unet", {"channels": 3, "widths": [32], "blocks": [1], "decoder_blocks": []})
    assert set(PhotographValidation(pool(), Camera())(network)) == set(one)
