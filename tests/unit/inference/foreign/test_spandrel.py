"""Weights of published architectures, here of a few random numbers, that spandrel recognises."""

import pickle
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import limpid
from limpid.core.errors import MissingExtraError, ModelError, OptionError
from limpid.inference.foreign.spandrel import imported_spandrel


def networks():
    """Return small networks by name: blind, told the level, of one channel and of three, and one that sees it all."""
    imported_spandrel()
    from spandrel.architectures.DnCNN import DnCNN
    from spandrel.architectures.DRUNet import DRUNet
    from spandrel.architectures.RetinexFormer import RetinexFormer

    torch.manual_seed(0)
    return {
        "dncnn": DnCNN(in_nc=1, out_nc=1, nc=8, nb=9, act_mode="R"),
        "fdncnn": DnCNN(in_nc=4, out_nc=3, nc=8, nb=9, act_mode="R", mode="FDnCNN"),
        "drunet": DRUNet(
            in_nc=2, out_nc=1, nc=[4, 8, 8, 8], nb=2, downsample_mode="strideconv", upsample_mode="convtranspose"
        ),
        "retinexformer": RetinexFormer(in_channels=3, out_channels=3, n_feat=8, stage=1, num_blocks=[1, 1, 1]),
    }


@pytest.fixture(scope="module")
def modules():
    return {name: module.eval() for name, module in networks().items()}


@pytest.fixture(scope="module")
def files(modules, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    for name, module in modules.items():
        save_file(
            {key: value.contiguous() for key, value in module.state_dict().items()}, folder / f"{name}.safetensors"
        )
    return folder


def noisy(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def run(module, *planes):
    given = torch.from_numpy(np.concatenate(planes, axis=-1).transpose(2, 0, 1)[None])
    with torch.inference_mode():
        return module(given)[0].numpy().transpose(1, 2, 0)


def test_a_blind_network_gives_what_its_module_gives(modules, files):
    model = limpid.load_model(files / "dncnn.safetensors")
    plane = noisy(30, 41, 1)
    assert model.denoise_plane(plane, np.float32([0.1])) == pytest.approx(run(modules["dncnn"], plane), abs=1e-6)
    assert model.capabilities.blind
    assert model.capabilities.channels == (1,)
    assert model.identity["architecture"] == "DnCNN"


@pytest.mark.parametrize(("name", "channels"), [("drunet", 1), ("fdncnn", 3)])
def test_a_network_with_a_map_is_told_the_level_of_each_pixel(modules, files, name, channels):
    model = limpid.load_model(files / f"{name}.safetensors")
    plane, level = noisy(32, 40, channels), noisy(32, 40, channels)[::-1] / 5
    one = np.sqrt(np.mean(level**2, axis=-1, keepdims=True))  # for all channels
    assert model.denoise_plane(plane, level) == pytest.approx(run(modules[name], plane, one), abs=1e-5)
    assert not model.capabilities.blind
    assert model.capabilities.level_map


def test_told_15_of_255_it_gives_what_spandrel_gives(files):
    spandrel = imported_spandrel()
    path = files / "drunet.safetensors"
    descriptor = spandrel.ModelLoader().load_from_file(path)
    plane = noisy(24, 32, 1)
    theirs = descriptor(torch.from_numpy(plane.transpose(2, 0, 1)[None]))[0].numpy().transpose(1, 2, 0)
    ours = limpid.load_model(path).denoise_plane(plane, np.float32([15 / 255]))
    assert ours.clip(0, 1) == pytest.approx(theirs, abs=1e-6)


def test_any_size_is_continued_to_one_the_network_takes(modules, files):
    plane = noisy(30, 41, 1)
    ours = limpid.load_model(files / "drunet.safetensors").denoise_plane(plane, np.float32([0.1]))
    whole = np.pad(plane, ((0, 2), (0, 7), (0, 0)), mode="symmetric")
    theirs = run(modules["drunet"], whole, np.full_like(whole, 0.1))
    assert ours == pytest.approx(theirs[:30, :41], abs=1e-6)


def test_tiles_equal_the_whole_within_half_an_eight_bit_step(files):
    model = limpid.load_model(files / "drunet.safetensors")
    image = noisy(150, 170)
    whole, tiled = (
        limpid.denoise(image, model=model, sigma=0.1, value_range=(0, 1), memory=memory) for memory in (None, 1)
    )
    assert np.abs(whole - tiled).max() < 0.5 / 255


def test_a_network_that_sees_the_whole_image_is_not_cut_into_tiles_and_says_so(files, caplog):
    model = limpid.load_model(files / "retinexformer.safetensors")
    assert model.capabilities.halo_px is None
    assert "sees the whole image" in caplog.text
    assert model.denoise_plane(noisy(9, 11, 3), np.float32([0.1] * 3)).shape == (9, 11, 3)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


@pytest.mark.parametrize("ending", [".pth", ".pt", ".ckpt"])
def test_a_pickle_is_refused_unless_asked_for_and_then_read_for_weights_only(modules, files, tmp_path, ending):
    path = tmp_path / f"net{ending}"
    torch.save(modules["dncnn"].state_dict(), path)
    with pytest.raises(ModelError, match=r"is a pickle.*--allow-pickle"):
        limpid.load_model(path)
    with pytest.raises(ModelError, match="is a pickle"):
        limpid.denoise(noisy(8, 8), model=path, sigma=0.1, value_range=(0, 1))
    image = noisy(30, 41)
    options = {"sigma": 0.1, "value_range": (0, 1)}
    allowed = limpid.denoise(image, model=path, allow_pickle=True, **options)
    assert np.array_equal(allowed, limpid.denoise(image, model=files / "dncnn.safetensors", **options))


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))])
def test_a_pickle_that_would_run_something_is_refused_unrun(tmp_path, save):
    save({"weight": torch.zeros(1), "evil": Evil()}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match="holds more than weights"):
        limpid.load_model(tmp_path / "net.pth", allow_pickle=True)


