"""Cohorts of a catalogue."""

import json

import duckdb
import numpy as np
import pytest

from limpid.catalog.cohorts import assign, describe, fit_cohorts
from limpid.catalog.columns import COLUMNS
from limpid.catalog.question import opened
from limpid.catalog.store import open_store


def image(number, sigma, **values):
    known = {"uri": f"{number:04}", "fingerprint": number + 1, "sha256": f"{number}", "low": 0.0, "high": 255.0}
    known |= {"channels": 1, "mean": 60.0 + number % 100, "sigma": sigma, "sigma_low": 0.97 * (sigma or 0)}
    known |= {
        "sigma_high": 1.03 * (sigma or 0),
        "gain": 0.0,
        "gain_high": 0.05,
        "correlation_x": 0.01,
        "correlation_y": 0.0,
    }
    return {**dict.fromkeys(COLUMNS), **known, "correlation_error": 0.03, "advice": ["level"], **values}


@pytest.fixture
def survey(tmp_path):
    def survey(*rows):
        with open_store(tmp_path) as store:
            for row in rows:
                store.add(row)
            merged = store.merge()
            fits = fit_cohorts(merged)
            store.commit(merged, assign(merged, fits))
        connection = opened(tmp_path)
        found = connection.execute("select cohort, cohort_sure from catalogue order by uri").fetchall()
        return describe(connection, fits), found

    return survey


def test_an_image_that_is_like_none_is_of_no_cohort(survey):
    rng = np.random.default_rng(0)
    usual = [image(number, float(10 * np.exp(rng.normal(0, 0.01)))) for number in range(40)]
    (cohort,), found = survey(*usual, image(40, 60.0), image(41, None), {**image(42, None), "error": "broken"})
    assert cohort.images == 40
    assert cohort.sigma == pytest.approx(10, rel=0.02)
    assert cohort.sigma_interval[0] < cohort.sigma < cohort.sigma_interval[1]
    assert {place for place, _ in found[:40]} == {0}
    assert all(0.99 < sure <= 1 for _, sure in found[:40])
    assert found[40:] == [(None, None)] * 3


def test_images_of_other_ranges_or_channels_are_other_cohorts_in_their_own_units(survey):
    sixteen = {"low": 0.0, "high": 65535.0, "mean": 30000.0, "gain_high": 13.0}
    rows = [image(number, 10.0) for number in range(20)]
    rows += [image(20 + number, 2570.0, **sixteen) for number in range(12)]
    rows += [image(40 + number, 10.0, channels=3) for number in range(5)]
    cohorts, _ = survey(*rows)
    assert [(one.images, round(one.sigma), one.high, one.channels) for one in cohorts] == [
        (20, 10, 255, 1),
        (12, 2570, 65535, 1),
        (5, 10, 255, 3),
    ]
    assert cohorts[1].read_noise == pytest.approx(2570, rel=0.01)


def test_gain_and_read_noise_are_of_the_line_through_all_images(survey):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        mean = float(rng.uniform(10, 240))
        sigma = float(np.sqrt(0.5 * mean + 16))
        gain = float(rng.normal(0.5, 0.03))
        rows.append(image(number, sigma, mean=mean, gain=gain, gain_high=gain + 0.08))
    (cohort,), _ = survey(*rows)
    assert cohort.gain == pytest.approx(0.5, rel=0.05)
    assert cohort.read_noise == pytest.approx(4, rel=0.1)
    assert "signal-dependent" in [one.code for one in cohort.advice]
    assert json.dumps(cohort.to_dict())


def test_correlated_noise_is_told_from_white(survey):
    rows = [image(number, 10.0) for number in range(30)]
    rows += [image(30 + number, 10.0, correlation_x=0.6, correlation_y=0.6) for number in range(20)]
    white, correlated = survey(*rows)[0]
    assert (white.white, correlated.white) == (True, False)
    assert (white.images, correlated.images) == (30, 20)


def test_a_collection_of_nothing_measurable_has_no_cohort(survey):
    assert survey(image(0, None))[0] == []


def test_the_catalogue_needs_no_limpid(survey, tmp_path):
    survey(image(0, 10.0))
    found = duckdb.connect().execute(f"describe select * from '{tmp_path}/catalogue.parquet'").fetchall()
    assert [name for name, *_ in found] == [*COLUMNS, "cohort", "cohort_sure"]
