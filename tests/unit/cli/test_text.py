"""How values are read from text and shown as text."""

from __future__ import annotations

import inspect
import itertools
import json

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from limpid.cli.benchmark import counting
from limpid.cli.denoise import denoise
from limpid.cli.errors import one_line, reported
from limpid.cli.main import app
from limpid.cli.noise import noise
from limpid.cli.options import sigma_value, size_value
from limpid.cli.render import print_paragraph, print_table
from limpid.cli.summary import duration, summary_line
from limpid.cli.tables import models_table, protocol_text, size
from limpid.cli.train import preprocessing_steps
from limpid.core.errors import DataError, LimpidError, ModelError, OptionError, ReadError
from limpid.core.image import Image
from limpid.core.preprocess import parse_steps
from limpid.evaluation.benchmark import ImageScore
from limpid.evaluation.protocol import protocol
from limpid.io import DEFAULT_MAX_PIXELS, write_image
from limpid.workflows.files import FileResult, FilesSummary

VERBS = {"denoise": denoise, "noise": noise}


@pytest.mark.parametrize(
    ("text", "value"),
    [("500MB", 500_000_000), ("2GB", 2_000_000_000), ("1.5GiB", 1_610_612_736), ("64 kB", 64_000), ("1000", 1000)],
)
def test_sizes_have_decimal_and_binary_units(text: str, value: int) -> None:
    assert size_value(text) == value == size_value(text.lower())


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "0", "1TB", "5 MB of it"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="no size"):
        size_value(text)


def test_sigma_is_a_number_or_auto() -> None:
    assert sigma_value("auto") is None
    assert sigma_value("9.5") == 9.5


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    shown = one_line(text)
    assert len(shown) == len(text)
    assert shown == "" or shown.isprintable()


def row(status: str, **known: object) -> FileResult:
    return FileResult(input="a", output="b", status=status, model="fast", **known)  # type: ignore[arg-type]


def test_the_summary_counts_and_says_what_was_done() -> None:
    from pathlib import Path

    rows = (row("ok", sigma=9.81, blind=True), row("ok", sigma=9.79, blind=True), row("error"), row("skipped"))

    line = summary_line(FilesSummary(rows, Path("clean"), 4.21))

    assert line == "2 files cleaned, 1 failed, 1 skipped in 4.2 s -> clean (fast, sigma 9.79 to 9.81 measured)"
    assert summary_line(FilesSummary((), Path("clean"), 0.04)) == "0 files cleaned in 0.0 s"


def test_the_summary_says_which_model_was_taken_and_why_where_there_was_a_choice() -> None:
    white, camera = (
        FileResult(input="a", output="b", status="ok", model=model, chosen_for=reason, sigma=5.0, blind=True)
        for model, reason in (("fast", "white noise"), ("camera", "correlated noise"))
    )
    one, several = (summary_line(FilesSummary(rows, "clean", 4.21)) for rows in ((camera,), (white, camera, camera)))
    assert one == "1 file cleaned in 4.2 s -> clean (camera for correlated noise, sigma 5 measured)"
    assert several.splitlines() == [
        "3 files cleaned in 4.2 s -> clean (sigma 5 measured)",
        "    2 by camera for correlated noise",
        "    1 by fast for white noise",
    ]


def test_the_summary_writes_levels_of_16_bits_in_full() -> None:
    from pathlib import Path

    (line,) = summary_line(FilesSummary((row("ok", sigma=3888.2, blind=True),), Path("a"), 1.0)).splitlines()
    assert line == "1 file cleaned in 1.0 s -> a (fast, sigma 3888 measured)"


@pytest.mark.parametrize(("seconds", "text"), [(59.94, "59.9 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1600, "1.6 kB"), (2_500_000, "2.5 MB")])
def test_bytes_are_for_people(count: int, text: str) -> None:
    assert size(count) == text


def test_a_table_is_aligned_and_never_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"name": "left", "value": "right"}, [["x" * 100, "1"], ["日本", "22"]])

    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "name" + " " * 98 + "value"
    assert first == "x" * 100 + "      1"
    assert second == "日本" + " " * 96 + "     22"


def test_the_networks_fit_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "name": "best-color",
        "channels": 3,
        "parameters": 12_809_728,
        "kmac_per_pixel": 1098.8,
        "bytes": 25_600_000,
        "precision": "bf16",
        "licence": "Apache-2.0",
    }

    print_table(*models_table([row]))

    head, line = capsys.readouterr().out.splitlines()
    assert max(len(head), len(line)) <= 80
    assert "12,809,728" in line


