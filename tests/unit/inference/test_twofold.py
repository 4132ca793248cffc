"""Pixels in two parts for networks in bf16."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13

from limpid.inference.harmless import with_noise
from limpid.inference.precision import made_picture
from limpid.inference.runtimes import load_runtime
from limpid.inference.twofold import REST, parts, take_rest
from limpid.models.store import find_models

NOISY, LEVEL = with_noise(made_picture(1, 64), 0.1, seed=0)


def run(model, **inputs):
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled({name.replace("_", " "): value for name, value in inputs.items()})[0]


def test_the_parts_add_up_and_bf16_holds_the_first():
    values = np.random.default_rng(0).standard_normal(100_000).astype(np.float32) * 7
    values[:3] = 0, 1, -255
    head, rest = parts(values)
    assert np.array_equal(head + rest, values)
    assert not (head.view(np.uint32) & 0xFFFF).any()
    assert np.all(np.abs(rest) <= 2.0**-8 * np.abs(values))


def test_a_network_gives_the_same_for_pixels_in_two_parts(tiny_model):
    whole, taken = (ov.Core().read_model(tiny_model.network) for _ in range(2))
    assert take_rest(taken)
    head, rest = parts(NOISY)
    expected = run(whole, noisy=NOISY, level=LEVEL)
    found = run(taken, noisy=head, level=LEVEL, noisy_rest=rest)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(run(taken, noisy=head, level=LEVEL, noisy_rest=0 * rest) - expected).max() > 1e-4


@pytest.mark.parametrize("name", ["openvino", "torch"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("family", ["fast", "best"])
def test_bf16_does_not_round_pixels(name, channels, family):
    runtime = load_runtime(name, device="cpu")
    if "bf16" not in runtime.precisions:
        pytest.skip("this processor has no bf16")
    model = find_models(family)[channels]
    sigma = 5 / 255
    noisy, level = with_noise(0.3 + 0.6 * made_picture(channels, 128), sigma, seed=0)
    exact, rough = (runtime.compile(model, precision=precision)(noisy, level) for precision in ("fp32", "bf16"))
    # Rounding the pixels alone makes 0.04 of the noise.
    assert 0 < np.sqrt(np.mean(np.square(exact - rough))) < 0.022 * sigma


def noted(*, name="noisy", before=lambda pixels: pixels):
    pixels = opset13.parameter([1, 1, 8, 8], np.float32)
    pixels.output(0).set_names({name})
    kernel = opset13.constant(np.ones((1, 1, 3, 3), np.float32))
    convolved = opset13.convolution(before(pixels), kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    return ov.Model([convolved], [pixels])


def test_all_convolutions_of_the_pixels_take_both_parts():
    pixels = opset13.parameter([1, 1, 8, 8], np.float32)
    pixels.output(0).set_names({"noisy"})
    kernels = [opset13.constant(np.full((1, 1, 3, 3), value, np.float32)) for value in (1, 2)]
    layers = [opset13.convolution(pixels, one, [1, 1], [1, 1], [1, 1], [1, 1]) for one in kernels]
    network = ov.Model([opset13.add(*layers)], [pixels])
    noisy = np.random.default_rng(0).random((1, 1, 8, 8), np.float32)
    expected = run(network, noisy=noisy)
    assert take_rest(network)
    head, rest = parts(noisy)
    np.testing.assert_allclose(run(network, noisy=head, noisy_rest=rest), expected, rtol=1e-6)


def test_networks_whose_pixels_are_changed_before_the_first_convolution_are_left_alone():
    assert take_rest(noted())
    for graph in (noted(before=opset13.relu), noted(name="image")):
        before = len(graph.get_ops())
        assert not take_rest(graph)
        assert len(graph.get_ops()) == before
        assert REST not in {port.any_name for port in graph.inputs}