def test_a_pickled_module_is_refused_with_what_to_do(modules, tmp_path):
    torch.save(modules["dncnn"], tmp_path / "net.pth")
    with pytest.raises(ModelError, match="state_dict as safetensors"):
        limpid.load_model(tmp_path / "net.pth", allow_pickle=True)


@pytest.mark.parametrize("change", [lambda c: c[:-50], lambda c: b"", lambda c: b"\x80\x04" + c])
def test_damaged_safetensors_are_refused(files, tmp_path, change):
    (tmp_path / "net.safetensors").write_bytes(change((files / "dncnn.safetensors").read_bytes()))
    with pytest.raises(ModelError, match="damaged"):
        limpid.load_model(tmp_path / "net.safetensors")


def test_weights_of_no_known_architecture_are_refused(tmp_path):
    save_file({"layer.weight": torch.zeros(3)}, tmp_path / "net.safetensors")
    with pytest.raises(ModelError, match=r"recognises no architecture.*ONNX"):
        limpid.load_model(tmp_path / "net.safetensors")


def test_weights_that_do_not_fit_their_architecture_are_refused(modules, tmp_path):
    state = {key: value.contiguous() for key, value in modules["dncnn"].state_dict().items()}
    save_file({**state, "model.2.weight": torch.zeros(5, 7, 3, 3)}, tmp_path / "net.safetensors")
    with pytest.raises(ModelError, match="don't fit the architecture"):
        limpid.load_model(tmp_path / "net.safetensors")


def test_a_network_for_another_task_is_refused(tmp_path):
    imported_spandrel()
    from spandrel.architectures.Compact import Compact

    module = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=1, upscale=2)
    save_file({k: v.contiguous() for k, v in module.state_dict().items()}, tmp_path / "net.safetensors")
    with pytest.raises(ModelError, match=r"another task \(SR\)"):
        limpid.load_model(tmp_path / "net.safetensors")


def test_it_runs_in_torch_only(files):
    with pytest.raises(OptionError, match="torch only"):
        limpid.load_model(files / "dncnn.safetensors", runtime="openvino")


def test_without_spandrel_the_command_that_installs_it_is_named(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MissingExtraError, match=r'spandrel, which is not installed; run: pip install "limpid\[span'):
        limpid.load_model(files / "dncnn.safetensors")


def test_how_far_a_network_sees_is_remembered(files, monkeypatch, tmp_path):
    from limpid.inference.foreign import reach

    monkeypatch.setenv("LIMPID_CACHE", str(tmp_path))
    first = limpid.load_model(files / "dncnn.safetensors").capabilities
    monkeypatch.setattr(reach, "measure_halo", lambda *_, **__: pytest.fail("measured again"))
    assert limpid.load_model(files / "dncnn.safetensors").capabilities == first
    (remembered,) = (tmp_path / "self-test").iterdir()
    for damaged in ("", "[]", '{"halo_px": -1}', '{"halo_px": 1000}'):
        remembered.write_text(damaged)
        with pytest.raises(pytest.fail.Exception, match="measured again"):
            limpid.load_model(files / "dncnn.safetensors")
