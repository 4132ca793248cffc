"""``limpid survey`` and ``limpid query`` as a user meets them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

LIMPID = [str(Path(sys.executable).with_name("limpid"))]


def rows(folder: Path, columns: str = "uri") -> list[tuple]:
    return duckdb.connect().execute(f"select {columns} from '{folder}/catalogue.parquet' order by uri").fetchall()


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    """Return a folder with pictures of two noises and what is wrong in many, and the outcome of its survey."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("survey")
    for number in range(10):
        noise = np.random.default_rng(number).normal(0, 8 if number % 2 else 25, (64, 72))
        pixels = (np.linspace(60, 190, 72) + noise).round().clip(0, 255).astype(np.uint8)
        path = folder / f"in/{'quiet' if number % 2 else 'loud'}/{number // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / "in/cut.png").write_bytes(path.read_bytes()[:500])
    (folder / "in/two\nlines.png").write_bytes(path.read_bytes())
    (folder / os.fsdecode(b"in/latin\xe9.png")).write_bytes(path.read_bytes())
    command = [*LIMPID, "survey", "in", "-o", "census", "--json"]
    return folder, subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_survey_is_one_json_document_and_a_row_for_each_image(surveyed):
    folder, done = surveyed
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert set(document) == {"images", "failed", "catalogue", "report", "cohorts"}
    assert (document["images"], document["failed"]) == (13, 1)
    assert "cut.png" in done.stderr
    assert (folder / document["catalogue"]).exists()
    names = [Path(uri).name for (uri,) in rows(folder / "census")]
    assert sorted(names) == sorted(["cut.png", "two%0Alines.png", "latin%E9.png", *[f"{i}.png" for i in range(5)] * 2])


def test_cohorts_are_the_noises_that_are_in_it(surveyed):
    folder, done = surveyed
    first, second = json.loads(done.stdout)["cohorts"]
    assert set(first) == {"id", "images", "gain", "read_noise", "sigma", "white", "advice"}
    assert (first["images"], second["images"]) == (7, 5)
    assert first["sigma"] == pytest.approx(8, rel=0.1)
    assert second["sigma"] == pytest.approx(25, rel=0.1)
    assert first["white"]
    of = dict(rows(folder / "census", "uri, cohort"))
    assert {cohort for uri, cohort in of.items() if "/loud/" in uri} == {1}
    assert {cohort for uri, cohort in of.items() if "cut.png" in uri} == {None}


