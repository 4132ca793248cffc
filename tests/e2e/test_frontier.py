"""``limpid benchmark --frontier`` as a process: files, document, refusals, Ctrl-C."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import pytest

from limpid.workflows.choosing import CAMERA

#: Seconds that a run on small pictures may take on a busy machine.
TIMEOUT_S = 300


@pytest.fixture
def clean(tmp_path: Path, picture) -> str:
    for number in range(2):
        picture(tmp_path / "clean" / f"{number}.png", shape=(48, 64), sigma=0, seed=number)
    return "clean"


def methods(folder: Path) -> list[str]:
    with (folder / "frontier.csv").open(newline="", encoding="utf-8") as file:
        return [row["method"] for row in csv.DictReader(file)]


def test_a_table_and_a_plot_are_written_and_the_same_is_told_as_json(limpid, clean: str, tmp_path: Path) -> None:
    done = limpid(
        "benchmark", "--frontier", "--data", clean, "--sigma", 25, "-o", "out", "--json", "-q", timeout=TIMEOUT_S
    )

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert [row["method"] for row in told["rows"]] == methods(tmp_path / "out")
    assert told["files"] == [f"out/frontier.{ending}" for ending in ("csv", "png", "svg")]
    assert "512 x 512" in told["protocol"]["speed"]
    assert told["left_out"] == {
        "published methods on clean": "no scores of them are known",
        f"{CAMERA} on clean": "it is for noise as cameras make it, none that is added",
    }
    assert (tmp_path / "out" / "frontier.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "out" / "frontier.svg").read_bytes()


def test_ctrl_c_leaves_what_is_done_and_says_where(start, clean: str, tmp_path: Path) -> None:
    process = start("benchmark", "--frontier", "--data", clean, "--sigma", "25", "-o", "out", "-v")
    while "wavelet on clean" not in (line := process.stderr.readline()):
        assert line, "it ended before"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 130
    assert "rows that were done are in out" in said
    found = methods(tmp_path / "out")
    assert found[-1] != "median"
    assert "wavelet" in found
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"frontier.csv", "frontier.png", "frontier.svg"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--frontier", "--denoiser", "fast", "--blind"], "not with --denoiser, --blind"),
        (["--frontier", "--pairs", "clean"], "not with --pairs"),
        (["--frontier", "--runtime", "torch"], "not with --runtime"),
        (["--frontier", "--value-range", "0", "1"], "not with --value-range"),
        (["--frontier", "--data", "nope"], "none of the data sets can be had: nope is neither"),
        (["--data", "clean", "-o", "out"], "it goes with --frontier"),
        ([], "name a data set or a folder of clean images"),
    ],
)
def test_options_that_make_no_sense_together_are_wrong_usage(
    limpid, clean: str, tmp_path: Path, arguments, says
) -> None:
    done = limpid("benchmark", *arguments)

    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == [clean]
