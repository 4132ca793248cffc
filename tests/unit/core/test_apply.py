"""denoise_image with denoisers whose answer is known."""

import threading
import time

import numpy as np
import pytest
from scipy import ndimage

from limpid.core.apply import denoise_image
from limpid.core.denoiser import Capabilities
from limpid.core.errors import ImageError, ModelError, OptionError
from limpid.core.image import Image


class Shrink:
    """Moves every value towards a local mean by an amount that grows with the level."""

    name = "shrink"
    identity = {"name": "shrink"}  # noqa: RUF012

    def __init__(self, **capabilities):
        self.capabilities = Capabilities(**{"channels": (1, 3), "level_map": True, "halo_px": 2, **capabilities})
        self.seen = []

    def denoise_plane(self, noisy, level):
        self.seen.append((noisy.shape, np.array(level)))
        mean = ndimage.uniform_filter(noisy, (3, 3, 1), mode="nearest")
        share = np.minimum(level * 4, 1)
        return noisy + share * (mean - noisy)


def noisy_image(shape=(20, 30), dtype=np.uint8, axes="YX", value_range=None, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, shape)
    return Image.from_array(values.astype(dtype), axes=axes, value_range=value_range)


def level(*values):
    return np.array(values, np.float32)


def test_strength_zero_is_the_identity_to_the_bit_and_asks_nobody():
    image, denoiser = noisy_image(), Shrink()
    assert np.array_equal(denoise_image(image, denoiser, level=level(0.1), strength=0).values, image.values)
    assert denoiser.seen == []


def test_a_level_of_zero_changes_nothing():
    image, denoiser = noisy_image(), Shrink()
    assert np.array_equal(denoise_image(image, denoiser, level=level(0)).values, image.values)


@pytest.mark.parametrize("strength", [0.5, 1, 2])
def test_strength_scales_the_level_told(strength):
    denoiser = Shrink()
    denoise_image(noisy_image(), denoiser, level=level(0.1), strength=strength)
    assert denoiser.seen[0][1] == pytest.approx(0.1 * strength)


def test_the_level_is_capped_at_what_the_denoiser_was_made_for():
    denoiser = Shrink(sigma_max=0.15)
    denoise_image(noisy_image(), denoiser, level=level(0.1), strength=2)
    assert denoiser.seen[0][1] == pytest.approx(0.15)


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan")])
def test_a_strength_outside_its_range_is_refused(strength):
    with pytest.raises(OptionError, match="strength"):
        denoise_image(noisy_image(), Shrink(), level=level(0.1), strength=strength)


def test_tiles_give_what_the_whole_plane_gives():
    image, denoiser = noisy_image((300, 410)), Shrink()
    whole = denoise_image(image, Shrink(halo_px=None), level=level(0.1))
    tiled = denoise_image(image, denoiser, level=level(0.1), memory=1)
    assert len(denoiser.seen) > 10
    assert np.array_equal(tiled.values, whole.values)


class AtOnce(Shrink):
    """Counts how many tiles it has at a time."""

    def __init__(self, count):
        super().__init__(tiles_at_once=count)
        self.now = self.most = 0
        self.lock = threading.Lock()

    def denoise_plane(self, noisy, level):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return super().denoise_plane(noisy, level)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_tiles_are_handed_over_at_a_time_as_the_denoiser_says(count):
    image, denoiser = noisy_image((300, 410)), AtOnce(count)
    tiled = denoise_image(image, denoiser, level=level(0.1), memory=1)
    assert denoiser.most == count
    assert np.array_equal(tiled.values, denoise_image(image, Shrink(halo_px=None), level=level(0.1)).values)


def test_where_a_tile_fails_those_not_begun_are_given_up():
    class Failing(AtOnce):
        def denoise_plane(self, noisy, level):
            super().denoise_plane(noisy, level)
            raise RuntimeError("out of luck")

    denoiser = Failing(2)
    with pytest.raises(RuntimeError, match="out of luck"):
        denoise_image(noisy_image((900, 900)), denoiser, level=level(0.1), memory=1)
    assert len(denoiser.seen) < 100  # of more than 200
    assert denoiser.now == 0


