"""Verbs, exit statuses, and what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LIMPID = [str(Path(sys.executable).with_name("limpid"))]


def test_a_tree_is_mirrored_and_everything_else_in_it_is_left_alone(limpid, picture, tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.JPG", ".hidden.png", ".cache/c.png"):
        picture(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("x")

    done = limpid("denoise", "in", "-o", "in/out", "-m", "median")
    again = limpid("denoise", "in", "-o", "in/out", "-m", "median")

    assert done.returncode == again.returncode == 0
    found = sorted(p.relative_to(tmp_path / "in" / "out").as_posix() for p in (tmp_path / "in/out").rglob("*.*"))
    assert [name for name in found if not name.startswith("limpid-job/")] == ["a.png", "sub/b.JPG"]
    assert done.stdout.startswith("2 files cleaned in ")
    assert "-> in/out (median, sigma " in done.stdout
    assert done.stdout.rstrip().endswith("measured)")
    assert done.stderr == ""


def test_images_that_can_not_be_read_are_counted_once_for_a_tree(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "sub").mkdir()
    for name in ("b.gif", "c.HEIC", "sub/d.gif", "notes.txt", ".hidden.gif"):
        (tmp_path / "in" / name).write_bytes(b"x")

    done = limpid("denoise", "in", "-o", "out", "-m", "median")
    quiet = limpid("denoise", "in", "-o", "out", "-m", "median", "-q")

    glob = limpid("denoise", "in/**/*.png", "-o", "out", "-m", "median")

    assert done.returncode == quiet.returncode == glob.returncode == 0
    assert glob.stderr == ""
    assert done.stderr == "limpid: in: 3 files of other formats (.gif, .heic) were left out; convert what is wanted\n"
    assert quiet.stderr == ""


def test_a_quoted_glob_finds_what_the_shell_would(limpid, picture, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "[c].png", "sub/d.png"):
        picture(tmp_path / "in" / name)

    def named(*inputs: str) -> list[str]:
        done = limpid("denoise", *inputs, "-o", "out", "--dry-run", "--json")
        return [row["output"] for row in json.loads(done.stdout)["results"]]

    assert named("in/[ab].png") == ["out/a.png", "out/b.png"]
    assert named("in/[c].png") == ["out/[c].png"]
    assert named("in/*/*.png") == named("in/su*") == ["out/sub/d.png"]
    assert len(named("in/**/*.png")) == len(named("in")) == len(named("in", "in/a.png")) == 4
    assert not (tmp_path / "out").exists()


def test_one_input_may_go_to_a_named_file_without_a_record(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    done = limpid("denoise", "a.png", "-o", "new/b.tif", "-m", "median", "--sigma", 12)

    assert done.returncode == 0
    assert "(median, sigma 12 told)" in done.stdout
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["b.tif"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.png"], "--in-place"),
        (["a.png", "-o", "out", "--in-place"], "not both"),
        (["a.png", "b.png", "-o", "c.png"], "one input file"),
        (["in", "-o", "c.png"], "one input file"),
        (["a.png", "-o", "a.png"], "is the input"),
        (["a.png", "-o", "link.png"], "is the input"),
        (["a.png", "-o", "hard.png"], "is the input"),
        (["a.png", "-o", "."], "is the input"),
        (["a.png", "-o", ""], "the output (-o) is empty"),
        (["", "-o", "out"], "an input is empty"),
        (["a.png", "-o", "out", "-m", "n" * 300], "neither installed nor a model folder"),
        (["a.png", "-o", "c.bmp"], ".bmp is no image format"),
        (["a.png", "-o", "c.png", "--format", "jpeg"], "contradict"),
        (["a.png", "-o", "out", "--format", "bmp"], "choose one of png, jpeg, tiff, webp, avif"),
        (["a.png", "-o", "out", "--strength", "3"], "from 0 to 2"),
        (["a.png", "-o", "out", "--sigma", "-1"], "sigma must be a number >= 0"),
        (["a.png", "-o", "out", "--sigma", "nan"], "sigma must be a number >= 0"),
        (["a.png", "-o", "out", "--sigma", "lots"], "neither a number nor auto"),
        (["a.png", "-o", "out", "--memory", "many"], "500MB"),
        (["a.png", "-o", "out", "--value-range", "1", "0"], "low < high"),
        (["a.png", "-o", "out", "-m", "fest"], "did you mean 'fast'"),
        (["a.png", "-o", "out", "--runtime", "gpu"], "openvino"),
        (["a.png", "-o", "out", "--device", "gpu"], "auto, cpu, cuda"),
        (["a.png", "-o", "out", "--runtime", "openvino", "--device", "cuda"], "no device cuda"),
        (["a.png", "-o", "c.png", "--resume"], "output folder"),
        ([], "INPUT"),
        (["a.png", "-o", "out", "--no-such"], "--no-such"),
    ],
)
def test_a_call_that_cannot_be_meant_so_is_refused_with_2_before_any_work(limpid, picture, tmp_path, arguments, says):
    for name in ("a.png", "b.png", "in/x.png"):
        picture(tmp_path / name)
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "a.png")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.png")}

    done = limpid("denoise", *arguments)

    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.png")} == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("output", ["n" * 300 + ".png", "n" * 300])
def test_a_name_that_is_too_long_is_said_in_words(limpid, picture, tmp_path: Path, output: str) -> None:
    picture(tmp_path / "a.png")

    done = limpid("denoise", "a.png", "-o", output, "-m", "median")

    assert done.returncode == 1
    assert "Errno" not in done.stderr
    assert "shorten it" in done.stderr or "(File name too long); choose another" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "n" * 300], "neither a named data set nor a folder"),
        (["--data", "nope"], "neither a named data set nor a folder"),
        (["--data", "set12", "--pairs", "in"], "set12 is a named data set"),
        (["--data", "in", "--pairs", "nope"], "no folder nope"),
    ],
)
def test_data_that_are_not_there_are_wrong_usage(limpid, picture, tmp_path: Path, arguments, says) -> None:
    picture(tmp_path / "in" / "a.png")

    done = limpid("benchmark", *arguments, "--denoiser", "noisy")

    assert done.returncode == 2
    assert says in done.stderr


def test_json_is_one_strict_document_alone_on_standard_output(limpid, picture, noisy, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", shape=(64, 64))
    Image.fromarray(noisy((3, 3))).save(tmp_path / "in" / "tiny.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"")

    def answer(*arguments: object) -> dict:
        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is not JSON")

        return json.loads(limpid(*arguments, "--json", "-v").stdout, parse_constant=refuse)

    denoised = answer("denoise", "in", "-o", "out", "-m", "median")
    noise = answer("noise", "in")
    refused = answer("denoise", "in")
    models = answer("models")
    cache = answer("cache")
    picture(tmp_path / "clean" / "a.png")
    scores = answer("benchmark", "--data", "clean", "--denoiser", "median", "--sigma", 25)

    keys = {"input", "output", "status", "error", "model", "sigma", "strength", "seconds"}
    assert all(keys <= set(row) for row in denoised["results"])
    assert (denoised["done"], denoised["failed"]) == (2, 1)
    by_name = {Path(row["input"]).name: row for row in noise["results"]}
    assert by_name["a.png"]["sigma"] == pytest.approx(12, rel=0.3)
    assert by_name["a.png"]["sigma_interval"][0] < 12 < by_name["a.png"]["sigma_interval"][1]
    assert len(by_name["a.png"]["sigma_per_channel"]) == 1
    assert by_name["tiny.png"]["sigma_interval"] is None
    assert by_name["bad.png"]["status"] == "error"
    assert "no output" in refused["error"]
    assert {"name", "architecture", "parameters", "sha256", "precision", "licence"} <= set(models["models"][0])
    assert {row["kind"] for row in cache["cache"]} == {"compiled", "datasets", "self-test"}
    row = {"data", "denoiser", "sigma", "blind", "images", "psnr", "ssim", "megapixels_per_s", "peak_memory_mb"}
    assert row <= set(scores["rows"][0])
    assert scores["protocol"]["seed"]


def test_sigma_is_in_the_units_of_the_file(limpid, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(30_000, 1_000, (96, 96)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")

    found = json.loads(limpid("noise", "deep.png", "--json").stdout)["results"][0]

    assert found["sigma"] == pytest.approx(1_000, rel=0.1)


def test_quiet_says_nothing_but_errors(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    done = limpid("denoise", "a.png", "gone.png", "-o", "out", "-m", "median", "-q")

    assert done.stdout == ""
    assert done.stderr == "limpid: gone.png: no such file or folder; check the path.\n"


def test_a_name_with_control_characters_is_one_harmless_line(limpid, tmp_path: Path) -> None:
    name = os.fsdecode(b"a\nb\x1b[31m\xff.png")
    (tmp_path / name).write_bytes(b"")

    done = limpid("denoise", name, "-o", "out", "-m", "median", "--json")

    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr
    assert json.loads(done.stdout)["results"][0]["input"] == name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    "arguments", ["noise a.png --json", "noise a.png", "noise gone.png --json", "--help", "-h noise"]
)
@pytest.mark.parametrize(("where", "says"), [("/dev/full", "can't be written (No space left"), ("&-", "is closed")])
def test_an_output_that_cannot_be_written_is_one_line_and_status_1(
    picture, tmp_path: Path, environment, arguments: str, where: str, says: str
) -> None:
    picture(tmp_path / "a.png")

    done = subprocess.run(
        f"{LIMPID[0]} {arguments} >{where}", shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "gone.png" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("limpid: standard output ")
    assert says in lines[0]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_name_that_the_terminal_has_no_letters_for_is_escaped(picture, tmp_path: Path, environment, encoding) -> None:
    for name in ("ł.png", "日.png"):
        picture(tmp_path / "in" / name)
    environment["PYTHONIOENCODING"] = encoding

    done = subprocess.run([*LIMPID, "noise", "in"], cwd=tmp_path, env=environment, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"in/\\u0142.png" in done.stdout
    assert b"in/\\u65e5.png" in done.stdout


@pytest.mark.parametrize("verb", ["denoise", "noise", "benchmark", "models", "demo", "cache"])
def test_every_verb_explains_itself_with_an_example(limpid, verb: str) -> None:
    shown = limpid(verb, "--help")

    assert shown.returncode == 0
    assert f"limpid {verb}" in shown.stdout.split("Options:")[0].replace("Usage: limpid", "")
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "code",
    [
        "import limpid",
        "from limpid.cli.main import app; app(['--help'], standalone_mode=False)",
        "from limpid.cli.main import app; app(['noise', 'a.png'], standalone_mode=False)",
        "from limpid.cli.main import app; app(['denoise', 'a.png', '-o', 'b.png'], standalone_mode=False)",
    ],
)
def test_torch_is_never_loaded(picture, tmp_path: Path, code: str) -> None:
    picture(tmp_path / "a.png")
    check = "import sys; assert 'torch' not in sys.modules, 'torch was loaded'"

    done = subprocess.run([sys.executable, "-c", f"{code}; {check}"], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_a_process_that_denoises_does_not_load_the_converter_that_comes_with_openvino(picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    code = """if True:
        import sys
        from limpid.cli.start import run
        sys.argv = ["limpid", "denoise", "a.png", "-o", "b.png", "-m", "fast"]
        try:
            run()
        finally:
            loaded = [name for name in sys.modules if "openvino" in name and sys.modules[name]]
            assert "openvino" in loaded
            assert not [name for name in loaded if "ovc" in name or "telemetry" in name]
        """

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_help_loads_neither_numpy_nor_a_codec() -> None:
    code = "import sys, limpid.cli.main; print(sorted({'numpy', 'PIL', 'openvino', 'rich'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_strength_zero_is_the_identity_and_the_file_says_what_was_done(limpid, picture, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")

    done = limpid("denoise", "a.png", "-o", "b.png", "-m", "fast", "--strength", 0)

    assert done.returncode == 0, done.stderr
    with Image.open(path) as before, Image.open(tmp_path / "b.png") as after:
        assert np.array_equal(before, after)
    assert b"fast" in (tmp_path / "b.png").read_bytes()


def test_noise_is_explained_and_drawn(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", shape=(120, 160))
    picture(tmp_path / "b.png")

    told = limpid("noise", "a.png", "--plot", "noise.png").stdout
    several = limpid("noise", "a.png", "b.png", "--plot", "noise.png")
    itself = limpid("noise", "a.png", "--plot", "a.png")

    assert told.startswith("a.png: sigma 1")
    assert "Denoise at sigma" in told
    assert np.asarray(Image.open(tmp_path / "noise.png")).shape[1] > 1000
    assert several.returncode == itself.returncode == 2
    assert "one image, got 2" in several.stderr
    assert "replace its own input" in itself.stderr
