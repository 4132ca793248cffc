import dataclasses

import numpy as np
import pytest

from limpid.core.errors import ImageError
from limpid.core.image import Image, Metadata, Provenance


@pytest.mark.parametrize(("dtype", "high"), [(np.uint8, 255), (np.uint16, 65535)])
def test_integers_take_the_range_of_their_dtype(dtype, high):
    assert Image.from_array(np.zeros((2, 3), dtype)).value_range == (0, high)


def test_floats_need_a_range():
    with pytest.raises(ImageError, match=r"value_range=\(low, high\)"):
        Image.from_array(np.zeros((2, 3)))
    assert Image.from_array(np.zeros((2, 3)), value_range=(0, 1)).values.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.uint32, np.complex64, object])
def test_dtypes_without_a_known_range_are_refused_by_name(dtype):
    with pytest.raises(ImageError, match=np.dtype(dtype).name):
        Image.from_array(np.zeros((2, 3), dtype))


def test_booleans_become_black_and_white():
    assert Image.from_array(np.array([[True, False]])).values.tolist() == [[255, 0]]


def test_big_endian_and_strided_arrays_keep_their_values():
    source = np.arange(24, dtype=">u2").reshape(4, 6)[::2, ::-1]
    assert Image.from_array(source).values.tolist() == source.tolist()


def test_ambiguous_axes_are_asked_for():
    with pytest.raises(ImageError, match="axes="):
        Image.from_array(np.zeros((5, 6, 4), np.uint8))
    assert Image.from_array(np.zeros((5, 6, 4), np.uint8), axes="ZYX").channels == 1


@pytest.mark.parametrize("axes", ["XY", "CYX", "YXZ", "YXCC", "YXQ", "QYX", "ZZYX", "Y"])
def test_axes_out_of_order_or_unknown_are_refused(axes):
    with pytest.raises(ImageError, match="axes"):
        Image.from_array(np.zeros((4,) * len(axes), np.uint8), axes=axes)


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, np.inf), (np.nan, 1)])
def test_an_empty_range_is_refused(value_range):
    with pytest.raises(ImageError, match="low < high"):
        Image.from_array(np.zeros((2, 2), np.uint8), value_range=value_range)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ImageError, match="no pixels"):
        Image.from_array(np.zeros((0, 3), np.uint8))


def test_alpha_must_have_the_shape_of_the_pixels():
    with pytest.raises(ImageError, match="alpha"):
        Image(np.zeros((4, 4, 3), np.uint8), "YXC", (0, 255), alpha=np.zeros((4, 3), np.uint8))


def test_planes_merge_everything_before_height_and_come_back():
    values = np.arange(2 * 3 * 4 * 5 * 3, dtype=np.uint16).reshape(2, 3, 4, 5, 3)
    image = Image(values, "TZYXC", (0, 65535))
    assert image.planes().shape == (6, 4, 5, 3)
    assert np.array_equal(image.with_planes(image.planes()).values, values)


def test_with_planes_appends_a_step_and_keeps_the_rest():
    image = Image(np.zeros((2, 2), np.uint8), "YX", (0, 255), metadata=Metadata(exif=b"x"))
    step = Provenance("limpid", "denoise", {"sigma": 1})
    changed = image.with_planes(image.planes() + np.uint8(1), step=step)
    assert changed.metadata == dataclasses.replace(image.metadata, provenance=(step,))
    assert changed.values.tolist() == [[1, 1], [1, 1]]
    assert image.metadata.provenance == ()


def test_pixels_can_not_be_changed_in_place_and_the_callers_array_stays_writable():
    array = np.zeros((2, 2), np.uint8)
    image = Image.from_array(array)
    with pytest.raises(ValueError, match="read-only"):
        image.values[0, 0] = 1
    array[0, 0] = 1


def test_numpy_takes_an_image_as_an_array():
    image = Image.from_array(np.full((2, 2), 7, np.uint8))
    assert np.asarray(image).sum() == 28
    assert np.asarray(image, dtype=float).dtype == float


def test_errors_name_the_source():
    with pytest.raises(ImageError, match=r"^a\.tif: ") as caught:
        Image(np.zeros((2, 2), np.int32), "YX", (0, 1), source="a.tif")
    assert caught.value.source == "a.tif"


@pytest.mark.parametrize(
    ("axes", "shape", "stacks"),
    [
        ("YX", (4, 5), (1, 1, 4, 5, 1)),
        ("YXC", (4, 5, 3), (1, 1, 4, 5, 3)),
        ("TYX", (6, 4, 5), (1, 6, 4, 5, 1)),
        ("IYXC", (6, 4, 5, 3), (1, 6, 4, 5, 3)),
        ("TZYX", (2, 6, 4, 5), (2, 6, 4, 5, 1)),
    ],
)
def test_stacks_are_of_the_axis_before_the_plane(axes, shape, stacks):
    values = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    found = Image.from_array(values, axes=axes).stacks()
    assert found.shape == stacks
    assert np.array_equal(found.ravel(), values.ravel())
