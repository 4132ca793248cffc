"""Rows, the front, where labels go, the plot, and the table of what others published."""

import csv
import io

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.evaluation.datasets import registry
from limpid.evaluation.frontier import FrontierRow, frontier_csv, undominated
from limpid.evaluation.frontier_plot import frontier_plot
from limpid.evaluation.labels import Box, place_labels
from limpid.evaluation.published import PUBLISHED, PUBLISHED_SIGMAS

_POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


_PANEL = Box(0, 0, 524, 354)


def _row(method, psnr, *, kind="limpid", speed=1.0, kmac=100.0, data="made", sigma=25.0):
    return FrontierRow(
        method=method,
        kind=kind,
        data=data,
        channels=1,
        sigma=sigma,
        psnr=psnr,
        psnr_is="measured",
        megapixels_per_s=speed,
        kmac_per_pixel=kmac,
    )


@given(_POINTS)
def test_the_front_is_what_no_point_beats_and_everything_else_is_beaten_or_equalled(points):
    front = [points[k] for k in undominated(points)]
    assert front == sorted(front)
    assert len(set(front)) == len(front)
    for x, y in points:
        better = [(a, b) for a, b in points if a >= x and b >= y and (a, b) != (x, y)]
        assert ((x, y) in front) == (not better)


def test_a_table_read_again_holds_the_rows_and_where_they_are_from():
    rows = [_row("one", 29.07123), _row("two, and more", 30.0, speed=None, kmac=None)]
    read = list(csv.DictReader(io.StringIO(frontier_csv(rows, {"cpu": "a, b"}).decode())))
    assert [line["method"] for line in read] == ["one", "two, and more"]
    assert (read[0]["psnr"], read[0]["megapixels_per_s"], read[0]["cpu"]) == ("29.07", "1.0", "a, b")
    assert read[1]["megapixels_per_s"] == read[1]["kmac_per_pixel"] == ""


def test_labels_lie_neither_on_each_other_nor_on_points_nor_outside():
    rng = np.random.default_rng(0)
    bounds = Box(0, 0, 500, 350)
    for _ in range(20):
        points = [tuple(point) for point in rng.uniform((30, 30), (470, 320), (12, 2))]
        sizes = [(width, 13.0) for width in rng.uniform(25, 70, 12)]
        found = place_labels(points, sizes, bounds=bounds, gap=6)
        assert [(box.width, box.height) for box in found] == sizes
        pairs = [(a, b) for k, a in enumerate(found) for b in found[:k]]
        covered = sum(a.shared_area(b) for a, b in pairs)
        markers = [Box(x - 3, y - 3, 6, 6) for x, y in points]
        covered += sum(box.shared_area(marker) for box in found for marker in markers)
        assert covered == 0
        assert all(box.shared_area(bounds) == pytest.approx(box.width * box.height) for box in found)


def test_a_label_is_nearest_to_its_own_point():
    # Four networks near the right edge of a panel, two of them almost above one another.
    points = [(375.0, 245.0), (462.0, 276.0), (474.0, 299.0), (449.0, 246.0)]
    found = place_labels(points, [(56.0, 13.0), (78.0, 13.0), (61.0, 13.0), (58.0, 13.0)], bounds=_PANEL, gap=10)
    for box, own in zip(found, points, strict=True):
        assert min(points, key=box.distance) == own


def test_the_plot_is_drawn_also_of_rows_that_lack_a_cost_and_to_the_same_bytes():
    rows = [
        _row("fast", 29.1),
        _row("unknown", 29.5, kind="published", speed=None),
        _row("median", 25.0, kind="classical", kmac=None),
        _row("other sigma", 20.0, sigma=50.0),
        _row("fast", 30.1, data="another"),
    ]
    made = frontier_plot(rows, sigma=25.0, below="made up")
    assert list(made) == ["png", "svg"]
    drawn = PIL.Image.open(io.BytesIO(made["png"]))
    assert drawn.width == 1155
    assert drawn.height > 900  # two data sets, one above the other
    assert made == frontier_plot(rows, sigma=25.0, below="made up")
    assert made != frontier_plot(rows[:1], sigma=25.0, below="made up")


def test_a_plot_of_classical_methods_alone_has_an_empty_panel_of_arithmetic():
    rows = [_row("median", 25.0, kind="classical", kmac=None), _row("tv", 26.0, kind="classical", kmac=None)]
    assert frontier_plot(rows, sigma=25.0, below="")["png"]


@pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: one.name)
def test_what_others_published_names_its_source_and_fits_together(one):
    assert one.authors
    assert one.venue
    assert 2005 < one.year < 2030
    assert one.source.endswith(one.table)
    for data, scores in one.scores.items():
        assert scores == tuple(sorted(scores, reverse=True))  # more noise, fewer dB
        assert all(20 < score < 40 for score in scores)
        channels = registry()[data].channels
        if one.kind == "published":
            assert channels in one.kmac_per_pixel
            assert channels in one.parameters
        assert [one.psnr(data, sigma) for sigma in PUBLISHED_SIGMAS] == list(scores)
    assert one.psnr("bsd68", 30) is None
    assert one.psnr("mine", 25) is None
