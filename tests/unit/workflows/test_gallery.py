"""Pictures for reports."""

import io
import re

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from scipy import ndimage

import limpid
from limpid.catalog.measure import Settings
from limpid.catalog.report.choice import Chosen
from limpid.workflows import gallery as module
from limpid.workflows.gallery import compared, gallery
from limpid.workflows.models import load_model


@pytest.fixture(scope="module")
def fast():
    return load_model("fast")


def scene(shape=(300, 340), *, low=60, high=190):
    """Return a picture that is flat but for a field of disks in one corner."""
    pixels = np.full(shape, (low + high) / 2)
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels[(y % 40 - 20) ** 2 + (x % 40 - 20) ** 2 < 150] = high
    pixels[: shape[0] // 2] = pixels[:, : shape[1] // 2] = low
    return pixels


def saved(path, pixels, dtype=np.uint8, **options):
    limpid.write_image(
        limpid.Image.from_array(pixels.round().clip(0, np.iinfo(dtype).max).astype(dtype), **options), path
    )
    return path


def chosen(path, kind="typical", **known):
    row = dict.fromkeys(("cohort", "camera", "iso", "snr_db"))
    row |= {"uri": str(path), "sigma": 10.0, "low": 0.0, "high": 255.0, "width": 340, "height": 300, "dtype": "uint8"}
    return Chosen(kind, row | known)


def decoded(picture):
    return np.asarray(Pillow.open(io.BytesIO(picture.content))).astype(float)


def test_before_after_and_removed_are_shown_pixel_for_pixel(tmp_path, fast, monkeypatch):
    taken = []
    monkeypatch.setattr(module, "triplets", lambda items: taken.extend(items) or module.join([]))
    noisy = scene() + np.random.default_rng(0).normal(0, 10, (300, 340))
    gallery([chosen(saved(tmp_path / "a.png", noisy))], fast, Settings())
    before, after, removed = map(decoded, taken[0].pictures)
    assert before.shape == after.shape == removed.shape == (224, 224)
    stored = np.asarray(Pillow.open(tmp_path / "a.png"))
    places = [(y, x) for y in range(77) for x in range(117) if np.array_equal(stored[y : y + 224, x : x + 224], before)]
    assert len(places) == 1
    whole = limpid.denoise(stored, model=fast).astype(float)
    ((y, x),) = places
    assert np.abs(after - whole[y : y + 224, x : x + 224]).max() <= 1
    assert removed.mean() == pytest.approx(127.5, abs=2)
    assert np.corrcoef(removed.ravel(), (before - after).ravel())[0, 1] > 0.99
    assert removed.std() == pytest.approx(255 / 6, rel=0.2)


def test_the_part_that_is_shown_has_structure_and_flat_parts():
    flat = np.zeros((900, 900), np.uint8)
    flat[600:, 600:] = scene((300, 300))
    image = limpid.Image.from_array(flat)
    (before, *_) = compared(image, image, sigma=1.0)
    assert 0.02 < (ndimage.gaussian_gradient_magnitude(decoded(before), 1) > 5).mean() < 0.9


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (224, 224), (225, 10), (500, 233, 3), (3, 40, 50), (300, 300)])
def test_an_image_of_any_size_is_shown(shape):
    axes = {2: "YX", 3: "YXC" if shape[-1] == 3 else "IYX"}[len(shape)]
    values = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    image = limpid.Image.from_array(values, axes=axes)
    height, width = image.planes().shape[1:3]
    for picture in compared(image, image, sigma=2.0):
        assert (picture.height, picture.width) == (min(height, 224), min(width, 224)) == decoded(picture).shape[:2]


def test_pixels_that_are_no_numbers_are_shown_as_black():
    values = np.random.default_rng(0).random((300, 300), dtype=np.float32)
    values[:250] = np.nan
    values[260:270] = np.inf
    for pixels in (values, np.full((300, 300), np.nan, np.float32)):
        image = limpid.Image.from_array(pixels, value_range=(0, 1))
        assert len(compared(image, image, sigma=0.1)) == 3


def test_dark_and_deep_images_are_stretched_alike_and_it_is_said():
    dark = scene(low=100, high=300).round().astype(np.uint16)
    before, after, removed = compared(*[limpid.Image.from_array(dark + one) for one in (0, 20)], sigma=10.0)
    assert [picture.caption for picture in (before, after)] == ["before, stretched", "after, stretched"]
    assert "sigma" in removed.caption
    assert decoded(before).min() == 0
    assert decoded(before).max() == 255
    assert np.median(decoded(after) - decoded(before)) == pytest.approx(255 * 20 / 200, abs=2)
    assert decoded(removed).max() < 128


def test_what_is_gone_damaged_or_too_large_says_so_in_its_place(tmp_path, fast):
    (tmp_path / "damaged.png").write_bytes(saved(tmp_path / "a.png", scene()).read_bytes()[:200])
    huge = chosen(tmp_path / "a.png", width=20_000, height=20_000)
    shown = [chosen(tmp_path / "gone.png"), chosen(tmp_path / "damaged.png"), huge, chosen(tmp_path / "a.png")]
    section = gallery(shown, fast, Settings())
    assert section.body.count("It can&#x27;t be shown") == 3
    assert "no such file" in section.body
    assert "truncated" in section.body
    assert "megapixels" in section.body
    assert section.body.count("<img") == 3


def test_it_ends_in_time_and_says_what_was_left_out(tmp_path, fast, monkeypatch):
    monkeypatch.setattr(module, "_LIMIT_BYTES", 1)
    one = chosen(saved(tmp_path / "a.png", scene()))
    section = gallery([one] * 5, fast, Settings())
    assert section.body.count("<article") == 1
    assert "4 more were chosen" in section.body
    assert gallery([], fast, Settings()) is None
    kinds = gallery([one, chosen(tmp_path / "a.png", "clean")], fast, Settings()).body
    assert re.findall("<h3>([^<]*)", kinds) == ["Typical images"]


def test_floats_are_read_in_the_range_that_was_told(tmp_path, fast):
    values = (scene() / 255 + np.random.default_rng(0).normal(0, 0.05, (300, 340))).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    body = gallery([chosen(tmp_path / "a.tif")], fast, Settings(value_range=(0.0, 1.0))).body
    assert body.count("<img") == 3
    assert "before, stretched" in body
