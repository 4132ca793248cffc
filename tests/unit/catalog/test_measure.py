"""One image, one row."""

import io
import itertools
import os
import signal
from functools import partial

import numpy as np
import pytest
from PIL import Image as Pillow

import limpid
from limpid.catalog.columns import COLUMNS
from limpid.catalog.measure import Settings, fingerprint, measure
from limpid.catalog.workers import measure_all
from limpid.io.sources.item import Item, failed

PIXELS = np.random.default_rng(0).normal(120, 10, (64, 80)).round().clip(0, 255).astype(np.uint8)


def encoded(pixels=PIXELS, suffix="png", **options):
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, suffix, **options)
    return buffer.getvalue()


def item(content, uri="/photos/a.png", version="1"):
    return Item(uri, len(content), version, partial(bytes, content))


def test_a_row_holds_all_of_limpid_noise_and_what_the_image_is():
    row = measure(item(encoded()), Settings())
    noise = limpid.estimate_noise(PIXELS)
    assert list(row) == list(COLUMNS)
    assert (row["folder"], row["width"], row["height"], row["channels"], row["dtype"]) == (
        "/photos",
        80,
        64,
        1,
        "uint8",
    )
    assert (row["low"], row["high"], row["format"], row["error"]) == (0, 255, "png", None)
    assert row["sigma"] == noise.sigma
    assert (row["sigma_low"], row["sigma_high"]) == noise.sigma_interval
    assert row["advice"] == [one.code for one in noise.advice]
    assert row["mean"] == pytest.approx(PIXELS.mean())
    assert row["snr_db"] == pytest.approx(20 * np.log10(PIXELS.mean() / noise.sigma))
    assert row["clipped_share"] == row["clipped_low"] + row["clipped_high"]


def test_a_row_says_how_the_picture_was_taken():
    exif = Pillow.Exif()
    exif[0x010F], exif[0x0110] = "NIKON CORPORATION", "NIKON D70"
    exif.get_ifd(0x8769).update({0x8827: 800, 0x829A: 1 / 125, 0x9003: "2024:05:06 07:08:09"})
    row = measure(item(encoded(suffix="jpeg", exif=exif)), Settings())
    assert (row["camera"], row["iso"], row["taken"]) == ("NIKON D70", 800, "2024-05-06T07:08:09")
    assert row["exposure_s"] == pytest.approx(1 / 125)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"no image", "no image|not an image|known"),
        (encoded()[:200], "truncated|damaged"),
    ],
)
def test_what_can_not_be_decoded_is_a_row_with_its_hash(content, says):
    row = measure(item(content), Settings())
    assert row["error"]
    assert len(row["sha256"]) == 64
    assert row["sigma"] is None


def test_floats_need_a_range():
    values = (PIXELS / 255).astype(np.float32)
    buffer = io.BytesIO()
    Pillow.fromarray(values).save(buffer, "tiff")
    assert "value_range" in measure(item(buffer.getvalue()), Settings())["error"]
    assert measure(item(buffer.getvalue()), Settings(value_range=(0, 1)))["sigma"] == pytest.approx(10 / 255, rel=0.2)


def test_a_fingerprint_changes_with_all_that_decides_a_row():
    content = encoded()
    one = item(content)
    made = [one, item(content, uri="/b.png"), item(content, version="2"), Item(one.uri, 7, "1", bytes)]
    found = {fingerprint(each, settings) for each, settings in itertools.product(made, [Settings(), Settings((0, 1))])}
    assert len(found) == 8
    assert fingerprint(item(content, version=None), Settings()) == 0


def test_rows_of_several_processes_come_in_order_and_items_are_taken_as_needed():
    taken = []

    def items():
        for number in range(60):
            taken.append(number)
            yield failed(f"{number}", "not looked at") if number % 2 else item(encoded(PIXELS[:16, :16]), f"{number}")

    rows = measure_all(items(), settings=Settings(), workers=2)
    first = next(rows)
    assert len(taken) <= 16
    assert [row["uri"] for row in [first, *rows]] == [str(number) for number in range(60)]


def test_a_process_that_dies_over_an_image_costs_that_image_alone():
    killer = Item("killer", 1, "1", partial(_die))
    rows = list(measure_all([item(encoded()), killer, item(encoded())], settings=Settings(), workers=1))
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert "ended (status -9)" in rows[1]["error"]


def _die():
    os.kill(os.getpid(), signal.SIGKILL)
