"""int8: real kernels, the numbers they should give, figures that decide, and fp32 where it was not calibrated."""

import dataclasses
from types import MappingProxyType

import numpy as np
import openvino as ov
import pytest
from skimage import data

from limpid.core.errors import ModelError, OptionError
from limpid.inference.denoiser import NetworkDenoiser
from limpid.inference.harmless import with_noise
from limpid.inference.int8 import measure_int8
from limpid.inference.precision import SelfTest, Trial
from limpid.inference.quantise import costs, quantise
from limpid.inference.runtimes.openvino import OpenVINORuntime
from limpid.models.cards import ModelCard
from limpid.models.int8 import LOSS_MAX, WORST_MAX, Int8

PICTURES = [
    np.moveaxis(picture[:384, :384], -1, 0).astype(np.float32) / 255
    for picture in (data.camera()[..., None], data.coins()[..., None], data.moon()[..., None])
]

FIGURES = Int8(ranges={}, reach=(0, 1), sigma_min=0.1, crops=4, worst=0.001, psnr_loss={"15": 0.01, "25": 0.02})


def with_card(model, **changes):
    return dataclasses.replace(model, card=dataclasses.replace(model.card, **changes))


@pytest.fixture(scope="module")
def runtime():
    runtime = OpenVINORuntime()
    if "int8" not in runtime.precisions:
        pytest.skip("this processor has no int8")
    return runtime


@pytest.fixture(scope="module")
def calibrated(tiny_model, runtime):
    return with_card(tiny_model, int8=measure_int8(runtime, tiny_model, PICTURES, crops=4))


def kinds_of(model, ranges, *, rest="f32"):
    """Return in what each convolution is done, as OpenVINO compiled it."""
    core = ov.Core()
    graph = core.read_model(model.network)
    quantise(graph, ranges, rest=rest)
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    nodes = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    return [
        node["runtimePrecision"].astype(str)
        for node in nodes
        if node["layerType"].astype(str) in ("Convolution", "Deconvolution")
    ]


def test_convolutions_run_in_int8_but_for_the_first_and_the_last(calibrated):
    kinds = kinds_of(calibrated, calibrated.card.int8.ranges)
    assert len(kinds) == 10
    assert (kinds[0], kinds[-1]) == ("f32", "f32")
    assert set(kinds[1:-1]) <= {"u8", "i8"}


@pytest.mark.parametrize("rest", ["bf16", "f32"])
def test_what_is_not_int8_between_the_first_and_the_last_runs_in_the_type_named(calibrated, rest, runtime):
    if "bf16" not in runtime.precisions:
        pytest.skip("this processor has no bf16")
    ranges = {name: found for name, found in calibrated.card.int8.ranges.items() if "encoder.1" not in name}
    kinds = kinds_of(calibrated, ranges, rest=rest)
    assert (kinds[0], kinds[-1]) == ("f32", "f32")
    assert kinds.count(rest) == (2 if rest == "bf16" else 4)


def test_int8_differs_from_fp32_by_rounding_alone(calibrated, runtime):
    noisy, level = with_noise(PICTURES[0][:, :128, :128], 0.1, seed=3)
    exact, rough = (runtime.compile(calibrated, precision=p)(noisy, level) for p in ("fp32", "int8"))
    # Eight roundings in a chain, each of 1/127 of a range at most: a scale that is lost on one way shows as 1.
    assert 0 < np.sqrt(np.mean((exact - rough) ** 2)) < 0.02 * np.sqrt(np.mean(exact**2))


def test_ranges_are_the_largest_magnitudes_in_what_each_convolution_takes(tiny_model, runtime):
    import torch

    from limpid.models.checkpoint import load_network

    network, met = load_network(tiny_model), {}
    for name, layer in network.named_modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d) and name not in ("stem", "head"):
            layer.register_forward_pre_hook(
                lambda _, given, name=f"{name}.weight": met.update({name: given[0].abs().amax((0, 2, 3)).numpy()})
            )
    noisy, level = with_noise(PICTURES[0][:, :64, :64], 0.1, seed=0)
    found = runtime.observer(tiny_model)(noisy, level)
    with torch.no_grad():
        network(torch.from_numpy(noisy), torch.from_numpy(level))
    assert found.keys() == met.keys()
    for name, magnitudes in found.items():
        assert magnitudes == pytest.approx(met[name], rel=1e-4, abs=1e-5)


