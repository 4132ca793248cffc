import dataclasses
import hashlib
import json
import sys

import numpy as np
import pytest
from skimage import data

from limpid.core.apply import denoise_image
from limpid.core.errors import MissingExtraError, ModelError, OptionError
from limpid.core.image import Image
from limpid.inference import precision, remembered
from limpid.inference.calibrate import measure_halo
from limpid.inference.denoiser import NetworkDenoiser
from limpid.inference.harmless import measure_sigma_min
from limpid.inference.precision import self_test
from limpid.inference.runtimes import RUNTIMES, load_runtime
from limpid.models.store import StoredModel, find_models


@pytest.fixture(scope="module")
def openvino():
    return load_runtime("openvino")


@pytest.fixture(scope="module")
def fast(openvino):
    return NetworkDenoiser("fast", find_models("fast"), runtime=openvino, precision="fp32")


def noisy_picture(sigma, shape=(200, 240)):
    clean = data.camera()[100 : 100 + shape[0], 100 : 100 + shape[1]].astype(np.float32) / 255
    return clean, clean + np.float32(sigma) * np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def level(*values):
    return np.array(values, np.float32)


def test_of_a_network_that_judges_the_noise_by_itself_strength_is_the_share_of_its_change(tiny_model, openvino):
    card = dataclasses.replace(tiny_model.card, blind=True)
    model = dataclasses.replace(tiny_model, card=card)
    denoiser = NetworkDenoiser("tiny", {1: model}, runtime=openvino, precision="fp32")
    _, noisy = noisy_picture(0.1)
    image = Image.from_array(noisy, value_range=(0, 1))
    half, whole, more = (
        denoise_image(image, denoiser, level=level(0.1), strength=strength).values - noisy for strength in (0.5, 1, 2)
    )
    assert np.abs(whole).max() > 1e-3
    np.testing.assert_allclose(half, whole / 2, atol=1e-6)
    np.testing.assert_array_equal(more, whole)


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (7, 5), (64, 64), (65, 130)])
def test_runtimes_agree_on_any_size(tiny_model, name, shape):
    noisy = np.random.default_rng(0).random((*shape, 1), dtype=np.float32)
    results = [
        NetworkDenoiser("tiny", {1: tiny_model}, runtime=load_runtime(n), precision="fp32").denoise_plane(
            noisy, level(0.1)
        )
        for n in ("openvino", name)
    ]
    assert results[0].shape == noisy.shape
    assert results[0].dtype == np.float32
    assert results[0] == pytest.approx(results[1], abs=1e-5)


def test_a_level_per_pixel_equal_everywhere_is_the_same_as_one_level(fast):
    _, noisy = noisy_picture(0.1)
    one = fast.denoise_plane(noisy[..., None], level(0.1))
    many = fast.denoise_plane(noisy[..., None], np.full((*noisy.shape, 1), 0.1, np.float32))
    assert np.array_equal(one, many)


def test_the_input_is_unchanged(fast):
    _, noisy = noisy_picture(0.1)
    noisy.flags.writeable = False
    fast.denoise_plane(noisy[..., None], level(0.1))


@pytest.mark.parametrize("sigma", [5, 15, 55])
def test_tiles_equal_the_whole_within_half_an_eight_bit_step(fast, sigma):
    _, noisy = noisy_picture(sigma / 255, (400, 400))
    image = Image.from_array(noisy, value_range=(0, 1))
    whole = denoise_image(image, fast, level=level(sigma / 255))
    tiled = denoise_image(image, fast, level=level(sigma / 255), memory=1)
    assert np.abs(whole.values - tiled.values).max() < 0.5 / 255


@pytest.mark.parametrize("low", [0.0, 100.0])
def test_sixteen_bit_range_with_faint_noise_is_as_good_as_in_fp32(openvino, fast, low):
    clean, _ = noisy_picture(0)
    span = 65535.0
    noise = np.random.default_rng(0).standard_normal(clean.shape) * span / 1000
    image = Image.from_array((clean * span + low + noise).astype(np.float32), value_range=(low, low + span))
    auto = NetworkDenoiser("fast", find_models("fast"), runtime=openvino)
    results = [denoise_image(image, d, level=level(0.001)).values for d in (auto, fast)]
    assert np.array_equal(*results)


