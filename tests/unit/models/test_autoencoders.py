import numpy as np
import pytest
import torch
from torch.nn import functional

from limpid.core.errors import ModelError
from limpid.models.checkpoint import measure_cost
from limpid.models.registry import build_network

KINDS = ("convolutional", "dense")
DIGITS = {"channels": 1, "input_px": 28, "latent_dim": 64}


def build(name="autoencoder", **parameters):
    torch.manual_seed(0)
    return build_network(name, parameters).eval()


@pytest.fixture(params=KINDS)
def digits(request):
    """Return an autoencoder of 28 x 28 pixels to 64 numbers."""
    return build(**DIGITS, widths=[16, 32], kind=request.param)


@torch.no_grad()
def test_a_square_becomes_a_vector_of_k_numbers_and_a_square_again(digits):
    images = torch.rand(5, 1, 28, 28)
    latents = digits.encode(images)
    assert latents.shape == (5, 64)
    assert torch.allclose(digits.decode(latents), digits.reconstruct(images), atol=1e-6)


@torch.no_grad()
def test_the_residual_added_to_the_image_is_its_reconstruction_at_any_level(digits):
    images = torch.rand(5, 1, 28, 28)
    for level in (0.0, 0.3):
        told = torch.full_like(images, level)
        assert torch.allclose(images + digits(images, told), digits.reconstruct(images), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_larger_image_is_a_grid_of_squares(kind, channels):
    network = build(channels=channels, input_px=8, widths=[6], latent_dim=9, kind=kind)
    image = torch.rand(2, channels, 16, 24)
    whole = network.reconstruct(image)
    for y in (0, 8):
        for x in (0, 8, 16):
            place = (..., slice(y, y + 8), slice(x, x + 8))
            assert torch.allclose(whole[place], network.decode(network.encode(image[place])), atol=1e-6)


@torch.no_grad()
def test_a_linear_autoencoder_with_the_principal_components_is_their_projection():
    """Without hidden layers, and with PCA's weights, it must do what PCA by singular values does."""
    images = np.random.default_rng(0).random((40, 1, 6, 6)).astype(np.float32)
    rows = images.reshape(40, 36)
    mean = rows.mean(axis=0)
    components = np.linalg.svd(rows - mean, full_matrices=False)[2][:7]
    network = build(channels=1, input_px=6, widths=[], latent_dim=7, kind="dense")
    encoder, decoder = (next(m for m in part if hasattr(m, "bias")) for part in (network.encoder, network.decoder))
    encoder.weight.copy_(torch.from_numpy(components))
    encoder.bias.copy_(torch.from_numpy(-components @ mean))
    decoder.weight.copy_(torch.from_numpy(components.T.copy()))
    decoder.bias.copy_(torch.from_numpy(mean))
    expected = (rows - mean) @ components.T @ components + mean
    assert network.reconstruct(torch.from_numpy(images)).numpy().reshape(40, 36) == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_the_objective_is_the_mean_squared_error_times_half_the_values_of_an_image(digits):
    images = torch.rand(5, 1, 28, 28)
    error = images - digits.reconstruct(images)
    objective = error.square().sum() / (2 * len(images))
    assert float(functional.mse_loss(images + digits(images, images), images)) * 28 * 28 / 2 == pytest.approx(
        float(objective), rel=1e-5
    )


def test_numbers_and_multiply_accumulates_are_those_counted_by_hand():
    """From the parameters alone: 28 x 28 pixels, two halvings to 7 x 7."""
    network = build(**DIGITS, widths=[16, 32])
    matrix = 32 * 7 * 7 * 64
    encoder, decoder = [9 * 16, 9 * 16 * 32, matrix], [matrix, 16 * 32 * 16, 16 * 16]
    biases = 16 + 32 + 64 + 32 * 7 * 7 + 16 + 1
    assert sum(p.numel() for p in network.parameters()) == sum(encoder) + sum(decoder) + biases
    places = [14 * 14, 7 * 7, 1, 1, 7 * 7, 14 * 14]
    macs = sum(n * times for n, times in zip(encoder + decoder, places, strict=True))
    assert measure_cost(network, channels=1).macs == pytest.approx(macs / 28**2)


def test_the_matrices_of_a_dense_one_are_counted_once_for_each_square():
    network = build(**DIGITS, widths=[100], kind="dense")
    assert measure_cost(network, channels=1).macs == pytest.approx(2 * (784 * 100 + 100 * 64) / 784)


@torch.no_grad()
def test_the_output_is_not_bounded(digits):
    assert digits.decode(torch.full((1, 64), 1e3)).abs().max() > 1
    assert build("convolutional_autoencoder", channels=1, widths=[8]).decode(torch.full((1, 8, 4, 4), 1e3)).max() > 1


@torch.no_grad()
def test_the_convolutional_one_encodes_any_size_to_maps():
    network = build("convolutional_autoencoder", channels=3, widths=[8, 16, 4])
    image = torch.rand(2, 3, 24, 40)
    latents = network.encode(image)
    assert latents.shape == (2, 4, 3, 5)
    assert latents.min() < 0  # no ReLU on them
    assert torch.equal(network.decode(latents), network.reconstruct(image))
    assert torch.allclose(image + network(image, image), network.reconstruct(image), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "sparse"}, "kind must be one of convolutional, dense, got 'sparse'"),
        ({"latent_dim": 0}, "at least 1, got input_px=28, latent_dim=0"),
        ({"input_px": 30}, "multiple of 4, got 30"),
        ({"widths": [8, 0]}, r"at least 1, got .* widths=\[8, 0\]"),
        ({"widths": []}, "one number or more"),
        ({"widths": [8, 8, 8]}, "3 widths need an input_px that is a multiple of 8, got 28"),
    ],
)
def test_what_can_not_be_built_is_refused_by_what_is_wrong(changes, message):
    with pytest.raises(ModelError, match=message):
        build_network("autoencoder", {**DIGITS, "widths": [8, 8], **changes})


@pytest.mark.parametrize("widths", [[], [8, 0]])
def test_widths_that_are_none_are_refused(widths):
    with pytest.raises(ModelError, match="one number or more, each at least 1"):
        build_network("convolutional_autoencoder", {"channels": 1, "widths": widths})


@pytest.mark.parametrize("shape", [(1, 1, 27, 28), (1, 1, 56, 28), (1, 3, 28, 28)])
def test_an_image_of_another_size_is_not_encoded(digits, shape):
    with pytest.raises(ValueError, match=r"shape \(1, 28, 28\) are encoded, got"):
        digits.encode(torch.rand(shape))