def test_costs_are_those_of_the_kernels_at_their_places(tiny_model, runtime):
    found = runtime.costs(tiny_model, side=64)
    assert found["encoder.0.0.first.weight"] == 32 * 32 * 9 * 32**2  # half resolution
    assert found["down.0.weight"] == 32 * 32 * 4 * 16**2
    assert found["up.0.weight"] == 32 * 32 * 4 * 16**2
    assert found["decoder.0.0.second.weight"] == 32 * 32 * 9 * 32**2


def test_a_network_of_two_convolutions_has_nothing_to_make_int8(runtime):
    shapes = ov.PartialShape([-1, 1, -1, -1])
    noisy = ov.opset13.parameter(shapes, np.float32, name="noisy")
    noisy.output(0).set_names({"noisy"})
    answer = noisy
    for _ in range(2):
        answer = ov.opset13.convolution(answer, np.ones((1, 1, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    assert costs(ov.Model([answer], [noisy]), side=8) == {}


@pytest.mark.parametrize(
    "ranges", [{"stem.weight": [1.0]}, {"down.0.weight": [1.0] * 31}, {"down.0.weight": [-1.0] * 32}]
)
def test_ranges_that_are_not_of_the_network_are_refused(calibrated, runtime, ranges):
    spoilt = with_card(calibrated, int8=dataclasses.replace(FIGURES, ranges=ranges))
    with pytest.raises(ModelError, match="install the model again"):
        runtime.compile(spoilt, precision="int8")


def test_the_card_keeps_ranges_and_figures_each_list_in_a_line(calibrated):
    text = calibrated.card.to_json()
    assert ModelCard.from_json(text, source="card").to_json() == text
    (line,) = (line for line in text.splitlines() if '"down.0.weight"' in line)
    assert line.count(",") >= 31
    assert calibrated.card.int8.crops == 4


def test_a_model_without_figures_or_with_bad_ones_is_refused_before_any_work(tiny_model, runtime):
    bad_pixels = dataclasses.replace(FIGURES, worst=2 * WORST_MAX)
    bad_psnr = dataclasses.replace(FIGURES, psnr_loss={"15": 2 * LOSS_MAX})
    for figures, words in (
        (None, "has not been calibrated for int8; choose the precision"),
        (bad_pixels, r"up to 8 of 255 \(4 are allowed"),
        (bad_psnr, "falls by up to 0.06 dB"),
    ):
        with pytest.raises(OptionError, match=words):
            NetworkDenoiser("tiny", {1: with_card(tiny_model, int8=figures)}, runtime=runtime, precision="int8")


def test_values_beyond_those_of_the_calibration_are_done_in_fp32(calibrated, runtime):
    allowed = with_card(calibrated, int8=dataclasses.replace(calibrated.card.int8, worst=0.0, psnr_loss={"15": 0.0}))
    rough, exact = (NetworkDenoiser("tiny", {1: allowed}, runtime=runtime, precision=p) for p in ("int8", "fp32"))
    noisy, level = np.moveaxis(PICTURES[0], 0, -1), np.float32([0.1])
    within = rough.denoise_plane(noisy, level)
    assert not np.array_equal(within, exact.denoise_plane(noisy, level))
    bright = noisy.copy()
    bright[5, 5] = 1.01 * allowed.card.int8.reach[1]
    for beyond in (bright, -bright):
        assert np.array_equal(rough.denoise_plane(beyond, level), exact.denoise_plane(beyond, level))


def test_int8_that_is_wrong_on_this_processor_is_refused(calibrated, runtime, monkeypatch):
    allowed = with_card(calibrated, int8=dataclasses.replace(calibrated.card.int8, worst=0.0, psnr_loss={"15": 0.0}))
    denoiser = NetworkDenoiser("tiny", {1: allowed}, runtime=runtime, precision="int8")
    monkeypatch.setattr(
        "limpid.inference.denoiser.self_test", lambda *_: SelfTest({"int8": Trial(speedup=3.0, error=0.4)}, "here")
    )
    with pytest.raises(OptionError, match="is off by 40% of the noise"):
        denoiser.denoise_plane(np.zeros((8, 8, 1), np.float32), np.float32([0.1]))


@pytest.mark.parametrize(
    ("trials", "allowed", "chosen"),
    [
        ({}, ("int8", "bf16", "fp32"), "fp32"),
        ({"bf16": (2.0, 0.01)}, ("int8", "bf16", "fp32"), "bf16"),
        ({"bf16": (1.1, 0.01)}, ("int8", "bf16", "fp32"), "fp32"),
        ({"bf16": (2.0, 0.06)}, ("int8", "bf16", "fp32"), "fp32"),
        ({"bf16": (2.0, 0.01), "int8": (2.3, 0.01)}, ("int8", "bf16", "fp32"), "bf16"),
        ({"bf16": (2.0, 0.01), "int8": (2.5, 0.01)}, ("int8", "bf16", "fp32"), "int8"),
        ({"bf16": (2.0, 0.01), "int8": (2.5, 0.06)}, ("int8", "bf16", "fp32"), "bf16"),
        ({"bf16": (2.0, 0.01), "int8": (2.5, 0.01)}, ("bf16", "fp32"), "bf16"),
        ({"int8": (2.5, 0.01)}, ("int8", "fp32"), "int8"),
    ],
)
def test_rougher_arithmetic_is_taken_where_it_is_right_and_faster_by_a_fifth(trials, allowed, chosen):
    test = SelfTest({name: Trial(*values) for name, values in trials.items()}, "here")
    assert test.fastest(allowed) == chosen


def test_auto_takes_int8_only_from_its_level_on(calibrated, runtime, monkeypatch):
    monkeypatch.setattr(
        "limpid.inference.denoiser.self_test", lambda *_: SelfTest({"int8": Trial(speedup=9.0, error=0.0)}, "here")
    )
    figures = dataclasses.replace(calibrated.card.int8, worst=0.0, psnr_loss={"15": 0.0}, sigma_min=0.1)
    model = with_card(calibrated, int8=figures)
    auto, exact, rough = (
        NetworkDenoiser("tiny", {1: model}, runtime=runtime, precision=p) for p in ("auto", "fp32", "int8")
    )
    noisy = np.moveaxis(PICTURES[0], 0, -1)
    for level, expected in ((0.09, exact), (0.1, rough)):
        told = np.float32([level])
        monkeypatch.setattr(expected, "_tests", {1: SelfTest({"int8": Trial(9.0, 0.0)}, "here")})
        assert np.array_equal(auto.denoise_plane(noisy, told), expected.denoise_plane(noisy, told))
    levels = np.full_like(noisy, 0.15)
    assert np.array_equal(auto.denoise_plane(noisy, levels), exact.denoise_plane(noisy, levels))


def test_a_convolution_that_int8_harms_goes_back_to_fp32(tiny_model, runtime, monkeypatch):
    made, bad = runtime.network, "decoder.0.0.first.weight"

    def harmed(content, *, precision, ranges=MappingProxyType({})):
        network = made(content, precision=precision, ranges=ranges)
        return (lambda noisy, level: network(noisy, level) + np.float32(0.1)) if bad in ranges else network

    monkeypatch.setattr(runtime, "network", harmed)
    found = measure_int8(runtime, tiny_model, PICTURES, crops=8)
    assert found.allowed
    assert len(found.ranges) == 6  # of eight, which four groups hold
    assert bad not in found.ranges


def test_a_network_that_int8_harms_everywhere_is_not_allowed_and_tells_its_figures(tiny_model, runtime, monkeypatch):
    made = runtime.network

    def harmed(content, *, precision, ranges=MappingProxyType({})):
        network = made(content, precision=precision, ranges=ranges)
        return (lambda noisy, level: network(noisy, level) + np.float32(0.1)) if ranges else network

    monkeypatch.setattr(runtime, "network", harmed)
    found = measure_int8(runtime, tiny_model, PICTURES, crops=4)
    assert not found.allowed
    assert found.worst == pytest.approx(0.1, abs=0.01)
    assert len(found.ranges) == 8