def test_bf16_is_within_the_cards_bound_where_the_card_allows_it(openvino, fast):
    if "bf16" not in openvino.precisions:
        pytest.skip("this processor has no bf16")
    rough = NetworkDenoiser("fast", find_models("fast"), runtime=openvino, precision="bf16")
    sigma = max(0.06, fast.models[1].card.bf16_sigma_min)
    _, noisy = noisy_picture(sigma)
    a, b = (d.denoise_plane(noisy[..., None], level(sigma)) for d in (fast, rough))
    assert 0 < np.sqrt(np.mean((a - b) ** 2)) < 0.03 * sigma


def test_the_self_test_is_remembered(tiny_model, openvino, monkeypatch, tmp_path):
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    first = self_test(openvino, tiny_model)
    monkeypatch.setattr(precision, "_measure", lambda *_: pytest.fail("measured again"))
    assert self_test(openvino, tiny_model) == first
    (file,) = (tmp_path / "self-test").iterdir()
    assert json.loads(file.read_text()) == dataclasses.asdict(first)


def test_another_version_of_limpid_tests_itself_anew(tiny_model, openvino, monkeypatch, tmp_path):
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    first = self_test(openvino, tiny_model)
    monkeypatch.setattr(remembered, "__version__", "999")
    other = dataclasses.replace(first, device="measured anew")
    monkeypatch.setattr(precision, "_measure", lambda *_: other)
    assert self_test(openvino, tiny_model) == other


def test_the_self_test_has_a_picture_of_a_size_the_network_takes(tiny_model, openvino, monkeypatch, tmp_path):
    if "bf16" not in openvino.precisions:
        pytest.skip("this processor has no bf16")
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    sizes = []
    monkeypatch.setattr(
        type(openvino), "compile", lambda *_, **__: lambda noisy, level: sizes.append(noisy.shape) or 0 * noisy
    )
    self_test(openvino, dataclasses.replace(tiny_model, card=dataclasses.replace(tiny_model.card, size_multiple=28)))
    assert set(sizes) == {(1, 1, 280, 280)}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[1]",
        '{"trials": 3, "device": "here"}',
        '{"trials": {"bf16": {"speedup": 9}}, "device": "here"}',
        '{"trials": {"int4": {"speedup": 9, "error": 0}}, "device": "here"}',
    ],
)
def test_a_damaged_memory_of_the_self_test_is_replaced(tiny_model, openvino, monkeypatch, tmp_path, content):
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    first = self_test(openvino, tiny_model)
    (file,) = (tmp_path / "self-test").iterdir()
    file.write_text(content)
    assert self_test(openvino, tiny_model).device == first.device
    assert json.loads(file.read_text())["device"] == first.device


def test_a_cache_that_can_not_be_written_does_not_stop_the_self_test(tiny_model, openvino, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path / "file"))
    assert self_test(openvino, tiny_model).fastest() in ("bf16", "fp32")


def test_a_device_without_bf16_gets_fp32(tiny_model, openvino, monkeypatch, tmp_path):
    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    monkeypatch.setattr(type(openvino), "precisions", ("fp32",))
    assert self_test(openvino, tiny_model).fastest() == "fp32"
    with pytest.raises(OptionError, match="no bf16"):
        NetworkDenoiser("tiny", {1: tiny_model}, runtime=openvino, precision="bf16")


def test_unknown_runtimes_and_precisions_are_refused(tiny_model, openvino):
    with pytest.raises(OptionError, match="openvino, onnxruntime, torch"):
        load_runtime("tensorrt")
    with pytest.raises(OptionError, match="int8, bf16, fp32"):
        NetworkDenoiser("tiny", {1: tiny_model}, runtime=openvino, precision="int4")


