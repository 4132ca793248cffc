"""The weights that a run begins with."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from limpid.core.errors import ConfigError
from limpid.models.checkpoint import load_network
from limpid.models.store import find_models
from limpid.training.config import Architecture, Data, Optimiser, Stage, TrainConfig
from limpid.training.start import _widened, initial_network


def config(start_from: str | None, architecture: str = "unet", **parameters: object) -> TrainConfig:
    return TrainConfig(
        name="begun",
        seed=3,
        steps=1,
        start_from=start_from,
        architecture=Architecture(name=architecture, parameters={"channels": 1, **parameters}),
        data=Data(pool="none", channels=1),
        optimiser=Optimiser(),
        stages=(Stage(until=1.0, patch_px=16, batch=1, loss="mse"),),
    )


SHIPPED = {"widths": [64, 64, 64], "blocks": [2, 2, 2], "decoder_blocks": [2, 2]}


@torch.no_grad()
def test_a_wider_network_answers_at_first_as_the_one_it_begins_with():
    wider = initial_network(config("fast-gray", **{**SHIPPED, "widths": [64, 96, 128]}), partly=True)
    narrow = initial_network(config("fast-gray", **SHIPPED))
    noisy, level = torch.rand((1, 1, 32, 48)), torch.full((1, 1, 32, 48), 0.1)
    torch.testing.assert_close(wider(noisy, level), narrow(noisy, level))
    assert all(float(weight.flatten(1).norm(dim=1).min()) > 0 for weight in wider.down.parameters())


def test_weights_for_gray_pixels_are_not_put_among_those_for_colour():
    def colour(start_from):
        told = config(start_from, **SHIPPED, channels=3)
        return dataclasses.replace(told, data=Data(pool="none", channels=3))

    gray = find_models("fast-gray")[1]
    begun, fresh = (initial_network(colour(start), partly=True).state_dict() for start in (str(gray.folder), None))
    same = {name for name, weight in begun.items() if torch.equal(weight, fresh[name])}
    assert same == {
        name for name, weight in load_network(gray).state_dict().items() if weight.shape != begun[name].shape
    }
    assert len(same) == 2


def test_layers_that_are_narrower_stay_random():
    network = initial_network(config("fast-gray", **{**SHIPPED, "widths": [64, 64, 32]}), partly=True)
    fresh = initial_network(config(None, **{**SHIPPED, "widths": [64, 64, 32]}))
    torch.testing.assert_close(network.down[1].weight, fresh.down[1].weight)
    assert not torch.equal(network.down[0].weight, fresh.down[0].weight)


def test_only_weights_are_widened():
    narrow, wide = nn.Sequential(nn.Conv2d(1, 2, 3)), nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    found = {**narrow.state_dict(), "1.running_mean": torch.zeros(2), "2.weight": torch.zeros(2, 2)}
    assert list(_widened(wide, found)) == ["0.weight"]


def test_another_network_is_refused_where_all_weights_are_wanted():
    with pytest.raises(ConfigError, match=r"don't fit this network: \d+ of 26 tensors do"):
        initial_network(config("fast-gray", **{**SHIPPED, "widths": [64, 96, 128]}))
