"""Model folders of every version stay readable, and a network that gives other numbers than its card is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import limpid
from limpid.core.errors import ModelError
from limpid.inference.denoiser import NetworkDenoiser
from limpid.inference.precision import self_test
from limpid.inference.runtimes import load_runtime
from limpid.inference.test_vector import made_test_vector
from limpid.models.cards import CARD_VERSION
from limpid.models.store import StoredModel
from limpid.training.config import TrainConfig

FOLDER = Path(__file__).parents[2] / "data" / "models"

VERSIONS = [FOLDER / f"version-{n}" for n in range(1, CARD_VERSION + 1)]


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(VERSIONS[-1], tmp_path / "model")
    return tmp_path / "model"


def edit_card(folder, **changes):
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_there_is_an_artefact_of_every_version():
    assert sorted(FOLDER.iterdir()) == VERSIONS


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda f: f.name)
def test_a_model_of_every_version_gives_the_same_image(folder):
    noisy = np.random.default_rng(0).random((20, 24))
    images = [
        limpid.denoise(noisy, model=limpid.load_model(f, precision="fp32"), sigma=0.1, value_range=(0, 1))
        for f in (folder, VERSIONS[0])
    ]
    assert np.array_equal(*images)
    assert np.abs(images[0] - noisy).max() > 0.01


def test_an_old_card_is_read_as_one_of_this_version_that_knows_less():
    card = StoredModel.open(VERSIONS[0]).card
    assert (card.version, card.training, card.test_vector, card.int8) == (CARD_VERSION, None, None, None)


def known_then(now, then):
    return {key: known_then(now[key], then[key]) for key in then} if isinstance(then, dict) else now


def test_a_card_holds_the_whole_configuration_of_its_run():
    card = StoredModel.open(VERSIONS[1]).card
    config = TrainConfig.from_dict(card.training, where="card")
    found = json.loads(json.dumps(config.to_dict()))
    assert known_then(found, card.training) == card.training  # what was added later has its default
    assert config.architecture.parameters == card.parameters


@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "torch"])
def test_runtimes_give_the_test_vector_far_within_its_tolerance(name):
    model = StoredModel.open(VERSIONS[1])
    network = load_runtime(name).compile(model, precision="fp32")
    found = made_test_vector(network, model.card)
    assert found["residual"] == pytest.approx(model.card.test_vector["residual"], abs=found["tolerance"] / 50)
    assert {**found, "residual": 0} == {**model.card.test_vector, "residual": 0}


def shifted(copy, by):
    vector = dict(StoredModel.open(copy).card.test_vector)
    edit_card(copy, test_vector={**vector, "residual": [value + by for value in vector["residual"]]})
    return StoredModel.open(copy)


def test_a_network_that_gives_other_numbers_than_its_card_is_refused_at_first_use(copy):
    allowed = StoredModel.open(copy).card.test_vector["tolerance"]
    noisy, level = np.zeros((4, 4, 1), np.float32), np.float32([0.1])
    openvino = load_runtime("openvino")
    near, far = (NetworkDenoiser("x", {1: shifted(copy, by)}, runtime=openvino) for by in (0.5 * allowed, allowed))
    near.denoise_plane(noisy, level)
    with pytest.raises(ModelError, match=r"does not give on openvino .* what its card says"):
        far.denoise_plane(noisy, level)


def test_the_self_test_looks_at_the_test_vector_too(copy, monkeypatch, tmp_path):
    openvino = load_runtime("openvino")
    if "bf16" not in openvino.precisions:
        pytest.skip("this processor has no bf16")
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path / "cache"))
    model = shifted(copy, 1.0)
    with pytest.raises(ModelError, match="what its card says"):
        self_test(openvino, dataclasses.replace(model, card=dataclasses.replace(model.card, bf16_sigma_min=0.1)))


@pytest.mark.parametrize("vector", [{}, {"side_px": 8}, {"side_px": 16, "level": 1, "residual": "x", "tolerance": 1}])
def test_a_test_vector_that_can_not_be_read_is_named(copy, vector):
    edit_card(copy, test_vector=vector)
    with pytest.raises(ModelError, match="test vector"):
        limpid.denoise(np.zeros((4, 4), np.uint8), model=copy, sigma=5)


@pytest.mark.parametrize(
    "int8",
    [5, [], {}, {"psnr_loss": {}}, {"psnr_loss": None}, {"reach": [0]}, {"ranges": {"a": ["x"]}}, {"worst": None}],
)
def test_an_int8_entry_that_can_not_be_read_is_named(copy, int8):
    whole = json.loads((copy / "card.json").read_text())["int8"]
    edit_card(copy, int8=whole | int8 if isinstance(int8, dict) and int8 else int8)
    with pytest.raises(ModelError, match=r"the entry int8 of .* can't be read"):
        limpid.load_model(copy)


def test_a_newer_version_is_refused_with_the_advice_to_upgrade(copy):
    edit_card(copy, version=CARD_VERSION + 1)
    with pytest.raises(ModelError, match=f"version {CARD_VERSION + 1}.*upgrade"):
        limpid.load_model(copy)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-100],
        lambda content: content.replace(b"noisy", b"nosiy"),
        lambda content: b"\x80\x04\x8c\x05posix\x94.",  # the beginning of a pickle
        lambda content: b"",
    ],
    ids=["truncated", "tampered", "a pickle", "empty"],
)
def test_a_network_file_that_is_not_the_cards_is_refused_unread(copy, spoil):
    path = copy / "model.onnx"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ModelError, match="damaged or was changed: its SHA-256"):
        limpid.denoise(np.zeros((4, 4), np.uint8), model=copy, sigma=5)
