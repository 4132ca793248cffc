"""Steps alone, and around denoisers whose answer is known."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from limpid.core.apply import denoise_image, without_gaps
from limpid.core.denoiser import Capabilities
from limpid.core.errors import ConfigError, OptionError
from limpid.core.image import Image
from limpid.core.preprocess import (
    STEPS,
    CentreCrop,
    NormalisePercentile,
    NormaliseRange,
    Resize,
    parse_steps,
    preprocess,
)
from limpid.core.resampling import noise_gain, resampled

SMALL = {"resize": {"height": 9, "width": 14}, "centre_crop": {"height": 7, "width": 50}}
NORMALISE = (NormaliseRange(), NormalisePercentile(low=3, high=80))


@pytest.fixture(params=STEPS)
def step(request):
    return STEPS[request.param](**SMALL.get(request.param, {}))


def image_of(shape=(20, 30), dtype=np.uint8, axes="YX", value_range=None):
    values = np.random.default_rng(0).gamma(2, 30, shape).clip(0, 255)
    return Image.from_array(values.astype(dtype), axes=axes, value_range=value_range)


class Recorder:
    """Takes its share of the noise off towards a local mean, and keeps what it was shown."""

    name = "recorder"
    identity = {"model": "recorder"}  # noqa: RUF012

    def __init__(self, *steps, **capabilities):
        self.capabilities = Capabilities(
            channels=(1, 3), level_map=True, halo_px=1, preprocessing=steps, **capabilities
        )
        self.seen = []

    def denoise_plane(self, noisy, level):
        self.seen.append((noisy, np.array(level)))
        return noisy + np.minimum(4 * level, 1) * (ndimage.uniform_filter(noisy, (3, 3, 1), mode="nearest") - noisy)


def level(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("shape", "axes"), [((20, 30), "YX"), ((1, 1), "YX"), ((3, 8, 9), "ZYX"), ((2, 8, 9, 3), "TYXC")]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_image_comes_back_as_it_was(step, shape, axes, dtype):
    image = image_of(shape, dtype, axes, value_range=(0, 255))
    image = dataclasses.replace(image, alpha=np.full(shape[: len(axes.removesuffix("C"))], 7, dtype))
    before = image.values.copy()
    clean = denoise_image(image, Recorder(step), level=level(*[0.05] * image.channels))
    assert (clean.values.shape, clean.values.dtype, clean.axes) == (shape, dtype, axes)
    assert clean.value_range == image.value_range
    assert np.array_equal(clean.alpha, image.alpha)
    assert np.array_equal(image.values, before)


def test_steps_survive_being_written_down(step):
    (again,) = parse_steps([dataclasses.asdict(step)])
    assert again == step
    assert dataclasses.asdict(step)["name"] in STEPS


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("normalise", NORMALISE)
def test_normalisation_is_undone_to_the_rounding_of_floats(normalise, dtype):
    image = image_of(dtype=dtype, value_range=(0, 255))
    seen = preprocess(image, [normalise])
    there = seen.image.unit_planes()
    low, high = seen.image.value_range
    back = seen.restored(there * np.float32(high - low) + np.float32(low))
    assert back == pytest.approx(image.planes(), abs=255 * 2**-23 if dtype == np.float32 else 0)


def test_the_range_becomes_zero_and_one():
    shown = preprocess(image_of(), [NormaliseRange()]).image.unit_planes()
    assert (shown.min(), shown.max()) == (0, 1)


def test_percentiles_become_zero_and_one_and_the_rest_is_not_clipped():
    shown = preprocess(image_of((100, 101), np.float32, value_range=(0, 255)), [NormalisePercentile(low=10, high=90)])
    values = shown.image.unit_planes()
    assert np.percentile(values, (10, 90)) == pytest.approx([0, 1], abs=1e-5)
    assert values.min() < 0
    assert values.max() > 1


def test_planes_and_channels_keep_their_ratio():
    image = Image.from_array(np.stack([np.full((8, 8), v, np.uint8) for v in (10, 20, 40)]), axes="ZYX")
    shown = preprocess(image, [NormaliseRange()]).image.unit_planes()
    assert shown.max(axis=(1, 2, 3)) == pytest.approx([0, 1 / 3, 1])


@pytest.mark.parametrize("normalise", NORMALISE)
def test_an_image_of_one_value_keeps_its_range(normalise):
    image = Image.from_array(np.full((8, 8), 9, np.uint8))
    assert preprocess(image, [normalise]).image.value_range == (0, 255)
    assert np.array_equal(denoise_image(image, Recorder(normalise), level=level(0.1)).values, image.values)


def test_percentiles_that_are_equal_give_way_to_the_range():
    values = np.zeros((20, 20), np.uint8)
    values[0, 0] = 50
    assert preprocess(Image.from_array(values), [NormalisePercentile()]).image.value_range == (0, 50)


def test_pixels_that_are_not_finite_do_not_count_and_stay(step):
    image = image_of(dtype=np.float32, value_range=(0, 255))
    values = image.values.copy()
    values[3, 4], values[10, 15] = np.inf, np.nan
    holed = Image.from_array(values, value_range=(0, 255))
    clean, filled = (denoise_image(one, Recorder(step), level=level(0.05)) for one in (holed, without_gaps(holed)))
    assert np.isinf(clean.values[3, 4])
    assert np.isnan(clean.values[10, 15])
    good = np.isfinite(values)
    assert np.array_equal(clean.values[good], filled.values[good])


@pytest.mark.parametrize("normalise", NORMALISE)
def test_tiles_are_normalised_as_the_whole_is(normalise):
    ramp = np.linspace(0, 1, 410)[None] * image_of((300, 410), np.float32, value_range=(0, 255)).values
    image = Image.from_array(ramp, value_range=(0, 255))
    tiles, whole = Recorder(normalise), Recorder(normalise)
    tiled = denoise_image(image, tiles, level=level(0.02), memory=1)
    assert len(tiles.seen) > 10
    assert np.array_equal(tiled.values, denoise_image(image, whole, level=level(0.02)).values)
    assert len(whole.seen) == 1


@pytest.mark.parametrize("normalise", NORMALISE)
def test_the_level_told_is_in_the_units_that_are_seen(normalise):
    image, denoiser = image_of(), Recorder(normalise)
    denoise_image(image, denoiser, level=level(0.1))
    low, high = preprocess(image, [normalise]).image.value_range
    assert denoiser.seen[0][1] == pytest.approx(0.1 * 255 / (high - low))


def test_a_level_per_pixel_is_that_of_the_same_signal():
    image, denoiser = image_of(dtype=np.float32, value_range=(-10, 245)), Recorder(NormalisePercentile(low=5, high=90))
    denoise_image(image, denoiser, level=lambda tile: 0.1 * tile + 0.02)
    span = preprocess(image, denoiser.capabilities.preprocessing).image.span
    expected = (0.1 * image.unit_planes()[0] + 0.02) * image.span / span
    assert denoiser.seen[0][1] == pytest.approx(expected, abs=1e-6)


def test_the_cap_on_the_level_is_in_the_units_that_are_seen():
    denoiser = Recorder(NormaliseRange(), sigma_max=0.2)
    image = Image.from_array(np.arange(100, dtype=np.uint8).reshape(10, 10))
    denoise_image(image, denoiser, level=level(0.1))
    assert denoiser.seen[0][1] == pytest.approx(0.2)


@pytest.mark.parametrize("after", [(40, 60), (60, 40), (77, 113), (200, 200)])
def test_white_noise_is_left_as_much_of_as_is_told(after):
    noise = np.random.default_rng(0).standard_normal((30, 120, 120, 1))
    left = resampled(noise, *after).std()
    # The sample of 432,000 values has a relative error of 0.1 %, of less where values are correlated.
    assert noise_gain((120, 120), after) == pytest.approx(left, rel=0.01)


def test_noise_stays_white_where_a_size_is_divided_by_a_whole_number():
    noise = np.random.default_rng(0).standard_normal((1, 600, 600, 1))
    small = resampled(noise, 200, 300)[0, ..., 0]
    # Four standard errors of a correlation of 60,000 pairs.
    assert abs(np.corrcoef(small[:, 1:].ravel(), small[:, :-1].ravel())[0, 1]) < 4 / np.sqrt(60_000)
    assert small.std() == pytest.approx(1 / np.sqrt(6), rel=0.02)


def test_a_resized_image_is_told_the_level_it_has_left():
    image, denoiser = image_of((40, 60)), Recorder(Resize(height=20, width=20))
    denoise_image(image, denoiser, level=level(0.1))
    assert denoiser.seen[0][0].shape == (20, 20, 1)
    assert denoiser.seen[0][1] == pytest.approx(0.1 / np.sqrt(6))


@pytest.mark.parametrize("size", [(20, 30), (7, 11), (50, 31)])
def test_resizing_keeps_a_constant_and_straight_lines(size):
    flat = resampled(np.full((1, 20, 30, 1), 3.25), *size)
    assert flat == pytest.approx(3.25)
    across = (np.arange(30) + 0.5) / 30
    lines = resampled(np.broadcast_to(across[:, None], (1, 20, 30, 1)), *size)[0, 0, :, 0]
    inner = slice(1, -1)  # borders are continued, not extrapolated
    # Old pixels are cut in part by a window, as squares of one value: that moves a mean by less than a tenth of one.
    assert lines[inner] == pytest.approx(((np.arange(size[1]) + 0.5) / size[1])[inner], abs=0.1 / 30)


def test_without_noise_nothing_changes_even_where_the_size_would():
    image = image_of()
    for told, strength in ((0.0, 1), (0.1, 0)):
        clean = denoise_image(image, Recorder(Resize(height=5, width=5)), level=level(told), strength=strength)
        assert np.array_equal(clean.values, image.values)


def test_what_lies_outside_a_crop_is_left_as_it_was():
    image, denoiser = image_of((21, 30)), Recorder(CentreCrop(height=10, width=11))
    clean = denoise_image(image, denoiser, level=level(0.2))
    assert denoiser.seen[0][0].shape == (10, 11, 1)
    inside = np.zeros(image.values.shape, bool)
    inside[5:15, 9:20] = True
    assert np.array_equal(clean.values[~inside], image.values[~inside])
    assert (clean.values[inside] != image.values[inside]).mean() > 0.5


def test_a_crop_larger_than_the_image_is_the_image():
    image = image_of()
    assert np.array_equal(preprocess(image, [CentreCrop(height=99, width=30)]).image.values, image.values)


def test_steps_follow_each_other_and_are_undone_backwards():
    steps = (CentreCrop(height=12, width=12), Resize(height=6, width=4), NormaliseRange())
    image, denoiser = image_of((20, 20)), Recorder(*steps)
    clean = denoise_image(image, denoiser, level=level(0.2))
    shown = denoiser.seen[0][0]
    assert shown.shape == (6, 4, 1)
    assert (shown.min(), shown.max()) == (0, 1)
    assert np.array_equal(clean.values[:4], image.values[:4])
    assert not np.array_equal(clean.values[4:16, 4:16], image.values[4:16, 4:16])
    assert clean.values[4:16, 4:16].mean() == pytest.approx(image.values[4:16, 4:16].mean(), abs=2)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([{"name": "resise", "height": 4, "width": 4}], r"no preprocessing step 'resise'; did you mean 'resize'\?"),
        ([{"name": "resize", "hight": 4, "width": 4}], r"'resize' takes no 'hight'; did you mean 'height'\?"),
        ([{"name": "resize", "height": 4}], "'resize' lacks 'width'"),
        ([{"name": "normalise_range", "low": 4}], "takes no 'low'; known: none"),
        ([{"height": 4, "width": 4}], "must be a mapping with a name"),
        (["resize"], "must be a mapping with a name"),
        ({"name": "resize"}, "must be a list"),
    ],
)
def test_what_is_no_step_is_refused_with_what_may_be_meant(raw, message):
    with pytest.raises(ConfigError, match=message):
        parse_steps(raw)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"name": "resize", "height": 0, "width": 4}, r"height \(in pixels\) must be a whole number >= 1"),
        ({"name": "centre_crop", "height": 2, "width": 4.5}, r"width \(in pixels\) must be a whole number"),
        ({"name": "normalise_percentile", "low": -1, "high": 4}, "low percentile must be a number from 0 to 100"),
        ({"name": "normalise_percentile", "low": 50, "high": 50}, "must be below the high one, got 50 and 50"),
    ],
)
def test_values_out_of_range_are_refused(raw, message):
    with pytest.raises(OptionError, match=message):
        parse_steps([raw])
