"""What every architecture promises, whatever it is made of."""

import pytest
import torch

from limpid.core.errors import ModelError
from limpid.models.checkpoint import measure_cost, to_onnx
from limpid.models.registry import ARCHITECTURES, build_network

#: Small parameters for each architecture; one that is added to the registry is added here.
SMALL = {"unet": {"widths": [32, 32], "blocks": [1, 1], "decoder_blocks": [1]}}


def test_every_architecture_is_under_contract():
    assert SMALL.keys() == ARCHITECTURES.keys()


@pytest.fixture(params=ARCHITECTURES)
def name(request):
    return request.param


@pytest.fixture(params=[1, 3])
def channels(request):
    return request.param


@pytest.fixture
def network(name, channels):
    torch.manual_seed(0)
    return build_network(name, {**SMALL[name], "channels": channels}).eval()


def test_the_residual_has_the_shape_of_the_image(network, channels):
    side = network.size_multiple
    noisy = torch.rand(2, channels, 2 * side, 3 * side)
    assert network(noisy, torch.full_like(noisy, 0.1)).shape == noisy.shape


@pytest.mark.parametrize("factor", [0.01, 3.0, 255.0])
def test_scaling_image_and_level_scales_the_answer(network, channels, factor):
    noisy = torch.rand(1, channels, 16, 16)
    level = torch.full_like(noisy, 0.1)
    with torch.no_grad():
        expected = factor * network(noisy, level)
        assert torch.allclose(network(factor * noisy, factor * level), expected, rtol=1e-4, atol=1e-5 * factor)


def test_every_parameter_gets_a_gradient(network, channels):
    noisy = torch.rand(1, channels, 32, 32)
    network(noisy, torch.full_like(noisy, 0.1)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_it_can_be_exported_and_costed(network, channels):
    assert len(to_onnx(network, channels=channels, size_multiple=network.size_multiple)) > 1000
    assert measure_cost(network, channels=channels).macs > 0


def test_parameters_it_does_not_have_are_refused(name):
    with pytest.raises(ModelError, match="no_such_parameter"):
        build_network(name, {**SMALL[name], "channels": 1, "no_such_parameter": 3})
