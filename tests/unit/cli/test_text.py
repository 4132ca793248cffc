"""How values are read from text and shown as text."""

from __future__ import annotations

import json
import math

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from limpid.cli.errors import one_line, reported
from limpid.cli.options import sigma_value, size_value
from limpid.cli.render import plain, print_table
from limpid.cli.summary import duration, summary_line
from limpid.cli.tables import size
from limpid.core.errors import LimpidError, ModelError, OptionError, ReadError
from limpid.workflows.files import FileResult, FilesSummary


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


@given(
    st.recursive(
        st.floats() | st.integers() | st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_every_document_is_strict_json(document: object) -> None:
    json.dumps(plain(document), allow_nan=False)


def test_numbers_that_are_finite_are_kept() -> None:
    assert plain({"a": (1.5, math.nan, [math.inf])}) == {"a": [1.5, None, [None]]}


def row(status: str, **known: object) -> FileResult:
    return FileResult(input="a", output="b", status=status, model="fast", **known)  # type: ignore[arg-type]


def test_the_summary_counts_and_says_what_was_done() -> None:
    from pathlib import Path

    rows = (row("ok", sigma=9.81, blind=True), row("ok", sigma=9.79, blind=True), row("error"), row("skipped"))

    line = summary_line(FilesSummary(rows, Path("clean"), 4.21))

    assert line == "2 files cleaned, 1 failed, 1 skipped in 4.2 s -> clean (fast, sigma 9.79 to 9.81 measured)"
    assert summary_line(FilesSummary((), Path("clean"), 0.04)) == "0 files cleaned in 0.0 s"


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


@pytest.mark.parametrize(
    ("error", "status"),
    [(OptionError("x"), 2), (ModelError("x"), 2), (ReadError("x"), 1), (LimpidError("x"), 1), (ValueError("x"), 1)],
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
