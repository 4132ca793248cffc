"""What reports are made of: aggregates, axes, charts, texts, and what of the data becomes markup: nothing."""

import datetime as dt
import html
import math
import re
from html.parser import HTMLParser

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.catalog.cohorts import Cohort
from limpid.catalog.columns import ASSIGNED, COLUMNS
from limpid.catalog.insight import insight
from limpid.catalog.report import Axis, Column, Html, Row, Section, element, number, table, write_report
from limpid.catalog.report.aggregate import SEPARATE, reduce
from limpid.catalog.report.choice import choose
from limpid.catalog.report.recommend import recommend
from limpid.catalog.report.survey import Surveyed, survey_sections

USUAL = {"low": 0, "high": 255, "dtype": "uint8", "channels": 1, "planes": 1, "width": 1000, "height": 500}


def catalogue(rows):
    connection = duckdb.connect()
    columns = {**COLUMNS, **ASSIGNED}
    connection.execute(f"create table catalogue ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    for number_, row in enumerate(rows):
        whole = {"uri": f"/in/{number_:05}", "folder": "/in", "sha256": f"{number_}", "advice": ["level"], "size": 10}
        whole |= USUAL | row
        connection.execute(
            f"insert into catalogue ({', '.join(whole)}) values ({', '.join('?' * len(whole))})", list(whole.values())
        )
    return connection


def cohort(place=0, *, images=10, correlation=(0.0, 0.0), sigma=10.0):
    return Cohort(place, images, 0.0, sigma**2, sigma, (sigma / 2, sigma * 2), correlation, 0.0, 255.0, 1)


class Parsed(HTMLParser):
    """The tags, attributes and texts of a document."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.values, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data):
        self.text += data


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in (*range(32), 127)])))
def test_any_text_comes_back_as_the_text_it_is(text):
    parsed = Parsed(element("p", text, title=text))
    assert parsed.tags == ["p"]
    assert parsed.values == [text]
    assert parsed.text == text


def test_what_can_not_be_shown_is_a_mark_and_markup_stays():
    assert element("p", "a\x00\udce9\x1b", Html("<br>")) == "<p>a\ufffd?\ufffd<br></p>"
    assert element("input", disabled=True, hidden=False, value=None) == "<input disabled>"


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6), st.booleans())
def test_ticks_of_any_axis_are_few_in_order_and_within(low, ratio, log):
    ticks = Axis("", low, low * ratio, log=log).ticks
    places = [place for place, _ in ticks]
    assert 2 <= len(ticks) <= 16
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert len({text for _, text in ticks}) == len(ticks)


def test_an_axis_of_images_has_whole_numbers():
    assert [text for _, text in Axis("images", 0, 3, whole=True).ticks] == ["0", "1", "2", "3"]


@given(st.floats(-1e12, 1e12, allow_subnormal=False))
def test_a_number_is_shown_with_three_digits_that_count(value):
    assert math.isclose(float(number(value).replace(",", "")), value, rel_tol=0.0051, abs_tol=1e-300)


def test_every_image_is_in_a_distribution_once_and_the_bars_are_few():
    rng = np.random.default_rng(0)
    rows = [
        {"sigma": float(np.exp(rng.normal(2, 1))), "snr_db": float(rng.normal(20, 3)), "cohort": cohort}
        for cohort in (None, *range(SEPARATE + 3))
        for _ in range(30)
    ]
    found = reduce(catalogue([*rows, {"sigma": 1e9}, {"error": "broken"}])).distributions
    for name in ("sigma", "snr_db"):
        one = found[name]
        assert sum(map(sum, one.counts.values())) == len(rows) + (name == "sigma")
        assert list(one.counts) == [*range(SEPARATE + 1), None]
        assert len(one.edges) <= 41
        assert all(len(counts) == len(one.edges) - 1 for counts in one.counts.values())
    assert sum(found["snr_db"].counts[SEPARATE]) == 3 * 30


def test_bars_hold_what_numpy_counts():
    values = np.random.default_rng(1).normal(20, 4, 2000)
    found = reduce(catalogue([{"snr_db": float(value)} for value in values])).distributions["snr_db"]
    expected, _ = np.histogram(values.clip(found.edges[0], found.edges[-1] - 1e-6), found.edges)
    assert found.counts[None] == expected.tolist()


def test_sigma_is_told_in_own_units_where_all_have_one_range_and_in_percent_elsewhere():
    one = reduce(catalogue([{"sigma": 5.1}, {"sigma": 5.1}]))
    assert (one.unit.label, one.sigma) == ("sigma (values 0 to 255)", 5.1)
    two = reduce(catalogue([{"sigma": 5.1}, {"sigma": 1310.7, "high": 65535, "dtype": "uint16"}]))
    assert two.unit.label == "sigma, % of the value range"
    assert two.sigma == pytest.approx(2)
    assert two.unit.of(5.1, 0, 255) == pytest.approx(2)


def test_noise_by_iso_is_told_for_each_camera_in_thirds_of_a_stop():
    rows = [
        {"camera": camera, "iso": iso, "sigma": factor * iso / 100}
        for camera, factor in (("A", 1.0), ("B", 2.0))
        for iso in (100, 102, 800)
    ]
    found = reduce(catalogue(rows)).sensitivity
    assert {camera: [(round(q.at), q.images) for q in curve] for camera, curve in found.items()} == {
        "A": [(100, 2), (800, 1)],
        "B": [(100, 2), (800, 1)],
    }
    assert found["B"][1].middle == 16


@pytest.mark.parametrize(("months", "by_years"), [(30, False), (200, True)])
def test_noise_over_time_is_told_by_month_or_where_there_are_many_by_year(months, by_years):
    rows = [{"sigma": 5.0, "taken": dt.datetime(2000 + m // 12, m % 12 + 1, 3)} for m in range(months)]
    found = reduce(catalogue(rows))
    assert found.by_years == by_years
    assert len(found.dates) == (17 if by_years else 30)
    assert [day for day, _ in found.dates] == sorted(day for day, _ in found.dates)


def test_pictures_are_typical_or_extreme_and_none_comes_twice():
    rows = [{"sigma": 10 + 0.01 * k, "snr_db": 20 + 0.01 * k, "cohort": 0} for k in range(-50, 51)]
    rows += [{"sigma": 30.0, "snr_db": -5.0}, {"sigma": 30.0, "snr_db": -5.0, "sha256": "same"}]
    rows += [{"sigma": 30.0, "snr_db": -6.0, "sha256": "same"}, {"sigma": 1.0, "snr_db": 40.0, "advice": ["clean"]}]
    found = choose(catalogue([*rows, {"error": "broken"}]), [{"uri": "/in/00003", "sigma": 9.0, "usual": 4.0}])
    kinds = [one.kind for one in found]
    assert [abs(one.row["sigma"] - 10) < 0.02 for one in found if one.kind == "typical"] == [True, True]
    assert [one.row["uri"] for one in found if one.kind == "outlier"] == ["/in/00003"]
    assert [one.row["sigma"] for one in found if one.kind == "clean"] == [1.0]
    assert kinds.count("worst") == 4
    assert len({one.row["sha256"] for one in found}) == len(found)


def told(rows, cohorts=(), **options):
    connection = catalogue(rows)
    found = recommend(
        reduce(connection), cohorts, insight(connection, []), collection=["my photos"], folder="census", **options
    )
    return {one.heading: one for one in found}


def test_what_to_do_is_told_with_its_numbers_and_commands():
    rows = [{"sigma": 20.0}] * 3 + [{"sigma": 1.0, "advice": ["clean"]}, {"error": "broken"}]
    found = told(rows, [cohort(), cohort(1, images=7, correlation=(0.5, 0.1))], options=["--value-range", "0", "1"])
    assert list(found) == [
        "Denoise 3 images",
        "Leave 1 image alone",
        "Train a model for cohort 1: 7 images",
        "Restore 1 file that can't be read",
    ]
    assert found["Denoise 3 images"].commands == ["limpid denoise 'my photos' --value-range 0 1 -o denoised"]
    assert "cohort = 1" in found["Train a model for cohort 1: 7 images"].commands[0]
    assert told([]) == {}


def test_a_model_of_its_own_is_not_proposed_for_what_a_network_can_not_learn_from():
    correlated = [cohort(correlation=(0.5, 0.5))]
    heading = "Train a model for cohort 0: 10 images"
    jpeg = told([{"sigma": None, "advice": ["jpeg"], "cohort": 0}] * 4, correlated)[heading]
    assert "--clean" in jpeg.text
    assert not jpeg.commands
    shard = told([{"uri": "/s.tar#a.png", "sigma": None, "cohort": 0}], correlated)[heading]
    assert "xargs" not in shard.commands[0]


def test_a_table_says_by_what_it_is_sorted():
    shown = table([Column("size", numeric=True)], [Row([12345.678])], caption="sizes")
    assert re.findall(r"<td[^>]*>[^<]*", shown) == ['<td class="number" data-value="12345.678">12,300']


def test_a_report_is_written_whole_with_what_is_in_it_only(tmp_path):
    rows = [{"sigma": 10.0 + k, "snr_db": 20.0, "uri": f"</script><script>alert({k})</script>"} for k in range(3)]
    rows.append({"error": "<b>broken</b>", "uri": "<img src=x onerror=alert(1)>"})
    connection = catalogue(rows)
    found = Surveyed(["<i>in</i>"], "census", reduce(connection), [cohort()], insight(connection, []))
    write_report(tmp_path / "report.html", survey_sections(found), title="<i>in</i>")
    parsed = Parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert parsed.tags.count("script") == 1
    assert not {"img", "b", "iframe"} & set(parsed.tags)
    assert "<img src=x onerror=alert(1)>" in parsed.text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_section_of_ones_own_goes_into_a_report(tmp_path):
    write_report(tmp_path / "r.html", [Section("mine", "My own", element("p", "1 < 2"))], title="Mine")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="mine"' in text
    assert html.escape("1 < 2") in text
