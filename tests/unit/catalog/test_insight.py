"""What a catalogue tells, on catalogues made to tell it."""

import datetime as dt

import duckdb
import numpy as np
import pytest

from limpid.catalog.columns import ASSIGNED, COLUMNS
from limpid.catalog.insight import Expected, insight

EXPECTED = Expected(1, [(15 / 255, 32.0), (25 / 255, 29.5), (50 / 255, 26.5)], "made up", 4.0)


def catalogue(*rows):
    connection = duckdb.connect()
    columns = {**COLUMNS, **ASSIGNED}
    connection.execute(f"create table catalogue ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    usual = {"low": 0, "high": 255, "dtype": "uint8", "channels": 1, "planes": 1, "width": 1000, "height": 500}
    for number, row in enumerate(rows):
        whole = (
            {"uri": f"{number:03}", "folder": "in", "sha256": f"{number}", "size": 10, "advice": ["level"]}
            | usual
            | row
        )
        names = ", ".join(whole)
        connection.execute(
            f"insert into catalogue ({names}) values ({', '.join('?' * len(whole))})", list(whole.values())
        )
    return connection


def found(*rows, expected=()):
    return insight(catalogue(*rows), expected)


def test_noise_is_told_by_camera_and_iso_by_folder_and_by_month():
    rows = [
        {"camera": "X", "iso": iso, "sigma": sigma, "folder": f"{iso}", "taken": dt.datetime(2024, month, 5)}
        for iso, month in ((100, 3), (800, 4))
        for sigma in (iso / 50, iso / 100, iso / 20)
    ]
    noise = found(*rows, {"error": "broken"})["noise"]
    assert [(row["camera"], row["iso"], row["images"], row["sigma"]) for row in noise["by_camera"]] == [
        ("X", 100, 3, 2),
        ("X", 800, 3, 16),
    ]
    assert [row["folder"] for row in noise["by_folder"]] == ["100", "800"]
    assert [(row["month"], row["sigma"]) for row in noise["by_month"]] == [("2024-03", 2), ("2024-04", 16)]


def test_drift_is_the_slope_of_the_logarithm_with_its_standard_error():
    rng = np.random.default_rng(0)
    days = np.sort(rng.integers(0, 1500, 60))
    sigmas = 10 * 1.2 ** (days / 365.25) * np.exp(rng.normal(0, 0.1, 60))
    start = dt.datetime(2020, 1, 1)
    rows = [
        {"camera": "X", "iso": 100, "sigma": float(s), "taken": start + dt.timedelta(days=int(d))}
        for d, s in zip(days, sigmas, strict=True)
    ]
    (drift,) = found(*rows)["drift"]
    years = days / 365.25
    (slope, _), covariance = np.polyfit(years, np.log(sigmas), 1, cov=True)
    assert drift["per_year"] == pytest.approx(np.expm1(slope))
    assert drift["error"] == pytest.approx(np.sqrt(covariance[0, 0]))
    assert abs(slope - np.log(1.2)) < 3 * drift["error"]


def test_an_outlier_is_far_from_those_of_its_own_camera_and_iso():
    rng = np.random.default_rng(0)
    rows = [
        {"camera": "X", "iso": iso, "sigma": float(np.exp(rng.normal(np.log(iso / 20), 0.05)))}
        for iso in (100, 1600)
        for _ in range(20)
    ]
    outliers = found(*rows, {"uri": "far", "camera": "X", "iso": 100, "sigma": 80.0})["outliers"]
    assert outliers["images"] == 1
    assert outliers["worst"][0]["uri"] == "far"
    assert outliers["worst"][0]["usual"] == pytest.approx(5, rel=0.05)


def test_duplicates_are_found_byte_by_byte_and_by_looks():
    rows = [
        {"uri": "a", "sha256": "1", "phash": 0x0123_4567_89AB_CDEF},
        {"uri": "b", "sha256": "1", "phash": 0x0123_4567_89AB_CDEF},
        {"uri": "c", "sha256": "2", "phash": 0x0123_4567_89AB_CDEF ^ 0b111},
        {"uri": "d", "sha256": "3", "phash": ~0x0123_4567_89AB_CDEF},
        {"uri": "e", "sha256": "4", "phash": 0},
        {"uri": "f", "sha256": "5", "phash": 0},
    ]
    duplicates = found(*rows)["duplicates"]
    assert duplicates["exact"] == 1
    assert duplicates["groups"] == [{"uri": "a", "copies": 2}]
    assert duplicates["near"] == 2
    assert [(pair["one"], pair["other"], pair["bits"]) for pair in duplicates["pairs"]] == [
        ("a", "c", 3),
        ("b", "c", 3),
    ]


@pytest.mark.parametrize("flipped", [0, 1, 2, 3])
def test_every_pair_of_up_to_three_bits_is_found(flipped):
    rng = np.random.default_rng(flipped)
    for _ in range(10):
        own = int(rng.integers(-(2**63), 2**63))
        bits = rng.choice(63, flipped, replace=False)
        other = own ^ sum(1 << int(bit) for bit in bits)
        assert found({"phash": own}, {"phash": other})["duplicates"]["near"] == 1


def test_a_pattern_that_many_share_is_no_sign_of_a_duplicate():
    assert found(*[{"phash": 77}] * 501)["duplicates"]["near"] == 0


def test_denoising_is_foretold_for_what_is_not_clean():
    rows = [
        {"sigma": 25.0, "white": True},
        {"sigma": 25.0, "white": False},
        {"sigma": 25.0, "white": True, "channels": 3},
        {"sigma": 3.0, "white": True},
        {"sigma": 1.0, "white": True, "advice": ["clean"]},
        {"error": "broken"},
    ]
    told = found(*rows, expected=[EXPECTED])
    denoising = told["denoising"]
    assert told["clean"] == 1
    assert (denoising["images"], denoising["bytes"], denoising["megapixels"]) == (4, 40, 2)
    assert denoising["gain_unknown"] == 2
    assert denoising["minutes"] == pytest.approx(1.5 / 4 / 60)
    assert denoising["basis"] == ["made up"]


@pytest.mark.parametrize(("sigma", "psnr"), EXPECTED.points)
def test_the_gain_foretold_is_what_was_measured_where_it_was_measured(sigma, psnr):
    median = found({"sigma": 255 * sigma, "white": True}, expected=[EXPECTED])["denoising"]["gain_db"]
    assert median == pytest.approx(psnr + 20 * np.log10(sigma), abs=0.2)


def test_nothing_is_told_of_nothing():
    told = found()
    assert told["drift"] == told["outliers"]["worst"] == told["duplicates"]["groups"] == []
    assert told["denoising"]["images"] == told["clean"] == 0