def test_memory_bounds_the_pixels_of_a_tile():
    denoiser = Shrink(bytes_per_pixel=100)
    denoise_image(noisy_image((600, 600)), denoiser, level=level(0.1), memory=2_000_000)
    assert max(shape[0] * shape[1] for shape, _ in denoiser.seen) * 100 <= 2_100_000


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1, 1), "YX"), ((1, 500), "YX"), ((3, 8, 9), "ZYX"), ((2, 8, 9, 3), "TYXC"), ((8, 9, 3), "YXC")],
)
def test_any_axes_and_sizes_come_back_in_shape_and_dtype(shape, axes):
    image = noisy_image(shape, axes=axes)
    clean = denoise_image(image, Shrink(), level=level(*[0.1] * image.channels))
    assert (clean.values.shape, clean.values.dtype, clean.axes) == (shape, np.uint8, axes)


def test_other_channel_counts_go_channel_by_channel_with_their_own_level():
    denoiser = Shrink()
    denoise_image(noisy_image((8, 9, 2), axes="YXC"), denoiser, level=level(0.1, 0.2))
    assert [(shape, *map(float, told)) for shape, told in denoiser.seen] == [
        ((8, 9, 1), pytest.approx(0.1)),
        ((8, 9, 1), pytest.approx(0.2)),
    ]


def test_a_denoiser_that_can_not_take_the_channels_says_so():
    with pytest.raises(ModelError, match="3 channels"):
        denoise_image(noisy_image(), Shrink(channels=(3,)), level=level(0.1))


def test_a_level_map_becomes_its_root_mean_square_where_maps_are_not_taken():
    denoiser = Shrink(level_map=False)
    denoise_image(noisy_image(), denoiser, level=lambda tile: np.where(tile > 0.5, 0.3, 0.1).astype(np.float32))
    told = denoiser.seen[0][1]
    assert told.shape == (1,)
    assert 0.1 < told[0] < 0.3


def test_chroma_strength_alone_leaves_luma_as_it_is():
    image = noisy_image((20, 30, 3), np.float32, "YXC", (0, 255))
    clean = denoise_image(image, Shrink(), level=level(0.2, 0.2, 0.2), strength=0, chroma_strength=1)
    assert clean.values.mean(-1) == pytest.approx(image.values.mean(-1), abs=1e-3)
    assert not np.allclose(clean.values, image.values, atol=1)


def test_integers_are_rounded_and_clipped_floats_are_not():
    class Lift(Shrink):
        def denoise_plane(self, noisy, level):
            return noisy + np.float32(0.6 / 255)

    low, high = Image.from_array(np.array([[10, 255]], np.uint8)), Image.from_array(np.ones((1, 1)), value_range=(0, 1))
    assert denoise_image(low, Lift(), level=level(0.1)).values.tolist() == [[11, 255]]
    assert denoise_image(high, Lift(), level=level(0.1)).values > 1


@pytest.mark.parametrize("value_range", [(0, 1), (-1000, 3000), (0, 1e-6)])
def test_any_value_range_gives_the_same_picture(value_range):
    unit = noisy_image((20, 30), np.float32, value_range=(0, 255)).values / 255
    low, high = value_range
    image = Image.from_array(unit * np.float32(high - low) + np.float32(low), value_range=value_range)
    clean = denoise_image(image, Shrink(), level=level(0.1)).values
    expected = denoise_image(Image.from_array(unit, value_range=(0, 1)), Shrink(), level=level(0.1)).values
    assert (clean - low) / (high - low) == pytest.approx(expected, abs=2e-6 * max(1, abs(low) / (high - low)))


def test_pixels_that_are_not_finite_stay_and_do_not_spread():
    values = np.full((16, 16), 0.5, np.float32)
    values[3, 4], values[5, 6], values[7, 8] = np.nan, np.inf, -np.inf
    clean = denoise_image(Image.from_array(values, value_range=(0, 1)), Shrink(), level=level(0.2)).values
    assert np.array_equal(np.isfinite(clean), np.isfinite(values))
    assert clean[np.isfinite(clean)] == pytest.approx(0.5)


