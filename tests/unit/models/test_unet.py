import pytest
import torch

from limpid.core.errors import ModelError
from limpid.models.checkpoint import measure_cost
from limpid.models.registry import build_network

FAST = {"widths": [64, 64, 64], "blocks": [2, 2, 2], "decoder_blocks": [2, 2]}
SMALL = {"channels": 3, "widths": [32, 32], "blocks": [1, 1], "decoder_blocks": [1]}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network("unet", SMALL).eval()


def test_nothing_in_nothing_out(network):
    zeros = torch.zeros(1, 3, 16, 16)
    assert network(zeros, zeros).abs().max() == 0


def test_there_is_no_bias_and_no_normalisation(network):
    kinds = {type(m).__name__ for m in network.modules() if not list(m.children())}
    assert kinds == {"Conv2d", "ConvTranspose2d"}
    assert all(name.endswith("weight") for name, _ in network.named_parameters())


@pytest.mark.parametrize(("channels", "weights", "kmac"), [(1, 809_728, 98.8), (3, 823_552, 102.2)])
def test_fast_has_the_size_it_is_sold_with(channels, weights, kmac):
    network = build_network("unet", {**FAST, "channels": channels})
    assert sum(p.numel() for p in network.parameters()) == weights
    assert measure_cost(network, channels=channels).macs / 1000 == pytest.approx(kmac, abs=0.05)


def test_multiply_accumulates_are_counted_as_by_hand():
    network = build_network("unet", {"channels": 1, "widths": [32], "blocks": [1], "decoder_blocks": []})
    per_half_resolution_pixel = 9 * (8 * 32 + 32 * 32 + 32 * 32 + 32 * 4)
    assert measure_cost(network, channels=1).macs == per_half_resolution_pixel / 4


def test_unknown_architectures_and_unfitting_parameters_are_refused():
    with pytest.raises(ModelError, match="known: unet, dncnn"):
        build_network("resnet", {})
    with pytest.raises(ModelError, match="decoder_blocks"):
        build_network("unet", {**FAST, "channels": 1, "decoder_blocks": [2]})
    with pytest.raises(ModelError, match="depth"):
        build_network("unet", {**FAST, "channels": 1, "depth": 3})
