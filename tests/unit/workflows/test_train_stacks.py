"""Training on stacks, end to end: a network that sees planes together, and what is done with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data as pictures
from typer.testing import CliRunner

import limpid
from limpid.cli.main import app
from limpid.core.errors import ConfigError, DataError, ModelError, OptionError
from limpid.inference.calibrate import HALO_TOLERANCE
from limpid.inference.runtimes import load_runtime
from limpid.inference.test_vector import check_test_vector
from limpid.models.store import StoredModel
from limpid.training.batch import Batch
from limpid.training.checkpoint import stored_config
from limpid.training.collection import Collection
from limpid.training.preparation import Preparation

SIGMA = 25


def moving(depth: int, seed: int, *, name: str = "camera") -> np.ndarray:
    """Return a noisy stack of a picture that moves by a pixel from plane to plane."""
    picture = getattr(pictures, name)()[60:160, 60:160].astype(np.float32)
    planes = np.stack([picture[:64, z : z + 64] for z in range(depth)])
    return (planes + SIGMA * np.random.default_rng(seed).standard_normal(planes.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of stacks: ``noisy``, ``again`` (other noise), and ``short`` ones of three planes and other names."""
    root = tmp_path_factory.mktemp("stacks")
    for number, name in enumerate(("camera", "coins")):
        for path, depth, seed in (
            (f"noisy/{name}.tif", 12, number),
            (f"again/{name}.tif", 12, 10 + number),
            (f"short/three-{name}.tif", 3, number),
        ):
            (root / path).parent.mkdir(exist_ok=True)
            limpid.write_image(limpid.Image.from_array(moving(depth, seed, name=name), axes="ZYX"), root / path)
    return root


TINY = {"architecture": "unet3d", "parameters": {"widths": [8, 8]}, "planes": 4, "steps": 2, "batch": 2, "patch_px": 16}


def tiny(noisy: object, output: Path, **changes: object) -> limpid.Trained:
    return limpid.train(noisy, output, **TINY | changes)


