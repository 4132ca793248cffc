"""DnCNN and FFDNet."""

import pytest
import torch

from limpid.core.errors import ModelError
from limpid.models.checkpoint import measure_cost
from limpid.models.registry import build_network

CHAINS = ("dncnn", "ffdnet")


def weights(name, **parameters):
    return sum(p.numel() for p in build_network(name, parameters).parameters())


@pytest.mark.parametrize("name", CHAINS)
def test_nothing_in_nothing_out(name):
    network = build_network(name, {"channels": 3, "width": 16, "depth": 3})
    zeros = torch.zeros(1, 3, 8, 8)
    assert network(zeros, zeros).abs().max() == 0


@pytest.mark.parametrize("name", CHAINS)
def test_there_is_no_bias_and_no_normalisation(name):
    network = build_network(name, {"channels": 1, "width": 16, "depth": 4})
    assert {type(m).__name__ for m in network.modules() if not list(m.children())} == {"Conv2d", "ReLU"}
    assert all(key.endswith("weight") for key, _ in network.named_parameters())


@pytest.mark.parametrize(
    ("name", "channels", "width", "depth", "millions"),
    [
        ("dncnn", 1, 64, 17, 0.56),
        ("dncnn", 3, 64, 20, 0.67),
        ("ffdnet", 1, 64, 15, 0.49),
        ("ffdnet", 3, 96, 12, 0.85),
    ],
)
def test_weights_are_those_published_but_for_biases_and_levels(name, channels, width, depth, millions):
    """Sizes are given in the literature with biases; there, DnCNN is told no level and FFDNet one for all channels."""
    places = 1 if name == "dncnn" else 4  # pixels that become channels
    levels = 0 if name == "dncnn" else 1
    convolutions = 9 * ((places * channels + levels) * width + (depth - 2) * width**2 + width * places * channels)
    biases = (depth - 1) * width + places * channels
    assert round((convolutions + biases) / 1e6, 2) == millions
    more_levels = 9 * (channels - levels) * width
    assert weights(name, channels=channels, width=width, depth=depth) == convolutions + more_levels


def test_multiply_accumulates_are_counted_as_by_hand():
    dncnn = build_network("dncnn", {"channels": 1, "width": 16, "depth": 3})
    assert measure_cost(dncnn, channels=1).macs == 9 * (2 * 16 + 16 * 16 + 16)
    ffdnet = build_network("ffdnet", {"channels": 1, "width": 16, "depth": 3})
    assert measure_cost(ffdnet, channels=1).macs == 9 * (5 * 16 + 16 * 16 + 16 * 4) / 4


@pytest.mark.parametrize("name", CHAINS)
@torch.no_grad()
def test_a_pixel_sees_as_far_as_its_layers_reach(name):
    depth = 3
    network = build_network(name, {"channels": 1, "width": 16, "depth": depth}).double()
    noisy, level = torch.rand(1, 1, 48, 48).double(), torch.full((1, 1, 48, 48), 0.1).double()
    changed = noisy.clone()
    changed[0, 0, 24, 24] += 1
    moved = torch.nonzero((network(changed, level) - network(noisy, level))[0, 0])
    scale = network.size_multiple
    assert moved.min() == 24 - depth * scale
    assert moved.max() == 24 + depth * scale + scale - 1


@torch.no_grad()
def test_ffdnet_is_told_the_mean_level_of_each_block():
    network = build_network("ffdnet", {"channels": 1, "width": 16, "depth": 3})
    noisy, level = torch.rand(2, 1, 1, 8, 8)
    level[..., ::2, 1::2] += 0.2
    mean = level.reshape(1, 1, 4, 2, 4, 2).mean((3, 5), keepdim=True).expand(1, 1, 4, 2, 4, 2).reshape(1, 1, 8, 8)
    assert torch.allclose(network(noisy, level), network(noisy, mean), atol=1e-6)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("changes", [{"depth": 1}, {"width": 0}])
def test_chains_that_are_none_are_refused(name, changes):
    with pytest.raises(ModelError, match=r"at least 2 and a width of at least 1 .* got depth=\d, width=\d"):
        build_network(name, {"channels": 1, "width": 3, "depth": 3, **changes})
