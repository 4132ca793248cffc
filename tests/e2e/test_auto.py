"""``limpid auto`` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

LIMPID = [str(Path(sys.executable).with_name("limpid"))]
NAMES = [f"{kind}/{number}.png" for kind in ("even", "grainy") for number in range(6)]


def run(folder, *arguments):
    return subprocess.run([*LIMPID, "auto", *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def flown(tmp_path_factory):
    """Return a folder with pictures of two noises, one that is damaged, and the outcome of a run over them."""
    folder = tmp_path_factory.mktemp("auto")
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 6
    for number, name in enumerate(NAMES):
        rng = np.random.default_rng(number)
        shades = ndimage.zoom(rng.uniform(60, 190, (5, 5)), 128 / 5, order=1)
        white = rng.standard_normal((128, 128))
        noise = 20 * white if "even" in name else 12 * ndimage.convolve(white, kernel, mode="wrap")
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((shades + noise).round().clip(0, 255).astype(np.uint8)).save(path)
    (folder / "in/cut.png").write_bytes(path.read_bytes()[:500])
    return folder, run(folder, "in", "-o", "out", "--minutes", "0", "--json")


def test_what_was_decided_is_one_json_document(flown):
    folder, done = flown
    document = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert (document["images"], document["done"], document["failed"]) == (13, 12, 1)
    assert {"id", "candidates", "winner"} <= set(document["cohorts"][0])
    assert [one["images"] for one in document["cohorts"]] == [6, 6]
    candidates = document["cohorts"][0]["candidates"]
    assert {"unchanged", "fast", "nlm", "tv"} <= {one["name"] for one in candidates}
    for one in candidates:
        low, high = one["interval"]
        assert low <= one["estimated_psnr"] <= high
    assert (folder / document["report"]).exists()
    assert not any(one["reason"].endswith(".") for one in document["cohorts"])


def test_every_image_has_a_result_that_is_better(flown):
    folder, _ = flown
    for name in NAMES:
        before, after = (np.asarray(Image.open(folder / where / name), float) for where in ("in", "out"))
        rough = [np.abs(np.diff(pixels, axis=1)).mean() for pixels in (before, after)]
        assert rough[1] < rough[0] / 2
    assert not (folder / "out/cut.png").exists()


def test_white_noise_is_left_to_the_network_made_for_it(flown):
    cohorts = json.loads(flown[1].stdout)["cohorts"]
    (white,) = [one for one in cohorts if one["white"]]
    assert white["winner"] == "fast"
    assert white["proof"]["images"] == 3  # as many as did not race


def test_the_report_tells_the_decisions(flown):
    page = (flown[0] / "out/limpid-auto/report.html").read_text(encoding="utf-8")
    for text in ("Decisions", "The race", "nlm", "cut.png"):
        assert text in page


def test_again_it_goes_on_without_deciding_or_denoising_anew(flown):
    folder, first = flown
    record, output = folder / "out/limpid-auto/decisions.json", folder / "out" / NAMES[0]
    before = record.read_bytes(), output.stat().st_mtime_ns
    done = run(folder, "in", "-o", "out", "--minutes", "0", "--json", "-v")
    assert (record.read_bytes(), output.stat().st_mtime_ns) == before
    assert "cohort 0: fast" not in done.stderr
    again, once = (json.loads(one.stdout) for one in (done, first))
    assert (again["done"], again["failed"]) == (12, 1)
    assert again["cohorts"] == once["cohorts"]


def test_a_dry_run_denoises_nothing(flown):
    folder, _ = flown
    done = run(folder, "in", "-o", "planned", "--dry-run")
    assert done.returncode == 1
    assert "to be found out" in done.stdout
    assert [path.name for path in (folder / "planned").iterdir()] == ["limpid-auto"]


def test_results_are_accounted_for(flown):
    done = subprocess.run([*LIMPID, "verify", "out"], cwd=flown[0], capture_output=True, text=True, timeout=60)
    assert "12" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "-o", "o"], "nowhere"),
        (["in", "-o", "s3://bucket/out"], "must be a folder on this machine"),
        (["in", "-o", "o", "--minutes", "-1"], "minutes"),
        (["in", "-o", "in/even/0.png"], "0.png"),
    ],
)
def test_what_cannot_be_meant_is_refused(flown, arguments, says):
    done = run(flown[0], *arguments)
    assert done.returncode in (1, 2)
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