def test_a_missing_runtime_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "limpid.inference.runtimes.onnxruntime", raising=False)
    with pytest.raises(MissingExtraError, match=r'needs onnxruntime.*pip install "limpid\[onnx\]"'):
        load_runtime("onnxruntime")


def test_cuda_that_a_package_was_built_for_and_is_not_there_is_not_taken_for_it(tiny_model, monkeypatch, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    built_for = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: built_for)
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(OptionError, match="no working CUDA"):
        load_runtime("onnxruntime", device="cuda").compile(tiny_model, precision="fp32")
    chosen = load_runtime("onnxruntime")
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        chosen.compile(tiny_model, precision="fp32")
    assert chosen.device.startswith("cpu, ")
    assert capsys.readouterr().out == ""


def test_a_torch_network_that_runs_in_bf16_is_left_as_it_was():
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1))
    load_runtime("torch").prepare(network, precision="bf16")
    assert "forward" not in vars(network[0])


def test_onnx_runtime_without_cuda_refuses_it_and_takes_a_number_of_threads(tiny_model):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(OptionError, match=r"no CUDA; install onnxruntime-gpu in its place"):
        load_runtime("onnxruntime", device="cuda")
    one = load_runtime("onnxruntime", threads=1)
    assert one.device == f"cpu, onnxruntime {onnxruntime.__version__}"
    noisy = np.random.default_rng(0).random((1, 1, 8, 8), dtype=np.float32)
    results = [r.compile(tiny_model, precision="fp32")(noisy, 0 * noisy + 0.1) for r in (one, load_runtime("openvino"))]
    assert results[0] == pytest.approx(results[1], abs=1e-5)


def test_a_network_that_onnx_runtime_can_not_read_is_named(tiny_model, tmp_path):
    pytest.importorskip("onnxruntime")
    content = b"\x00" * 20
    (tmp_path / "model.onnx").write_bytes(content)
    card = dataclasses.replace(tiny_model.card, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match="ONNX Runtime can't read the network"):
        load_runtime("onnxruntime").compile(StoredModel(tmp_path, card), precision="fp32")


def test_the_measured_halo_is_the_reach_of_a_known_network():
    def blur(noisy, level):
        padded = np.pad(noisy, ((0, 0), (0, 0), (5, 5), (5, 5)))
        total = sum(padded[:, :, 5 + d : 5 + d + noisy.shape[2], 5 : 5 + noisy.shape[3]] for d in range(-5, 6))
        return (total / 11 - noisy).astype(np.float32)

    picture = np.ones((1, 96, 96), np.float32)
    assert measure_halo(blur, [picture], sigma=0.1, multiple=1, limit=32) == 5
    assert measure_halo(blur, [picture], sigma=0.1, multiple=8, limit=32) == 8


def test_rough_arithmetic_is_allowed_from_where_its_error_is_small():
    def exact(noisy, level):
        return np.zeros_like(noisy)

    def rough(noisy, level):
        return np.full_like(noisy, 0.1 / 255)

    pictures = [np.zeros((1, 8, 8), np.float32)]
    for most, least in ((55, 5), (20, 5), (4, 255)):
        found = measure_sigma_min(exact, rough, pictures, sigma_max=most / 255)
        assert found == pytest.approx(least / 255), most


def test_where_int8_is_harmless_is_seen_up_to_the_level_the_network_knows():
    seen = []

    def exact(noisy, level):
        return np.zeros_like(noisy)

    def rough(noisy, level):
        seen.append((float(level.max()), float(noisy.min()), float(noisy.max())))
        return np.zeros_like(noisy)

    pictures = [np.full((1, 32, 32), 0.5, np.float32)]
    assert measure_sigma_min(exact, rough, pictures, sigma_max=0.3 / 255, clipped=True) == pytest.approx(0.3 / 255)
    assert measure_sigma_min(exact, rough, pictures, sigma_max=55 / 255, clipped=True) == pytest.approx(1 / 255)
    assert max(level for level, *_ in seen) == pytest.approx(55 / 255)
    assert all(low >= 0 and high <= 1 for _, low, high in seen)