def test_a_channel_without_any_finite_pixel_does_not_stop_the_others():
    values = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    values[..., 1] = np.nan
    clean = denoise_image(Image.from_array(values, value_range=(0, 1)), Shrink(), level=level(0.1, 0.1, 0.1)).values
    assert np.isnan(clean[..., 1]).all()
    assert np.isfinite(clean[..., [0, 2]]).all()


def test_a_plane_without_any_finite_pixel_is_refused():
    image = Image.from_array(np.full((4, 4), np.nan), value_range=(0, 1))
    with pytest.raises(ImageError, match="no finite pixel"):
        denoise_image(image, Shrink(), level=level(0.1))


def test_alpha_and_the_input_are_untouched():
    values, alpha = np.random.default_rng(0).integers(0, 256, (2, 8, 9), dtype=np.uint8)
    before = values.copy()
    image = Image(values, "YX", (0, 255), alpha=alpha)
    clean = denoise_image(image, Shrink(), level=level(0.2))
    assert clean.alpha is alpha
    assert np.array_equal(values, before)


def test_a_denoiser_that_takes_one_level_gets_the_same_one_in_every_tile():
    ramp = np.tile(np.linspace(0, 255, 400, dtype=np.float32), (300, 1))
    image = Image.from_array(ramp, value_range=(0, 255))
    tiled, whole = Shrink(level_map=False), Shrink(level_map=False, halo_px=None)

    def rising(tile):
        return 0.2 * tile

    results = [denoise_image(image, d, level=rising, memory=1).values for d in (tiled, whole)]
    assert len({told.tobytes() for _, told in tiled.seen}) == 1
    assert results[0] == pytest.approx(results[1], abs=1e-3)


class Blind:
    """Halves every value, whatever it is told."""

    name = "blind"
    identity = {"name": "blind"}  # noqa: RUF012
    capabilities = Capabilities(channels=(1,), level_map=True, blind=True)

    def denoise_plane(self, noisy, level):
        assert level == pytest.approx(0.1)
        return noisy / 2


@pytest.mark.parametrize(("strength", "share"), [(0, 0), (0.5, 0.5), (1, 1), (2, 1)])
def test_strength_is_the_share_of_what_a_blind_denoiser_changes(strength, share):
    image = Image.from_array(np.full((4, 4), 0.8, np.float32), value_range=(0, 1))
    clean = denoise_image(image, Blind(), level=level(0.1), strength=strength)
    assert clean.values == pytest.approx(0.8 * (1 - share / 2))


def test_chroma_strength_of_a_blind_denoiser_leaves_luma_to_the_other():
    image = Image.from_array(np.full((4, 4, 3), [0.2, 0.4, 0.9], np.float32), value_range=(0, 1))
    clean = denoise_image(image, Blind(), level=level(0.1, 0.1, 0.1), strength=1, chroma_strength=0)
    assert clean.values[0, 0] == pytest.approx([0.2 - 0.25, 0.4 - 0.25, 0.9 - 0.25])


class Rows(Shrink):
    """Takes more off in lower rows, whatever it is told."""

    def __init__(self):
        super().__init__(level_again=True, blind=True)

    def denoise_plane(self, noisy, level):
        self.seen.append((noisy.shape, np.array(level)))
        return noisy - 0.1 * noisy


@pytest.mark.parametrize(("shape", "parts"), [((40, 50), 1), ((1600, 40), 4), ((1600, 1700), 4)])
def test_a_level_is_told_again_by_what_is_removed_from_parts_of_the_plane(shape, parts):
    brightness = np.linspace(0.2, 1, shape[0], dtype=np.float32)[:, None]
    image = Image.from_array(np.broadcast_to(brightness, shape).copy(), value_range=(0, 1))
    denoiser = Rows()
    denoise_image(image, denoiser, level=level(0.01))
    *first, last = denoiser.seen
    assert len(first) == parts
    assert {float(told.max()) for _, told in first} == {np.float32(0.01)}
    assert max(np.prod(size) for size, _ in first) <= 512**2
    # Parts at the top and at the bottom and between: the whole, within a little.
    assert last[1] == pytest.approx(0.1 * np.sqrt(np.mean(brightness**2)), rel=0.05)