def test_a_query_is_a_table_or_one_json_document(surveyed):
    folder, _ = surveyed
    question = "select cohort, count(*) as images from catalogue group by 1 order by 1 nulls last"
    command = [*LIMPID, "query", "census", question]
    text, document = (
        subprocess.run([*command, *more], cwd=folder, capture_output=True, text=True) for more in ([], ["--json"])
    )
    assert text.stdout.splitlines() == ["cohort  images", "     0       7", "     1       5", "             1"]
    assert json.loads(document.stdout)["rows"][0] == {"cohort": 0, "images": 7}
    wrong = subprocess.run([*command[:-1], "select sygma from catalogue"], cwd=folder, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "sygma" in wrong.stderr


def test_a_rule_that_is_violated_is_exit_status_3(surveyed):
    folder, _ = surveyed
    (folder / "rules.toml").write_text(
        '[readable]\nmeasure = "failed_share"\nmost = 0.1\n[quiet]\nmeasure = "sigma_p95"\nmost = 9\n'
    )
    command = [*LIMPID, "survey", "in", "-o", "census", "--rules", "rules.toml", "--no-pictures"]
    text, document = (
        subprocess.run([*command, *more], cwd=folder, capture_output=True, text=True) for more in ([], ["--json"])
    )
    assert (text.returncode, document.returncode) == (3, 3)
    assert re.search(r"quiet .* VIOLATED", text.stdout)
    assert [(one["rule"], one["passed"]) for one in json.loads(document.stdout)["rules"]] == [
        ("readable", True),
        ("quiet", False),
    ]
    (folder / "rules.toml").write_text('[readable]\nmeassure = "failed_share"\nmost = 0.1\n')
    wrong = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "did you mean 'measure'" in wrong.stderr
    report = (folder / "census/report.html").read_text(encoding="utf-8")
    assert "Report: census/report.html" in text.stdout
    assert "<img" not in report


def test_what_stands_out_is_said_and_written(surveyed):
    folder, _ = surveyed
    told = json.loads((folder / "census/insight.json").read_text())
    assert told["duplicates"]["exact"] == 2
    assert told["denoising"]["images"] == 12
    assert told["denoising"]["minutes"] > 0
    assert 3 < told["denoising"]["gain_db"] < 12
    assert [row["images"] for row in told["noise"]["by_folder"]] == [2, 5, 5]


def test_only_what_is_new_or_changed_is_measured_again(tmp_path, limpid, picture):
    for name in ("a", "b", "c", "d"):
        picture(tmp_path / f"in/{name}.png")
    assert limpid("survey", "in", "-o", "census").returncode == 0
    before = dict(rows(tmp_path / "census", "uri, version"))
    (tmp_path / "in/a.png").unlink()
    picture(tmp_path / "in/b.png", sigma=30)
    picture(tmp_path / "in/e.png")
    done = limpid("survey", "in", "-o", "census", "-v")
    assert done.returncode == 0
    after = dict(rows(tmp_path / "census", "uri, version"))
    kept = {uri for uri in after if before.get(uri) == after[uri]}
    assert {Path(uri).name for uri in kept} == {"c.png", "d.png"}
    assert {Path(uri).name for uri in after} == {"b.png", "c.png", "d.png", "e.png"}
    assert "2 of 4 images were measured before" in done.stderr


@pytest.fixture
def begun(tmp_path, picture, environment):
    """Return a survey that has measured one image, a damaged one, and has many to go."""
    for number in range(1, 40):
        picture(tmp_path / f"in/{number:02}.png", shape=(200, 200, 3))
    (tmp_path / "in/00.png").write_bytes(b"damaged")
    process = subprocess.Popen(
        [*LIMPID, "survey", "in", "-o", "census", "--threads", "1"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # Undo what a shell does to the interrupts of a background job, which pytest may be part of.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert "00.png" in process.stderr.readline()
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


def test_a_killed_survey_lets_go_of_its_folder_and_goes_on(tmp_path, limpid, begun):
    begun.send_signal(signal.SIGSTOP)
    second = limpid("survey", "in", "-o", "census")
    assert second.returncode == 2
    assert "another survey" in second.stderr
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert limpid("survey", "in", "-o", "census").returncode == 1
    assert len(rows(tmp_path / "census")) == 40


def test_an_interrupted_survey_keeps_what_it_measured(tmp_path, limpid, begun):
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=60)
    assert begun.returncode == 130
    assert "Traceback" not in said
    (part,) = (tmp_path / "census/parts").glob("*.parquet")
    kept = duckdb.read_parquet(str(part)).filter("error is null").count("*").fetchall()[0][0]
    done = limpid("survey", "in", "-o", "census", "-v")
    assert f"{kept} of 40 images were measured before" in done.stderr
    assert len(rows(tmp_path / "census")) == 40


def test_a_collection_without_images_is_named(tmp_path, limpid):
    (tmp_path / "in").mkdir()
    done = limpid("survey", "in", "-o", "census", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "images": 1,
        "failed": 1,
        "catalogue": "census/catalogue.parquet",
        "report": "census/report.html",
        "cohorts": [],
    }
    assert "no images in this folder" in done.stderr


def test_a_folder_whose_name_reads_as_a_pattern_holds_a_catalogue_too(tmp_path, limpid, picture):
    picture(tmp_path / "in/a.png")
    assert limpid("survey", "in", "-o", "census[1]").returncode == 0
    assert (tmp_path / "census[1]/report.html").exists()
    asked = limpid("query", "census[1]", "select count(*) as images from catalogue", "--json")
    assert json.loads(asked.stdout)["rows"] == [{"images": 1}]


def test_a_folder_whose_name_is_no_unicode_is_refused_before_anything_is_measured(tmp_path, limpid, picture):
    picture(tmp_path / "in/a.png")
    folder = os.fsdecode(b"d\xe9")
    (tmp_path / folder).mkdir()
    for command in (["survey", "in", "-o", folder], ["query", folder, "select 1"]):
        done = limpid(*command)
        assert done.returncode == 2
        assert "no UTF-8" in done.stderr
    assert list((tmp_path / folder).iterdir()) == []
    (tmp_path / folder / "in").symlink_to(tmp_path / "in")
    inside = [LIMPID[0], "survey", "in", "-o", "census"]
    assert subprocess.run(inside, cwd=tmp_path / folder, capture_output=True).returncode == 0
