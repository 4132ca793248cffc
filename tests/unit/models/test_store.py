import dataclasses
import json
import shutil

import numpy as np
import pytest

from limpid.core.errors import ModelError
from limpid.core.preprocess import NormalisePercentile, Resize
from limpid.models.cards import CARD_VERSION, ModelCard
from limpid.models.checkpoint import load_network, save_model
from limpid.models.store import StoredModel, find_models, shipped_models, shipped_names


@pytest.fixture
def copy(tiny_model, tmp_path):
    shutil.copytree(tiny_model.folder, tmp_path / "model")
    return tmp_path / "model"


def edit_card(folder, **changes):
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_card_survives_json(tiny_model):
    assert ModelCard.from_json(tiny_model.card.to_json(), source="x") == tiny_model.card


def test_a_card_holds_preprocessing_and_a_step_it_does_not_know_is_refused(tiny_model, copy):
    steps = (NormalisePercentile(low=2, high=98.5), Resize(height=64, width=48))
    card = dataclasses.replace(tiny_model.card, preprocessing=steps)
    assert ModelCard.from_json(card.to_json(), source="x").preprocessing == steps
    edit_card(copy, preprocessing=[{"name": "resise", "height": 64, "width": 48}])
    with pytest.raises(ModelError, match=r"card\.json: no preprocessing step 'resise'; did you mean 'resize'"):
        StoredModel.open(copy)


def test_a_stored_network_is_the_one_saved_up_to_half_precision(tiny_model):
    import torch

    torch.manual_seed(0)
    from limpid.models.registry import build_network

    original = build_network("unet", tiny_model.card.parameters)
    for stored, weight in zip(load_network(tiny_model).parameters(), original.parameters(), strict=True):
        assert torch.equal(stored, weight.half().float())


def test_saving_twice_gives_the_same_bytes(tiny_model, tmp_path):
    again = save_model(load_network(tiny_model), tiny_model.card, tmp_path)
    assert again.card == tiny_model.card


def test_the_file_says_nothing_of_the_machine_it_was_made_on(tiny_model):
    assert b".py" not in tiny_model.network
    assert b"site-packages" not in tiny_model.network


def test_a_changed_network_file_is_refused(copy):
    path = copy / "model.onnx"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        _ = StoredModel.open(copy).network


def test_a_missing_network_file_is_named(copy):
    (copy / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx"):
        _ = StoredModel.open(copy).network


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": CARD_VERSION + 1}, "upgrade"),
        ({"version": None}, "not a model card: it says no version"),
        ({"colour": 1}, "colour"),
    ],
)
def test_cards_of_later_versions_or_with_unknown_entries_are_refused(copy, changes, message):
    edit_card(copy, **changes)
    with pytest.raises(ModelError, match=message):
        StoredModel.open(copy)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "{}"])
def test_what_is_no_card_is_refused(copy, text):
    (copy / "card.json").write_text(text)
    with pytest.raises(ModelError, match="card"):
        StoredModel.open(copy)


def test_a_card_that_is_no_text_is_refused(copy):
    (copy / "card.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="it is no text"):
        StoredModel.open(copy)


def test_weights_of_another_architecture_are_refused(copy):
    edit_card(copy, parameters={"channels": 1, "widths": [32, 64], "blocks": [1, 1], "decoder_blocks": [1]})
    with pytest.raises(ModelError, match="don't fit"):
        load_network(StoredModel.open(copy))


def test_models_are_found_by_family_name_and_folder(tiny_model):
    family = find_models("fast")
    assert {channels: m.card.name for channels, m in family.items()} == {1: "fast-gray", 3: "fast-color"}
    assert list(find_models("fast-gray")) == [1]
    assert find_models(str(tiny_model.folder))[1].card == tiny_model.card


def test_a_name_that_is_no_model_gets_the_nearest_one():
    with pytest.raises(ModelError, match="did you mean 'fast-gray'"):
        find_models("fast-grey")


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a model folder"):
        find_models(str(tmp_path))


@pytest.mark.parametrize("model", shipped_models(), ids=lambda m: m.card.name)
def test_shipped_models_are_whole_and_small_and_say_what_they_are(model):
    assert len(model.network) == model.size < (2_000_000 if model.card.name.startswith("fast-") else 10_000_000)
    card = model.card
    assert card.licence == "Apache-2.0"
    added_later = ("training", "test_vector", "preprocessing", "halo_planes", "int8", "blind")
    assert all(value for name, value in dataclasses.asdict(card).items() if name not in added_later)
    assert card.halo_px % card.size_multiple == 0
    weights = sum(p.numel() for p in load_network(model).parameters())
    assert weights == card.weights


def test_families_are_named_by_what_they_take():
    assert {"fast", "camera"} <= set(shipped_names())
    assert "fast" in shipped_names(channels=1)
    assert "camera" not in shipped_names(channels=1)
    assert "camera" in shipped_names(channels=3)


def test_all_shipped_models_together_stay_below_the_limit():
    assert sum(m.size for m in shipped_models()) < 32_000_000


def test_weights_are_finite():
    for model in shipped_models():
        assert all(np.isfinite(p.detach().numpy()).all() for p in load_network(model).parameters())
