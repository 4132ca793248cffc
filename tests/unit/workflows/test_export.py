"""Networks in the formats of other programs."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from safetensors import safe_open
from safetensors.torch import save_file

import limpid
from limpid.core.errors import ModelError, OptionError, WriteError
from limpid.models.checkpoint import load_network
from limpid.models.store import StoredModel

TINY = Path(__file__).parents[2] / "data" / "models" / "version-2"


def image(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def denoised(model, noisy):
    return limpid.denoise(noisy, model=limpid.load_model(model, precision="fp32"), sigma=0.1, value_range=(0, 1))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Return a folder of weights of two published architectures, random ones."""
    from limpid.inference.foreign.spandrel import imported_spandrel

    imported_spandrel()
    from spandrel.architectures.DnCNN import DnCNN
    from spandrel.architectures.DRUNet import DRUNet

    torch.manual_seed(0)
    networks = {
        "dncnn": DnCNN(in_nc=1, out_nc=1, nc=8, nb=9, act_mode="R"),
        "drunet": DRUNet(
            in_nc=2, out_nc=1, nc=[4, 8, 8, 8], nb=2, downsample_mode="strideconv", upsample_mode="convtranspose"
        ),
    }
    folder = tmp_path_factory.mktemp("published")
    for name, network in networks.items():
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / f"{name}.safetensors")
    return folder


def test_an_onnx_file_is_whole_in_itself_and_loads_without_a_card(tmp_path):
    done = limpid.export(TINY, tmp_path / "new" / "a.onnx")
    assert done.files == (tmp_path / "new" / "a.onnx",)
    assert done.bytes == done.files[0].stat().st_size
    assert [p.name for p in done.files[0].parent.iterdir()] == ["a.onnx"]
    noisy = image(20, 25)
    assert np.array_equal(denoised(done.files[0], noisy), denoised(TINY, noisy))
    ours, theirs = (limpid.load_model(model).capabilities for model in (TINY, done.files[0]))
    assert dataclasses.replace(ours, tiles_at_once=1) == theirs
    notes = {p.key: p.value for p in onnx.load(done.files[0]).metadata_props}
    assert json.loads(notes["limpid_model_card"])["licence"] == "CC0-1.0"


def test_a_model_that_prepares_the_whole_image_is_refused_unless_its_weights_are_asked_for(tmp_path):
    folder = tmp_path / "prepared"
    shutil.copytree(TINY, folder)
    card = json.loads((folder / "card.json").read_text())
    steps = [{"name": "normalise_percentile", "low": 1.0, "high": 99.0}]
    (folder / "card.json").write_text(json.dumps(card | {"preprocessing": steps}))
    for to in ("onnx", "openvino"):
        with pytest.raises(ModelError, match=r"\(normalise_percentile\), which no such file"):
            limpid.export(folder, tmp_path, to=to)
    limpid.export(folder, tmp_path, to="torch")