@pytest.fixture(scope="module")
def trained(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = tiny(files / "noisy", tmp_path_factory.mktemp("models") / "deep", steps=8, tensorboard=True)
    assert (done.strategy, done.architecture, dict(done.skipped)) == ("recorrupted", "unet3d", {})
    return done.model


def test_the_run_is_recorded_and_shown(trained: Path) -> None:
    config = stored_config(trained / "run")
    assert (config.data.preparation.planes, config.stages[0].patch_px) == (4, 16)
    previews = sorted((trained / "run" / "previews").iterdir())
    assert len(previews) == 8
    assert limpid.read_image(previews[0]).channels == 3
    assert list((trained / "run" / "tensorboard").iterdir())


def test_the_card_says_how_many_planes_it_sees(trained: Path) -> None:
    card = StoredModel.open(trained).card
    capabilities = limpid.load_model(trained).capabilities
    assert capabilities.volumetric
    assert card.halo_planes == capabilities.halo_planes
    assert 1 <= card.halo_planes <= 8 + 1  # a convolution in each of its 8 layers, and one to be sure
    assert card.test_vector["planes"] > 1
    assert card.training["data"]["preparation"]["planes"] == 4
    assert not limpid.load_model("fast").capabilities.volumetric


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_slabs_give_what_the_whole_stack_gives(trained: Path, runtime: str) -> None:
    model = limpid.load_model(trained, runtime=runtime, precision="fp32")
    noisy = np.concatenate([moving(24, 3)] * 2).astype(np.float32)
    clean = [
        limpid.denoise(noisy, model=model, sigma=SIGMA, axes="ZYX", value_range=(0, 255), memory=memory)
        for memory in (1, 2**40)
    ]
    assert np.abs(clean[0] - noisy).mean() > 1
    assert np.abs(clean[0] - clean[1]).max() <= 255 * HALO_TOLERANCE


def test_runtimes_agree_on_a_stack_of_any_size(trained: Path) -> None:
    noisy = moving(5, 0)[:, :19, :33]
    first, second = (
        limpid.denoise(noisy, model=limpid.load_model(trained, runtime=name, precision="fp32"), sigma=SIGMA, axes="ZYX")
        for name in ("openvino", "torch")
    )
    assert first.shape == noisy.shape
    assert np.abs(first.astype(int) - second).max() <= 1


def test_a_plane_is_a_stack_of_one(trained: Path) -> None:
    noisy = moving(1, 0)
    plane = limpid.denoise(noisy[0], model=trained, sigma=SIGMA)
    assert np.array_equal(plane, limpid.denoise(noisy, model=trained, sigma=SIGMA, axes="ZYX")[0])


def test_planes_next_to_one_decide_what_it_becomes(trained: Path) -> None:
    noisy = moving(9, 0)
    changed = noisy.copy()
    changed[5] = 255 - changed[5]
    first, second = (limpid.denoise(one, model=trained, sigma=SIGMA, axes="TYX") for one in (noisy, changed))
    assert (first[4] != second[4]).any()


def test_it_is_assessed_compared_and_exported(trained: Path, files: Path, tmp_path: Path) -> None:
    series = np.stack([moving(4, 0), moving(4, 1, name="coins")])
    found = limpid.assess(series, model=trained, axes="TZYX", sigma=SIGMA)
    assert found.psnr is not None
    assert limpid.benchmark(files / "noisy", sigma=SIGMA, denoisers=str(trained)).rows[0].images == 2
    noisy = moving(6, 0)
    exported = limpid.export(trained, tmp_path / "deep.onnx")
    again = limpid.load_model(exported.files[0], precision="fp32")
    assert again.capabilities.halo_planes == StoredModel.open(trained).card.halo_planes
    clean = [
        limpid.denoise(noisy, model=model, sigma=SIGMA, axes="ZYX")
        for model in (again, limpid.load_model(trained, precision="fp32"))
    ]
    assert np.array_equal(*clean)
    assert again.denoise_plane(np.zeros((8, 8, 1), np.float32), np.float32([0.1])).shape == (8, 8, 1)
    assert len(limpid.export(trained, tmp_path / "deep.xml", to="openvino").files) == 2
    assert len(limpid.export(trained, tmp_path / "deep.safetensors", to="torch").files) == 1


def test_a_card_of_stacks_says_all_that_goes_with_it(trained: Path, tmp_path: Path) -> None:
    path = limpid.export(trained, tmp_path / "deep.onnx").files[0]
    (tmp_path / "deep.json").write_text(json.dumps({"output": "residual", "halo_planes": 4}))
    with pytest.raises(ModelError, match="halo_px and size_multiple go with it"):
        limpid.load_model(path)
    (tmp_path / "deep.json").write_text(json.dumps({"output": "residual"}))
    with pytest.raises(ModelError, match=r"\(free, 1, free, free, free\).*where the card says halo_planes"):
        limpid.load_model(path)


def test_a_run_goes_on_from_its_weights(trained: Path, files: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("limpid.workflows.train._save", lambda *_, **__: None)
    adapted = tiny(
        files / "noisy",
        tmp_path / "more",
        architecture=None,
        parameters=None,
        strategy="adapt",
        start_from=str(trained),
        learning_rate=1e-9,
    )
    assert (adapted.architecture, "not adapted" in adapted.reason) == ("unet3d", True)
    with pytest.raises(ConfigError, match="don't fit"):
        tiny(files / "noisy", tmp_path / "other", start_from="fast")


@pytest.mark.parametrize("given", [{"pairs": "again"}, {"clean": "again"}])
def test_partners_are_stacks_too(files: Path, given: dict[str, str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("limpid.workflows.train._save", lambda *_, **__: None)
    done = tiny(files / "noisy", tmp_path / "mine", **{name: files / folder for name, folder in given.items()})
    assert done.strategy == {"pairs": "noise2noise", "clean": "supervised"}[next(iter(given))]


@pytest.mark.parametrize(
    ("strategy", "loss"),
    [("noise2void", "l1"), ("neighbor2neighbor", "0.84 ms_ssim + 0.16 l1"), ("recorrupted", "cross_entropy")],
)
def test_strategies_and_losses_learn_from_stacks(files: Path, strategy: str, loss: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("limpid.workflows.train._save", lambda *_, **__: None)
    done = tiny(files / "noisy", tmp_path / "mine", strategy=strategy, loss=loss, skip_empty=0.5)
    assert np.isfinite(done.validation["noise_left"])


def test_clean_stacks_alone_get_noise_of_all_levels(files: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("limpid.workflows.train._save", lambda *_, **__: None)
    assert tiny(None, tmp_path / "mine", clean=files / "noisy").strategy == "supervised"
    assert tiny(files / "short", tmp_path / "other", clean=files / "noisy", planes=3).strategy == "supervised"


def test_frames_that_show_the_same_scene_are_seen_together_not_compared(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("limpid.workflows.train._save", lambda *_, **__: None)
    noise = SIGMA * np.random.default_rng(0).standard_normal((9, 64, 64))
    still = (pictures.camera()[:64, 60:124] + noise).clip(0, 255).astype(np.uint8)
    limpid.write_image(limpid.Image.from_array(still, axes="TYX"), tmp_path / "still.tif")
    flat = {"architecture": "small", "parameters": None, "planes": None, "patch_px": 32}
    assert tiny(tmp_path / "still.tif", tmp_path / "flat", **flat).strategy == "noise2noise"
    assert tiny(tmp_path / "still.tif", tmp_path / "deep").strategy == "recorrupted"
    with pytest.raises(OptionError, match="needs a second exposure"):
        tiny(tmp_path / "still.tif", tmp_path / "none", strategy="noise2noise")


def test_volumes_that_show_the_same_scene_are_compared(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("limpid.workflows.train._save", lambda *_, **__: None)
    volume = 60 + np.stack([pictures.camera()[:64, 60 + z : 124 + z] for z in range(5)]) / 2  # clear of both ends
    noise = SIGMA * np.random.default_rng(0).standard_normal((3, *volume.shape))
    series = limpid.Image.from_array((volume + noise).clip(0, 255).astype(np.uint8), axes="TZYX")
    limpid.write_image(series, tmp_path / "series.tif")
    assert tiny(tmp_path / "series.tif", tmp_path / "deep").strategy == "noise2noise"
    batch = Collection(
        [(tmp_path / "series.tif", None)],
        patch_px=64,
        partner="frame",
        preparation=Preparation(planes=5, augment="none"),
    ).draw(1, patch_px=64, rng=np.random.default_rng(0), step=0)
    off = [(255 * part[0, 0] - torch.from_numpy(volume)).std() for part in (batch.noisy, batch.target)]
    assert max(off) < 1.2 * SIGMA  # both are of these planes, in this order
    assert (batch.noisy != batch.target).float().mean() > 0.9


def test_stacks_that_are_too_short_are_left_out_or_refused(files: Path) -> None:
    options = {"patch_px": 16, "preparation": Preparation(planes=8)}
    short, long = files / "short" / "three-coins.tif", files / "noisy" / "camera.tif"
    collection = Collection([(short, None), (long, None)], **options)
    assert collection.skipped == {
        short: "a stack of 3 planes is less than a patch of 8; choose fewer planes, 2 at least."
    }
    assert collection.draw(3, patch_px=16, rng=np.random.default_rng(0), step=0).noisy.shape == (3, 1, 8, 16, 16)
    with pytest.raises(DataError, match=r"none of the 1 images .* 3 planes is less than a patch of 8"):
        Collection([(short, None)], **options)
    with pytest.raises(DataError, match="it is a single frame"):
        Collection([(long, None)], partner="frame", **options)


def test_planes_can_be_taken_apart_with_all_that_goes_with_them() -> None:
    noisy = torch.rand(2, 3, 4, 5, 6)
    models = [(limpid.Gaussian(1.0),) * 3, (limpid.Gaussian(2.0),) * 3]
    apart = Batch(noisy, 2 * noisy, 3 * noisy, models).apart()
    assert apart.noisy.shape == (8, 3, 1, 5, 6)
    assert torch.equal(apart.noisy[5, :, 0], noisy[1, :, 1])
    assert torch.equal(apart.level, 2 * apart.noisy)
    assert torch.equal(apart.target, 3 * apart.noisy)
    assert [one[0].sigma for one in apart.models] == [1.0] * 4 + [2.0] * 4
    assert Batch(noisy, noisy).apart().target is None


def test_planes_of_a_patch_follow_each_other_in_one_volume(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = np.arange(10, dtype=np.float32).reshape(2, 5, 1, 1)  # the number of each plane, in its mean
    series = (numbers + 0.01 * rng.standard_normal((2, 5, 32, 32))).astype(np.float32)
    image = limpid.Image.from_array(series, axes="TZYX", value_range=(0, 1))
    limpid.write_image(image, tmp_path / "series.tif")
    collection = Collection(
        [(tmp_path / "series.tif", None)], patch_px=16, preparation=Preparation(planes=3), value_range=(0, 1)
    )
    drawn = collection.draw(32, patch_px=16, rng=np.random.default_rng(0), step=0).noisy
    found = {tuple(planes.round().int().tolist()) for planes in drawn.mean(dim=(1, 3, 4))}
    assert found == {(n, n + 1, n + 2) for n in (0, 1, 2, 5, 6, 7)}
    assert collection.pixels() == 10 * 32 * 32


def test_a_part_of_a_stack_is_some_of_its_planes_or_of_its_rows(files: Path) -> None:
    path = files / "noisy" / "camera.tif"
    parts = {
        planes: [
            Collection([(path, None)], patch_px=16, preparation=Preparation(planes=planes), part=(0.2, last))
            .exposures(0)[0]
            .planes.shape
            for last in (False, True)
        ]
        for planes in (4, 8)
    }
    assert parts[4] == [(1, 8, 64, 64, 1), (1, 4, 64, 64, 1)]
    assert parts[8] == [(1, 12, 48, 64, 1), (1, 12, 16, 64, 1)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--planes", "4"], "unet takes single planes, got planes = 4; leave it out, or choose the architecture"),
        (["--architecture", "unet3d", "--planes", "1"], "--planes"),
        (["--architecture", "unet3d", "--strategy", "blind_spot"], "'blind_spot' needs a network"),
        (["--architecture", "unet3d", "--strategy", "noise2void", "--loss", "ms_ssim"], "'ms_ssim' whole pictures"),
        (["--architecture", "unet3d", "--planes", "200"], "a stack of 12 planes is less than a patch of 200"),
    ],
)
def test_what_can_not_be_is_refused_by_name(files: Path, tmp_path: Path, given: list[str], says: str) -> None:
    options = ["-o", str(tmp_path / "mine"), "--steps", "1", "--patch-px", "16"]
    result = CliRunner().invoke(app, ["train", str(files / "noisy"), *options, *given])
    assert result.exit_code != 0
    assert says in " ".join(result.output.split())
    assert not (tmp_path / "mine").exists()


def test_advice_is_given_for_planes_alone(files: Path) -> None:
    with pytest.raises(OptionError, match="got 'unet3d'"):
        limpid.advise(files / "noisy", architecture="unet3d")


def test_a_test_vector_that_is_not_met_is_refused(trained: Path) -> None:
    model = StoredModel.open(trained)
    network = load_runtime().compile(model, precision="fp32")
    with pytest.raises(ModelError, match="what its card says"):
        check_test_vector(lambda *given: network(*given) + np.float32(0.01), model, runtime=load_runtime())
