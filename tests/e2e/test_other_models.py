"""The verb ``export``, and models from elsewhere, through the shell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

TINY = Path(__file__).parents[1] / "data" / "models" / "version-2"


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    """Return the weights of a DnCNN of random numbers, as a pickle."""
    from limpid.inference.foreign.spandrel import imported_spandrel

    imported_spandrel()
    from spandrel.architectures.DnCNN import DnCNN

    torch.manual_seed(0)
    torch.save(DnCNN(in_nc=1, out_nc=1, nc=8, nb=9, act_mode="R").state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_an_exported_network_goes_wherever_a_model_goes(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    done = limpid("export", TINY, "-o", "tiny.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tiny as onnx: tiny.onnx (")
    for model in ("tiny.onnx", TINY):
        clean = limpid("denoise", "a.png", "-o", f"{Path(model).stem}.png", "-m", model, "--sigma", 12)
        assert clean.returncode == 0, clean.stderr
    assert np.array_equal(pixels(tmp_path / "tiny.png"), pixels(tmp_path / "version-2.png"))


@pytest.mark.parametrize(
    ("to", "files"),
    [("onnx", ["tiny.onnx"]), ("openvino", ["tiny.bin", "tiny.xml"]), ("torch", ["tiny.safetensors"])],
)
def test_each_format_goes_into_a_folder_and_json_names_its_files(limpid, tmp_path: Path, to, files) -> None:
    (tmp_path / "out").mkdir()
    done = limpid("export", TINY, "--to", to, "-o", "out", "--json")
    said = json.loads(done.stdout)
    assert (said["model"], said["format"]) == ("tiny", to)
    assert sorted(said["files"]) == [f"out/{name}" for name in files]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == files


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fast", "-o", "a.onnx"], "fast-color and fast-gray; name one"),
        (["fast-gray", "-o", "a.png"], "must end in .onnx"),
        (["fast-gray", "--to", "tflite", "-o", "a.tflite"], "choose one of: onnx, openvino, torch"),
        (["nlm", "-o", "a.onnx"], "without a network"),
        (["net.pth", "-o", "a.onnx"], "--allow-pickle"),
        (["fast-gray"], "--output"),
    ],
)
def test_an_export_that_cannot_be_meant_so_is_refused_with_2(limpid, tmp_path: Path, arguments, says) -> None:
    (tmp_path / "net.pth").touch()
    done = limpid("export", *arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["net.pth"]


def test_a_pickle_is_opened_where_that_is_asked_for_and_nowhere_else(limpid, picture, pickled: Path) -> None:
    picture(pickled.parent / "a.png")
    for verb in (
        ["denoise", "a.png", "-o", "b.png", "-m", "net.pth"],
        ["assess", "a.png", "-m", "net.pth"],
        ["benchmark", "--data", ".", "--sigma", "20", "--denoiser", "net.pth"],
    ):
        refused, allowed = limpid(*verb), limpid(*verb, "--allow-pickle")
        assert refused.returncode == 2
        assert "is a pickle" in refused.stderr
        assert allowed.returncode == 0, allowed.stderr
    assert (pickled.parent / "b.png").exists()


def test_an_onnx_file_without_a_card_is_asked_for_one(limpid, picture, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "net.onnx").write_bytes((TINY / "model.onnx").read_bytes())
    done = limpid("denoise", "a.png", "-o", "b.png", "-m", "net.onnx")
    assert done.returncode == 2
    assert '{"output": "image", "noisy": "noisy", "level": "level"}' in done.stderr
    (tmp_path / "net.json").write_text('{"output": "residual"}')
    assert limpid("denoise", "a.png", "-o", "b.png", "-m", "net.onnx").returncode == 0