def test_openvinos_own_format_runs_in_openvino(tmp_path):
    import openvino as ov

    done = limpid.export(TINY, tmp_path, to="openvino")
    assert done.files == (tmp_path / "tiny.xml", tmp_path / "tiny.bin")
    noisy = image(20, 25)
    level = np.full((1, 1, 20, 25), 0.1, np.float32)
    model = ov.Core().compile_model(tmp_path / "tiny.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    residual = model({"noisy": noisy[None, None], "level": level})["residual"]
    assert noisy + residual[0, 0] == pytest.approx(denoised(TINY, noisy), abs=1e-6)
    assert "limpid_model_card" in (tmp_path / "tiny.xml").read_text()


def test_weights_are_those_of_the_torch_module(tmp_path):
    (path,) = limpid.export(TINY, tmp_path / "w.safetensors", to="torch").files
    expected = load_network(StoredModel.open(TINY)).state_dict()
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == set(expected)
        assert all(torch.equal(file.get_tensor(name), expected[name]) for name in expected)
        assert json.loads(file.metadata()["limpid_model_card"])["architecture"] == "dncnn"


@pytest.mark.parametrize("name", ["dncnn", "drunet"])
def test_published_networks_become_onnx_that_gives_the_same(published, tmp_path, name):
    path = published / f"{name}.safetensors"
    (made,) = limpid.export(path, tmp_path).files
    assert made.name == f"{name}.onnx"
    noisy = image(30, 41)
    assert denoised(made, noisy) == pytest.approx(denoised(path, noisy), abs=1e-5)
    assert limpid.load_model(made).capabilities.blind == (name == "dncnn")


def test_an_export_that_gives_another_image_is_refused(published, tmp_path, monkeypatch):
    from limpid.inference.foreign import spandrel

    monkeypatch.setattr(spandrel, "_EXPORT_TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="gives another image"):
        limpid.export(published / "dncnn.safetensors", tmp_path)


def test_a_pickle_becomes_safetensors_where_that_is_asked_for(published, tmp_path):
    weights = published / "dncnn.safetensors"
    with safe_open(weights, "pt") as file:
        torch.save({name: file.get_tensor(name) for name in file.keys()}, tmp_path / "a.pth")  # noqa: SIM118
    with pytest.raises(ModelError, match="pickle"):
        limpid.export(tmp_path / "a.pth", tmp_path / "b.safetensors", to="torch")
    limpid.export(tmp_path / "a.pth", tmp_path / "b.safetensors", to="torch", allow_pickle=True)
    noisy = image(30, 41)
    assert np.array_equal(denoised(tmp_path / "b.safetensors", noisy), denoised(weights, noisy))


def test_an_onnx_file_takes_its_card_along(tmp_path):
    shape = ["N", 1, "H", "W"]
    ports = [[helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)] for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "graph", *ports)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "a.onnx")
    (tmp_path / "a.json").write_text('{"output": "residual"}')
    limpid.export(tmp_path / "a.onnx", tmp_path / "alone" / "b.onnx")
    noisy = image(8, 9)
    assert np.array_equal(denoised(tmp_path / "alone" / "b.onnx", noisy), np.zeros_like(noisy))
    with pytest.raises(ModelError, match="belong to no torch network"):
        limpid.export(tmp_path / "a.onnx", tmp_path, to="torch")
    with pytest.raises(OptionError, match="is the model itself"):
        limpid.export(tmp_path / "a.onnx", tmp_path)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_model_folder_is_not_written_into(tmp_path, loaded):
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder)
    before = (folder / "model.onnx").read_bytes()
    model = limpid.load_model(folder) if loaded else folder
    for output in (folder / "model.onnx", folder / ".." / "model" / "other.onnx"):
        with pytest.raises(OptionError, match="is the folder of the model itself; name an output elsewhere"):
            limpid.export(model, output)
    assert (folder / "model.onnx").read_bytes() == before


def test_an_onnx_file_beside_the_card_of_another_network_keeps_to_its_own(tmp_path):
    shutil.copytree(TINY, tmp_path / "other")
    limpid.export(TINY, tmp_path / "other" / "a.onnx")
    noisy = image(16, 16)
    assert np.array_equal(denoised(tmp_path / "other" / "a.onnx", noisy), denoised(TINY, noisy))


@pytest.mark.parametrize(
    ("model", "output", "to", "error", "message"),
    [
        (TINY, "a.onnx", "tflite", OptionError, "choose one of: onnx, openvino, torch"),
        (TINY, "a.bin", "onnx", OptionError, "must end in .onnx"),
        ("fast", "a.onnx", "onnx", ModelError, "2 networks, fast-color and fast-gray; name one"),
        ("median", "a.onnx", "onnx", ModelError, "method without a network"),
        ("fest", "a.onnx", "onnx", ModelError, "did you mean"),
        (TINY, "file/a.onnx", "onnx", WriteError, "can't be made"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, model, output, to, error, message):
    (tmp_path / "file").touch()
    with pytest.raises(error, match=message):
        limpid.export(model, tmp_path / output, to=to)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras with NumPy 2
def test_a_keras_model_is_left_to_keras(tmp_path):
    from limpid.inference.foreign.keras import _imported

    keras = _imported()
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.ReLU()])
    model.save(tmp_path / "a.keras")
    with pytest.raises(ModelError, match=r"export it with Keras: model\.export"):
        limpid.export(tmp_path / "a.keras", tmp_path)
