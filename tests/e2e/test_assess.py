"""``limpid assess`` and ``limpid denoise --assess`` as processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

KEYS = {"input", "denoised", "status", "error", "psnr", "psnr_interval", "mse", "tests", "verdict", "reason", "sigma"}


def test_a_pair_of_files_is_assessed_by_its_provenance(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", shape=(128, 160))
    limpid("denoise", "a.png", "-o", "b.png", "-m", "median")

    done = limpid("assess", "a.png", "b.png", "--sheet", "proof/sheet.png", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)["results"]
    assert set(row) >= KEYS
    assert row["psnr_interval"][0] < row["psnr"] < row["psnr_interval"][1]
    assert all(set(test) == {"statistic", "threshold", "passed"} for test in row["tests"].values())
    sheet = np.asarray(Image.open(tmp_path / "proof/sheet.png"))
    assert sheet.shape[0] > 400
    assert len(np.unique(sheet)) > 100


def test_a_model_takes_the_place_of_the_denoised_file(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", shape=(128, 160))
    done = limpid("assess", "a.png", "--model", "median", "--sigma", 12)
    assert done.returncode == 0
    assert done.stdout.startswith("a.png: ")
    assert "PSNR" in done.stdout.splitlines()[0]
    assert "removed" in done.stdout


def test_folders_mirror_each_other(limpid, picture, tmp_path: Path) -> None:
    for k, name in enumerate(("a.png", "sub/b.png")):
        picture(tmp_path / "in" / name, shape=(96, 96), seed=k)
    picture(tmp_path / "in" / "only.png", shape=(96, 96))
    limpid("denoise", "in", "-o", "out", "-m", "median", "--format", "tiff")
    (tmp_path / "out/only.tiff").unlink(missing_ok=True)
    (tmp_path / "out/only.tif").unlink(missing_ok=True)

    done = limpid("assess", "in", "out", "--sheet", "sheets", "--json")

    rows = {row["input"]: row for row in json.loads(done.stdout)["results"]}
    assert done.returncode == 1
    assert rows["in/only.png"]["status"] == "error"
    assert rows["in/only.png"]["verdict"] is None
    assert rows["in/sub/b.png"]["status"] == "ok"
    assert sorted(p.relative_to(tmp_path).as_posix() for p in (tmp_path / "sheets").rglob("*.png")) == [
        "sheets/a.png",
        "sheets/sub/b.png",
    ]


def test_noise_measured_elsewhere_is_read_from_a_file(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "flat.png", shape=(256, 256))
    picture(tmp_path / "a.png", shape=(128, 160), seed=1)
    (tmp_path / "noise.json").write_text(limpid("noise", "flat.png", "--json").stdout)

    done = limpid("assess", "a.png", "-m", "median", "--noise", "noise.json", "--json")

    assert done.returncode == 0
    assert abs(json.loads(done.stdout)["results"][0]["sigma"] - 12) < 1


def test_denoise_tells_how_good_its_results_are(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "in/a.png", shape=(128, 160))

    done = limpid("denoise", "in", "-o", "out", "-m", "median", "--assess")
    document = json.loads(limpid("denoise", "in", "-o", "out", "-m", "median", "--assess", "--json").stdout)

    assert done.returncode == 0
    assert "90 % interval" in done.stdout
    assert document["results"][0]["assessment"]["verdict"]
    assert "90" in done.stdout


def test_wrong_use_is_said(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", shape=(64, 64))
    picture(tmp_path / "b.png", shape=(64, 60))
    (tmp_path / "noise.json").write_text("{}")
    for arguments, status, says in (
        (("a.png",), 2, "--model"),
        (("a.png", "b.png"), 1, "don't belong together"),
        (("a.png", "gone.png"), 1, "gone.png"),
        (("a.png", "-m", "nothing"), 2, "nothing"),
        (("a.png", "-m", "median", "--noise", "noise.json"), 2, "limpid noise IMAGE --json"),
        (("a.png", "-m", "median", "--noise", "gone.json"), 2, "gone.json"),
        (("a.png", "-m", "median", "--sigma", "3", "--noise", "noise.json"), 2, "give one"),
        (("a.png", "-m", "median", "--repeat", "b.png"), 1, "don't belong together"),
    ):
        done = limpid("assess", *arguments)
        assert done.returncode == status, (arguments, done.stderr)
        assert says in done.stderr, (arguments, done.stderr)
        assert done.stdout == ""


def test_a_sheet_replaces_no_image(limpid, picture, tmp_path: Path) -> None:
    for name in ("in/a.png", "out/a.png", "r.png"):
        picture(tmp_path / name, shape=(96, 96))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}

    for noisy, denoised, sheet in (
        ("in/a.png", "out/a.png", "in/a.png"),
        ("in/a.png", "out/a.png", "out/a.png"),
        ("in", "out", "in"),
        ("in", "out", "out"),
    ):
        done = limpid("assess", noisy, denoised, "--sheet", sheet)
        assert done.returncode == 2
        assert "would replace the image" in done.stderr
    assert "r.png" in limpid("assess", "in/a.png", "out/a.png", "--repeat", "r.png", "--sheet", "r.png").stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


def test_images_that_differ_in_their_suffix_alone_have_sheets_of_their_own(limpid, picture, tmp_path: Path) -> None:
    for name in ("in/a.png", "in/a.tif"):
        picture(tmp_path / name, shape=(96, 96))
    assert limpid("assess", "in", "-m", "median", "--sheet", "sheets").returncode == 0
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["a.png.png", "a.tif.png"]
