"""Whatever lies in a folder: the rest of it is done, each bad file is named with its reason, no input is altered."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that announces a size and holds hardly a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def fill(folder: Path, noisy) -> dict[str, str]:
    """Write every bad file; return, for those that must be refused, a word of the reason."""
    folder.mkdir()
    Image.fromarray(noisy()).save(folder / "good.png")
    whole = (folder / "good.png").read_bytes()
    frames = [Image.fromarray(noisy(seed=i)) for i in range(3)]
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (folder / "zero.png").write_bytes(b"")
    (folder / "text.png").write_text("this is a text")
    (folder / "huge.png").write_bytes(png_header(65_000, 65_000))
    for suffix in ("png", "webp"):
        name = folder / f"animated.{suffix}"
        frames[0].save(name, save_all=True, append_images=frames[1:], duration=40)
    frames[0].save(folder / "gif.gif", save_all=True, append_images=frames[1:])
    (folder / "gif.gif").rename(folder / "animated-gif.png")
    Image.fromarray(noisy((20, 20, 4))).convert("CMYK").save(folder / "cmyk.jpg")
    tifffile.imwrite(folder / "range-unknown.tif", np.full((20, 20), 0.5, np.float32))
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "round1.png").symlink_to(folder / "round2.png")
    (folder / "round2.png").symlink_to(folder / "round1.png")
    os.mkfifo(folder / "pipe.png")
    return {
        "truncated.png": "truncated",
        "zero.png": "empty",
        "text.png": "text",
        "huge.png": "4,225,000,000 pixels",
        "animated.png": "animated",
        "animated.webp": "animated",
        "animated-gif.png": "animated",
        "cmyk.jpg": "CMYK",
        "range-unknown.tif": "--value-range",
        "gone.png": "gone",
        "round1.png": "links",
        "round2.png": "links",
        "pipe.png": "regular",
    }


def digests(folder: Path) -> dict[str, str]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def unusual(tmp_path: Path, noisy) -> Path:
    """Return a folder of files that are unusual, but images."""
    folder = tmp_path / "unusual"
    folder.mkdir()
    flat = {"black": 0, "white": 255, "gray": 77}
    for name, value in flat.items():
        Image.fromarray(np.full((24, 24), value, np.uint8)).save(folder / f"{name}.png")
    for shape in ((1, 1), (1, 5000), (5000, 1), (2, 3), (33, 47), (31, 17, 3)):
        Image.fromarray(noisy(shape)).save(folder / f"{'x'.join(map(str, shape))}.png")
    Image.fromarray(noisy()).convert("1").save(folder / "bilevel.png")
    Image.fromarray(noisy((20, 20, 3))).quantize(16).save(folder / "palette.png")
    Image.fromarray(noisy()).save(folder / "really-png.jpg", format="png")
    Image.fromarray(noisy()).save(folder / "日本 Ünïcode é.png")
    Image.fromarray(noisy()).save(folder / ("n" * 251 + ".png"))
    return folder


@pytest.mark.parametrize("model", ["median", "fast"])
def test_unusual_images_are_answered_in_their_shape_and_type(limpid, unusual: Path, tmp_path: Path, model: str) -> None:
    before = digests(unusual)

    done = limpid("denoise", unusual, "-o", "out", "-m", model, "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == len(before)
    for path in unusual.iterdir():
        with Image.open(path) as a, Image.open(tmp_path / "out" / path.name) as b:
            assert a.size == b.size
    for name in ("black", "white", "gray", "1x1"):
        with Image.open(unusual / f"{name}.png") as a, Image.open(tmp_path / "out" / f"{name}.png") as b:
            assert np.array_equal(a, b)
    assert digests(unusual) == before


def test_bad_files_are_named_with_their_reason_and_the_rest_is_done(limpid, noisy, tmp_path: Path) -> None:
    expected = fill(tmp_path / "in", noisy)
    before = digests(tmp_path / "in")

    done = limpid("denoise", "in", "-o", "out", "-m", "median", "--json")

    assert done.returncode == 1
    rows = {Path(row["input"]).name: row for row in json.loads(done.stdout)["results"]}
    assert {name for name, row in rows.items() if row["status"] == "error"} == set(expected)
    for name, word in expected.items():
        assert word in rows[name]["error"], (name, rows[name]["error"])
        assert sum(name in line for line in done.stderr.splitlines()) >= 1
    assert "Traceback" not in done.stderr
    assert [p.name for p in (tmp_path / "out").iterdir() if p.name != "limpid-job"] == ["good.png"]
    assert digests(tmp_path / "in") == before


def test_the_pixel_limit_can_be_raised(limpid, tmp_path: Path) -> None:
    (tmp_path / "wide.png").write_bytes(png_header(30_000, 20_000))

    refused = limpid("denoise", "wide.png", "-o", "out")
    damaged = limpid("denoise", "wide.png", "-o", "out", "--max-pixels", 600_000_000)

    assert "--max-pixels" in refused.stderr
    assert "truncated" in damaged.stderr or "damaged" in damaged.stderr
    assert refused.returncode == damaged.returncode == 1


def test_pixels_that_are_not_finite_stay_and_the_others_are_denoised(limpid, noisy, tmp_path: Path) -> None:
    values = noisy().astype(np.float32) / 255
    values[5, 7], values[9, 9], values[11, 3] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "holes.tif", values)
    tifffile.imwrite(tmp_path / "all.tif", np.full((9, 9), np.nan, np.float32))

    done = limpid("denoise", "holes.tif", "all.tif", "-o", "out", "--value-range", 0, 1, "--json")

    assert done.returncode == 1
    rows = json.loads(done.stdout)["results"]
    assert [row["status"] for row in rows] == ["ok", "error"]
    assert "finite" in rows[1]["error"]
    result = tifffile.imread(tmp_path / "out" / "holes.tif")
    assert np.array_equal(np.isfinite(result), np.isfinite(values))
    assert np.isposinf(result[9, 9])
    assert np.isneginf(result[11, 3])
    assert np.nanstd(result[20:, 20:]) < np.nanstd(values[20:, 20:])


def test_a_folder_without_images_and_a_missing_file_are_named_and_the_rest_is_done(limpid, picture, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    picture(tmp_path / "a.png")

    done = limpid("denoise", "empty", "missing.png", "none*.png", "a.png", "-o", "out", "-m", "median")

    assert done.returncode == 1
    assert "empty: no images" in done.stderr
    assert "missing.png: no such file" in done.stderr
    assert "none*.png: no image file matches" in done.stderr
    assert (tmp_path / "out" / "a.png").exists()


def test_two_inputs_with_one_output_are_both_named_and_the_rest_is_done(limpid, picture, tmp_path: Path) -> None:
    for name in ("x/a.png", "y/a.png", "y/b.png"):
        picture(tmp_path / name)

    done = limpid("denoise", "x", "y", "-o", "out", "-m", "median", "--json")

    assert done.returncode == 1
    rows = {row["input"]: row for row in json.loads(done.stdout)["results"]}
    assert "y/a.png would write the same output" in rows["x/a.png"]["error"]
    assert "into different folders" in rows["x/a.png"]["error"]
    assert "x/a.png would write the same output" in rows["y/a.png"]["error"]
    assert rows["y/b.png"]["status"] == "ok"
    assert not (tmp_path / "out" / "a.png").exists()


def test_a_loop_of_folders_is_walked_once(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "in" / "sub" / "up").symlink_to(tmp_path / "in")

    folder = limpid("denoise", "in", "-o", "out", "-m", "median", "--json")
    pattern = limpid("noise", "in/**/*.png", "--json")

    assert folder.returncode == pattern.returncode == 0
    assert [row["input"] for row in json.loads(folder.stdout)["results"]] == ["in/sub/a.png"]
    assert len(json.loads(pattern.stdout)["results"]) == 1
    assert "in/sub/up" in folder.stderr


@pytest.mark.parametrize("target", ["a.png/out", "/proc/limpid"])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(limpid, picture, tmp_path, target) -> None:
    picture(tmp_path / "in" / "b.png")
    picture(tmp_path / "a.png")
    before = digests(tmp_path)

    done = limpid("denoise", "in", "-o", target, "-m", "median")

    assert done.returncode == 1
    assert "nothing can be written in" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert digests(tmp_path) == before


def test_a_folder_in_the_way_of_an_output_fails_that_file_only(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png")
    (tmp_path / "out" / "a.png").mkdir(parents=True)

    done = limpid("denoise", "in", "-o", "out", "-m", "median")

    assert done.returncode == 1
    assert "this is a folder" in done.stderr
    assert (tmp_path / "out" / "b.png").is_file()


def test_a_full_disk_fails_what_does_not_fit_and_leaves_no_part_of_it(limpid, tmp_path: Path, noisy) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        (tmp_path / "in").mkdir()
        random = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
        Image.fromarray(random).save(tmp_path / "in" / "large.png")
        Image.fromarray(noisy()).save(tmp_path / "in" / "small.png")

        done = limpid("denoise", "in", "-o", disk, "-m", "median", "--strength", 0, "--json")

        assert done.returncode == 1
        rows = json.loads(done.stdout)["results"]
        assert [row["status"] for row in rows] == ["error", "ok"]
        assert "disk is full" in rows[0]["error"]
        assert sorted(p.name for p in disk.iterdir()) == ["limpid-job", "small.png"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_name_too_long_for_its_output_fails_that_file_only(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "in" / ("n" * 251 + ".png"))
    picture(tmp_path / "in" / "ok.png")

    done = limpid("denoise", "in", "-o", "out", "-m", "median", "--format", "webp")

    assert done.returncode == 1
    assert "255 bytes" in done.stderr
    assert (tmp_path / "out" / "ok.webp").exists()