def test_the_parts_that_tell_the_level_keep_to_the_memory():
    image = noisy_image((1600, 1700), dtype=np.float32, value_range=(0, 255))
    denoiser = Rows()
    limit = 100**2 * denoiser.capabilities.bytes_per_pixel
    denoise_image(image, denoiser, level=level(0.01), memory=limit)
    assert [size[:2] for size, _ in denoiser.seen[:4]] == [(100, 100)] * 4


class Blend(Shrink):
    """Moves every value towards the mean of its 3 x 3 x 3 neighbours in the stack."""

    def __init__(self, **capabilities):
        super().__init__(**{"halo_planes": 1, **capabilities})

    def denoise_plane(self, noisy, level):
        return self.denoise_stack(noisy[None], level)[0]

    def denoise_stack(self, noisy, level):
        self.seen.append((noisy.shape, np.array(level)))
        mean = ndimage.uniform_filter(noisy, (3, 3, 3, 1), mode="nearest")
        return noisy + np.minimum(level * 4, 1) * (mean - noisy)


@pytest.mark.parametrize("shape", [(40, 90, 130), (9, 300, 70), (100, 20, 16), (3, 8, 9), (1, 70, 70)])
def test_slabs_give_what_the_whole_stack_gives(shape):
    image, denoiser = noisy_image(shape, axes="ZYX"), Blend(bytes_per_pixel=1)
    whole = denoise_image(image, Blend(halo_px=None), level=level(0.1))
    for memory in (1, 50_000, 200_000):
        slabs = denoise_image(image, denoiser, level=level(0.1), memory=memory)
        assert np.array_equal(slabs.values, whole.values)
    assert len(denoiser.seen) > 3 or np.prod(shape) < 64 * 64 * 8


def test_memory_bounds_the_pixels_of_a_slab_and_its_halos_are_the_smaller_part():
    denoiser = Blend(bytes_per_pixel=100, halo_px=8, halo_planes=4)
    denoise_image(noisy_image((200, 150, 150), axes="TYX"), denoiser, level=level(0.1), memory=20_000_000)
    sizes = [np.prod(shape) for shape, _ in denoiser.seen]
    assert max(sizes) * 100 <= 21_000_000
    assert sum(sizes) < 2 * 200 * 150 * 150


def test_volumes_of_a_series_do_not_see_each_other():
    image = noisy_image((2, 5, 8, 9), axes="TZYX")
    clean = denoise_image(image, Blend(), level=level(0.1)).values
    for volume, expected in zip(image.values, clean, strict=True):
        alone = denoise_image(Image.from_array(volume, axes="ZYX"), Blend(), level=level(0.1)).values
        assert np.array_equal(alone, expected)


def test_a_single_plane_is_a_stack_of_one():
    denoiser = Blend()
    clean = denoise_image(noisy_image((8, 9)), denoiser, level=level(0.1))
    assert (clean.values.shape, [shape for shape, _ in denoiser.seen]) == ((8, 9), [(1, 8, 9, 1)])


def test_gaps_of_a_stack_are_filled_plane_by_plane_and_stay():
    values = np.random.default_rng(0).random((4, 12, 12)).astype(np.float32)
    values[2, 3:5, 3] = np.nan
    clean = denoise_image(Image.from_array(values, axes="ZYX", value_range=(0, 1)), Blend(), level=level(0.1)).values
    assert np.array_equal(np.isnan(clean), np.isnan(values))
    assert not np.allclose(clean[1], values[1])


def test_a_level_that_follows_the_signal_is_told_for_every_value_of_a_stack():
    denoiser = Blend()
    denoise_image(noisy_image((4, 8, 9), axes="ZYX"), denoiser, level=lambda tile: 0.1 * tile)
    assert denoiser.seen[0][1].shape == (4, 8, 9, 1)
    denoiser = Blend(level_map=False)
    denoise_image(noisy_image((4, 8, 9), axes="ZYX"), denoiser, level=lambda tile: 0.1 * tile)
    assert denoiser.seen[0][1].shape == (1,)
