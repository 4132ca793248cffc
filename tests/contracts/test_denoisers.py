"""What every denoiser must do, whatever its method."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from limpid.classical.registry import CLASSICAL, load_classical
from limpid.core.apply import denoise_image
from limpid.core.denoiser import Denoiser
from limpid.core.image import Image

#: Every denoiser under contract: a name and what loads it. Networks are added here.
DENOISERS = dict.fromkeys(CLASSICAL, load_classical)

#: Those that treat left and right, up and down alike. Total variation takes forward differences, wavelets are
#: sampled from one corner, and scikit-image's fast non-local means pads its sides differently.
SYMMETRIC = ("bilateral", "median")

SIGMA = 25 / 255


@pytest.fixture(params=DENOISERS, scope="module")
def denoiser(request: pytest.FixtureRequest) -> Denoiser:
    return DENOISERS[request.param](request.param)


def _clean(channels: int) -> np.ndarray:
    picture = data.astronaut()[:128, 160:288].astype(np.float32) / 255
    return picture if channels == 3 else picture[..., :1]


def _noisy(channels: int) -> np.ndarray:
    clean = _clean(channels)
    return clean + SIGMA * np.random.default_rng(0).standard_normal(clean.shape, dtype=np.float32)


def _level(channels: int, sigma: float = SIGMA) -> np.ndarray:
    return np.full(channels, sigma, np.float32)


def _image(plane: np.ndarray) -> Image:
    return Image.from_array(plane, axes="YXC", value_range=(0, 1))


def test_single_channel_is_among_the_channel_counts_and_a_halo_is_on_the_grid(denoiser: Denoiser) -> None:
    caps = denoiser.capabilities
    assert isinstance(denoiser, Denoiser)
    assert 1 in caps.channels
    assert caps.halo_px is None or caps.halo_px % caps.align_px == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 300), (300, 1), (17, 31)])
def test_shape_is_kept_and_the_answer_is_finite_float32_at_any_size(denoiser: Denoiser, size: tuple[int, int]) -> None:
    for channels in denoiser.capabilities.channels:
        noisy = np.random.default_rng(1).random((*size, channels), dtype=np.float32)
        clean = denoiser.denoise_plane(noisy, _level(channels))
        assert clean.shape == noisy.shape
        assert clean.dtype == np.float32
        assert np.isfinite(clean).all()


def test_input_is_unchanged_and_may_be_read_only_or_strided(denoiser: Denoiser) -> None:
    for channels in denoiser.capabilities.channels:
        noisy = _noisy(channels)[:48, :40]
        strided = np.asfortranarray(noisy)
        strided.flags.writeable = False
        before = strided.copy()
        from_strided = denoiser.denoise_plane(strided, _level(channels))
        np.testing.assert_array_equal(strided, before)
        np.testing.assert_allclose(
            from_strided, denoiser.denoise_plane(np.ascontiguousarray(noisy), _level(channels)), atol=1e-5
        )


def test_tiled_equals_whole(denoiser: Denoiser) -> None:
    if denoiser.capabilities.halo_px is None:
        pytest.skip("takes the whole plane by its own account")
    for channels in denoiser.capabilities.channels:
        image = _image(_noisy(channels))
        whole = denoiser.denoise_plane(image.values, _level(channels))
        tiled = denoise_image(image, denoiser, level=_level(channels), memory=1).values
        np.testing.assert_allclose(tiled, whole, atol=2e-5)


def test_flipping_commutes_where_the_method_is_symmetric(denoiser: Denoiser) -> None:
    if denoiser.name not in SYMMETRIC:
        pytest.skip("not symmetric by definition")
    for channels in denoiser.capabilities.channels:
        noisy = _noisy(channels)[:50, :43]
        for axis in (0, 1):
            there = denoiser.denoise_plane(np.flip(noisy, axis), _level(channels))
            np.testing.assert_allclose(there, np.flip(denoiser.denoise_plane(noisy, _level(channels)), axis), atol=2e-5)


@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_scaling_image_and_level_together_scales_the_answer(denoiser: Denoiser, factor: float) -> None:
    for channels in denoiser.capabilities.channels:
        noisy = _noisy(channels)[:48, :40]
        plain = denoiser.denoise_plane(noisy, _level(channels))
        scaled = denoiser.denoise_plane(noisy * np.float32(factor), _level(channels, SIGMA * factor))
        np.testing.assert_allclose(scaled / factor, plain, atol=1e-4)


def test_strength_zero_is_the_identity_to_the_bit(denoiser: Denoiser) -> None:
    image = _image(_noisy(3))
    np.testing.assert_array_equal(
        denoise_image(image, denoiser, level=_level(3), strength=0).values, image.values, strict=True
    )


def test_what_is_removed_never_shrinks_as_strength_grows(denoiser: Denoiser) -> None:
    image = _image(_noisy(1))
    removed = [
        float(np.std(denoise_image(image, denoiser, level=_level(1), strength=s).values - image.values))
        for s in np.linspace(0, 2, 9)
    ]
    assert (np.diff(removed) >= -1e-6).all(), removed


def test_noise_is_removed_from_a_photograph(denoiser: Denoiser) -> None:
    for channels in (1, 3):
        clean, noisy = _clean(channels), _noisy(channels)
        answer = denoise_image(_image(noisy), denoiser, level=_level(channels)).values
        # Half the squared error, 3 dB, is the least that deserves the name.
        assert np.mean((answer - clean) ** 2) < 0.5 * np.mean((noisy - clean) ** 2)


def test_constant_image_stays_constant(denoiser: Denoiser) -> None:
    for channels in denoiser.capabilities.channels:
        flat = np.full((20, 30, channels), 0.3, np.float32)
        np.testing.assert_allclose(denoiser.denoise_plane(flat, _level(channels)), flat, atol=1e-5)


def test_channel_without_noise_is_left_as_it_is(denoiser: Denoiser) -> None:
    if 3 not in denoiser.capabilities.channels or denoiser.name not in CLASSICAL:
        pytest.skip("takes one channel at a time")
    noisy = _noisy(3)[:40, :40]
    answer = denoiser.denoise_plane(noisy, np.array([SIGMA, 0, SIGMA], np.float32))
    np.testing.assert_array_equal(answer[..., 1], noisy[..., 1])
    assert (answer[..., 0] != noisy[..., 0]).any()