def test_the_protocol_below_a_table_is_a_few_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    versions = {"python": "3.11.7", "limpid": "0.1.0", "numpy": "2.4.6", "openvino": "2026.4.1", "scipy": "1.17.1"}
    stated = protocol(seed=7, gray=True, threads=3) | {"versions": versions, "cpu": "Some Processor 8481C @ 2.70GHz"}

    print_paragraph(protocol_text(stated))

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 4
    assert max(map(len, lines)) <= 80
    said = " ".join(lines)
    assert all(word in said for word in ("white Gaussian", "[7, image index", "luma", "3 threads", "limpid", "--json"))


@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=4))
def test_the_bar_of_a_benchmark_is_never_longer_than_it_will_be_and_full_in_the_end(
    denoisers: int, sigmas: int, datasets: list[tuple[int, bool]]
) -> None:
    bar = Recorder()
    told = counting(bar, denoisers=denoisers, sigmas=sigmas)  # type: ignore[arg-type]
    whole = 0
    for images, real in datasets:
        levels = [None] if real else [float(k) for k in range(sigmas)]
        for _, sigma, index in itertools.product(range(denoisers), levels, range(images)):
            score = ImageScore(
                data="d", denoiser="x", sigma=sigma, index=index, images=images, psnr=1, ssim=1, seconds=1
            )
            told(score)
            assert bar.done <= bar.total == whole + denoisers * len(levels) * images
        whole += denoisers * len(levels) * images

    assert bar.done == bar.total == whole


class Recorder:
    """What a bar was told."""

    done = total = 0

    def planned(self, count: int) -> None:
        self.total = count

    def advance(self) -> None:
        self.done += 1


@pytest.mark.parametrize("verb", ["denoise", "noise"])
def test_the_limit_of_pixels_that_help_names_is_the_one_that_holds(verb: str) -> None:
    assert inspect.signature(VERBS[verb]).parameters["max_pixels"].default is None

    shown = " ".join(CliRunner().invoke(app, [verb, "--help"]).stdout.split())

    assert f"default: ({DEFAULT_MAX_PIXELS // 10**6} million)" in shown


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OptionError("x"), 2),
        (ModelError("x"), 2),
        (DataError("x"), 2),
        (ReadError("x"), 1),
        (LimpidError("x"), 1),
        (ValueError("x"), 1),
    ],
)
def test_an_error_is_one_line_and_a_status(capsys: pytest.CaptureFixture[str], error: Exception, status: int) -> None:
    with pytest.raises(typer.Exit) as left, reported(json=True):
        raise error

    out, err = capsys.readouterr()
    assert left.value.exit_code == status
    assert len(err.splitlines()) == 1
    assert "x" in json.loads(out)["error"]


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, reported():
        raise KeyboardInterrupt

    assert left.value.exit_code == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "steps"),
    [
        ((None, None, None, None), []),
        (
            ((8, 9), (4, 5), "range", None),
            [
                {"name": "centre_crop", "height": 8, "width": 9},
                {"name": "resize", "height": 4, "width": 5},
                {"name": "normalise_range"},
            ],
        ),
        ((None, None, "percentile", None), [{"name": "normalise_percentile"}]),
        ((None, None, "percentile", (2, 98)), [{"name": "normalise_percentile", "low": 2, "high": 98}]),
    ],
)
def test_flags_become_preprocessing_in_one_order(flags, steps):
    assert preprocessing_steps(*flags) == steps
    assert len(parse_steps(steps)) == len(steps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--normalise", "percentiles"], "--normalise must be range or percentile, got 'percentiles'"),
        (["--percentiles", "2", "98"], "--percentiles is for --normalise percentile"),
        (["--normalise", "percentile", "--percentiles", "98", "2"], "must be below the high one"),
        (["--resize", "0", "4"], "Invalid value for '--resize'"),
    ],
)
def test_preprocessing_that_makes_no_sense_is_wrong_usage(tmp_path, arguments, message):
    write_image(Image.from_array(np.zeros((8, 8), np.uint8)), tmp_path / "a.png")
    result = CliRunner().invoke(app, ["train", str(tmp_path / "a.png"), "-o", str(tmp_path / "mine"), *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
