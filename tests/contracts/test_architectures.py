"""What every architecture promises, whatever it is made of."""

import copy

import numpy as np
import pytest
import torch

from limpid.core.errors import ModelError
from limpid.inference.runtimes import load_runtime
from limpid.models.cards import ModelCard
from limpid.models.checkpoint import load_network, measure_cost, save_model
from limpid.models.registry import ARCHITECTURES, build_network, is_volumetric

#: Small parameters for each architecture and each kind of it; one that is added to the registry is added here.
SMALL = {
    "unet": ("unet", {"widths": [32, 32], "blocks": [1, 1], "decoder_blocks": [1]}),
    "dncnn": ("dncnn", {"width": 16, "depth": 3}),
    "ffdnet": ("ffdnet", {"width": 16, "depth": 3}),
    "autoencoder": ("autoencoder", {"input_px": 12, "widths": [8, 16], "latent_dim": 10}),
    "autoencoder, dense": ("autoencoder", {"input_px": 7, "widths": [20], "latent_dim": 5, "kind": "dense"}),
    "convolutional_autoencoder": ("convolutional_autoencoder", {"widths": [8, 16]}),
    "blindspot": ("blindspot", {"width": 8, "levels": 2}),
    "unet3d": ("unet3d", {"widths": [8, 8], "blocks": [1, 1], "decoder_blocks": [1]}),
    "ensemble": (
        "ensemble",
        {
            "members": [
                {"widths": [8, 8], "blocks": [1, 1], "decoder_blocks": [1]},
                {"widths": [16], "blocks": [1], "decoder_blocks": []},
            ]
        },
    ),
}


def test_every_architecture_is_under_contract():
    assert {name for name, _ in SMALL.values()} == ARCHITECTURES.keys()


@pytest.fixture(params=SMALL, scope="module")
def case(request):
    return SMALL[request.param]


@pytest.fixture(params=[1, 3], scope="module")
def channels(request):
    return request.param


@pytest.fixture(scope="module")
def network(case, channels):
    name, parameters = case
    torch.manual_seed(0)
    return build_network(name, {**parameters, "channels": channels}).eval()


@pytest.fixture(scope="module")
def stored(case, channels, network, tmp_path_factory):
    name, parameters = case
    cost = measure_cost(network, channels=channels)
    card = ModelCard(
        name="small",
        architecture=name,
        parameters={**parameters, "channels": channels},
        channels=channels,
        weights=sum(p.numel() for p in network.parameters()),
        kmac_per_pixel=cost.macs / 1000,
        sigma_max=0.2,
        bf16_sigma_min=1.0,
        halo_px=network.size_multiple,
        bytes_per_pixel=cost.bytes,
        size_multiple=network.size_multiple,
        noise="none",
        data="none",
        recipe="none",
        licence="Apache-2.0",
        metrics={},
        sha256="",
        halo_planes=4 if is_volumetric(network) else None,
    )
    return save_model(network, card, tmp_path_factory.mktemp("small"))


def noisy_and_level(network, channels, shape=(1, 2, 3)):
    """Return images in [0, 1] of `shape`: how many, and rows and columns of the network's multiples of pixels.

    Where it takes stacks, there are as many planes as rows.
    """
    generator = torch.Generator().manual_seed(1)
    n, rows, columns = shape
    planes = [rows] if is_volumetric(network) else []
    lengths = [*planes, rows * network.size_multiple, columns * network.size_multiple]
    noisy = torch.rand(n, channels, *lengths, generator=generator)
    return noisy, torch.full_like(noisy, 0.1)


@torch.no_grad()
def test_the_residual_has_the_shape_of_the_image(network, channels):
    noisy, level = noisy_and_level(network, channels, (2, 2, 3))
    assert network(noisy, level).shape == noisy.shape


@torch.no_grad()
def test_images_of_a_batch_do_not_know_each_other(network, channels):
    noisy, level = noisy_and_level(network, channels, (3, 2, 3))
    alone = torch.cat([network(n[None], v[None]) for n, v in zip(noisy, level, strict=True)])
    assert torch.allclose(network(noisy, level), alone, atol=1e-5)


@pytest.mark.parametrize("factor", [0.01, 3.0, 255.0])
@torch.no_grad()
def test_scaling_image_and_level_scales_the_answer_where_that_is_claimed_and_only_there(network, channels, factor):
    noisy, level = noisy_and_level(network, channels, (1, 8, 8))
    expected = factor * network(noisy, level)
    scales = torch.allclose(network(factor * noisy, factor * level), expected, rtol=1e-4, atol=1e-5 * factor)
    assert scales == network.homogeneous


@torch.no_grad()
def test_what_it_answers_is_scaled_where_it_can_be(network, channels):
    if not hasattr(network, "scale_residual"):
        assert not network.homogeneous or hasattr(network, "prior")
        return
    noisy, level = noisy_and_level(network, channels)
    scaled = copy.deepcopy(network)
    scaled.scale_residual(0.75)
    assert torch.allclose(scaled(noisy, level), 0.75 * network(noisy, level), atol=1e-6)


def test_every_parameter_gets_a_gradient(network, channels):
    noisy, level = noisy_and_level(network, channels, (2, 4, 4))
    network.zero_grad()
    network(noisy, level).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_its_cost_does_not_depend_on_the_image_it_is_counted_on(network, channels):
    costs = {measure_cost(network, channels=channels, side=side) for side in (1, 40, 64)}
    assert len(costs) == 1
    assert costs.pop().macs > 0


@torch.no_grad()
def test_it_is_stored_up_to_half_precision_and_loaded(stored, network, channels):
    loaded = load_network(stored)
    for name, weight in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.half().float())
    noisy, level = noisy_and_level(network, channels, (2, 4, 4))
    expected = network(noisy, level)
    # A weight moves by at most 2 ** -11 of itself; over the few layers of these networks that adds up to less than
    # four times as much of what they answer.
    assert float((loaded(noisy, level) - expected).square().mean().sqrt() / expected.square().mean().sqrt()) < 2**-9


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 3), (1, 5, 4)])
def test_openvino_gives_the_numbers_of_torch_at_any_size(stored, network, channels, shape):
    noisy, level = (t.numpy() for t in noisy_and_level(network, channels, shape))
    expected, found = (load_runtime(n).compile(stored, precision="fp32")(noisy, level) for n in ("torch", "openvino"))
    assert found.shape == noisy.shape
    assert np.allclose(found, expected, atol=1e-5)


def test_parameters_it_does_not_have_are_refused(case):
    name, parameters = case
    with pytest.raises(ModelError, match="no_such_parameter"):
        build_network(name, {**parameters, "channels": 1, "no_such_parameter": 3})
