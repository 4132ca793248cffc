"""Training on files of one's own, end to end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data as pictures

import limpid
from limpid.core.errors import ConfigError, DataError, OptionError
from limpid.core.image import Image
from limpid.io import write_image
from limpid.models.store import StoredModel, find_models
from limpid.training.checkpoint import stored_config
from limpid.training.config import TrainConfig

SIGMA = 25


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three pictures: ``noisy``, ``again`` (a second exposure), ``clean``, and with correlated noise.

    That of ``rows`` goes together over two pixels along rows, that of ``soft`` over six in all directions.
    """
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name in ("camera", "coins", "moon"):
        clean = getattr(pictures, name)()[:128, :128].astype(np.float32)
        noise = [SIGMA * rng.standard_normal(clean.shape) for _ in range(3)]
        for folder, values in (
            ("clean", clean),
            ("noisy", clean + noise[0]),
            ("again", clean + noise[1]),
            ("rows", clean + 3**0.5 * ndimage.uniform_filter1d(noise[2], 3)),
            ("soft", clean + 7 * ndimage.uniform_filter(noise[2], 7)),
        ):
            (root / folder).mkdir(exist_ok=True)
            write_image(Image.from_array(np.clip(values, 0, 255).astype(np.uint8)), root / folder / f"{name}.png")
    return root


def tiny(noisy: Path, output: Path, **changes):
    return limpid.train(noisy, output, **{"architecture": "small", "steps": 6, "batch": 2, "patch_px": 32, **changes})


def test_a_model_is_trained_and_used(files: Path, tmp_path: Path) -> None:
    counted = []
    done = tiny(files / "noisy", tmp_path / "mine", watcher=lambda *counts: counted.append(counts))
    assert (done.strategy, done.architecture, done.steps) == ("recorrupted", "unet", 6)
    assert "white" in done.reason
    assert [counts[:2] for counts in counted] == [(step, 6) for step in range(1, 7)]
    assert all(0 < loss < 1 for _, _, loss in counted)
    assert done.validation["noise_left"] > 0
    clean = limpid.denoise(files / "noisy" / "camera.png", model=str(tmp_path / "mine"))
    assert np.asarray(clean).shape == (128, 128)
    assert done.denoiser().name == "mine"
    assert json.dumps(done.to_dict())


@pytest.mark.parametrize(
    ("given", "strategy"), [({"clean": "clean"}, "supervised"), ({"pairs": "again"}, "noise2noise")]
)
def test_partners_choose_the_strategy(files: Path, tmp_path: Path, given: dict[str, str], strategy: str) -> None:
    folders = {name: files / folder for name, folder in given.items()}
    assert tiny(files / "noisy", tmp_path / "mine", **folders).strategy == strategy


@pytest.mark.parametrize("strategy", ["noise2void", "neighbor2neighbor"])
def test_a_strategy_can_be_named(files: Path, tmp_path: Path, strategy: str) -> None:
    done = tiny(files / "noisy", tmp_path / "mine", strategy=strategy)
    assert (done.strategy, done.reason) == (strategy, "asked for")


def test_a_blind_spot_is_trained_and_used(files: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'blind_spot' needs a network .* which 'unet' does not; choose 'blindspot'"):
        tiny(files / "noisy", tmp_path / "mine", strategy="blind_spot")
    blind = {"strategy": "blind_spot", "architecture": "blindspot", "parameters": {"width": 8, "levels": 1}}
    with pytest.raises(ConfigError, match="takes no loss, got 'l1'"):
        tiny(files / "noisy", tmp_path / "mine", loss="l1", **blind)
    assert not (tmp_path / "mine").exists()
    done = tiny(files / "noisy", tmp_path / "mine", **blind)
    assert (done.strategy, done.architecture) == ("blind_spot", "blindspot")
    clean = limpid.denoise(files / "noisy" / "camera.png", model=str(tmp_path / "mine"))
    assert np.asarray(clean).shape == (128, 128)


def test_correlated_noise_rules_out_what_learns_from_single_images(files: Path, tmp_path: Path, caplog) -> None:
    with pytest.raises(DataError, match=r"correlated between pixels in [23] of 3 images.*second exposure"):
        tiny(files / "soft", tmp_path / "mine")
    tiny(files / "soft", tmp_path / "mine", strategy="noise2void")
    assert "noise2void is not valid for it" in caplog.text
    assert tiny(files / "soft", tmp_path / "other", clean=files / "clean").strategy == "supervised"


def test_noise_that_is_correlated_over_a_few_pixels_is_hidden_with_them(files: Path, tmp_path: Path, caplog) -> None:
    done = tiny(files / "rows", tmp_path / "mine")
    assert (done.strategy, "up to 0 pixels down and 2 across" in done.reason) == ("noise2void", True)
    assert stored_config(tmp_path / "mine" / "run").strategy_parameters.mask_px == (0, 2)
    tiny(files / "rows", tmp_path / "asked", strategy="noise2void", mask_px=(1, 4))
    assert stored_config(tmp_path / "asked" / "run").strategy_parameters.mask_px == (1, 4)
    assert "not valid" not in caplog.text
    tiny(files / "rows", tmp_path / "none", strategy="noise2void", mask_px=(0, 0))
    assert "noise2void is not valid for it" in caplog.text


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(files: Path, tmp_path: Path) -> None:
    whole = tiny(files / "noisy", tmp_path / "whole" / "mine", steps=10)

    def stop(done: int, _: int, __: float) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny(files / "noisy", tmp_path / "parts" / "mine", steps=10, watcher=stop)
    with pytest.raises(OptionError, match="resume"):
        tiny(files / "noisy", tmp_path / "parts" / "mine", steps=10)
    with pytest.raises(ConfigError, match="another seed"):
        tiny(files / "noisy", tmp_path / "parts" / "mine", steps=10, resume=True, seed=1)
    parts = tiny(files / "noisy", tmp_path / "parts" / "mine", steps=None, minutes=1.0, resume=True)
    assert parts.steps == 10
    first, second = ((done.model / "model.onnx").read_bytes() for done in (whole, parts))
    assert first == second


def exact(model: Path | str) -> limpid.Denoiser:
    return limpid.load_model(model, precision="fp32")


def test_the_start_can_be_a_model(files: Path, tmp_path: Path) -> None:
    start = find_models("fast-gray")[1].folder
    done = tiny(files / "noisy", tmp_path / "mine", architecture=None, start_from=str(start), learning_rate=1e-7)
    mine, shipped = (
        np.asarray(limpid.denoise(files / "noisy" / "camera.png", model=exact(model), sigma=SIGMA)).astype(int)
        for model in (done.model, "fast")
    )
    assert np.abs(mine - shipped).max() <= 2
    card = StoredModel.open(done.model).card
    config = TrainConfig.from_dict(card.training or {}, where="card")
    assert (config.start_from, config.steps, config.strategy) == (start.name, done.steps, done.strategy)
    assert card.test_vector is not None
    with pytest.raises(OptionError, match="don't fit"):
        tiny(files / "noisy", tmp_path / "other", start_from="fast")


def test_adapted_weights_are_kept_only_where_they_are_better(files: Path, tmp_path: Path) -> None:
    done = tiny(files / "noisy", tmp_path / "mine", architecture=None, strategy="adapt", learning_rate=1.0)
    assert "not adapted" in done.reason
    assert done.validation["noise_left"] == done.validation["noise_left_before"]
    mine, shipped = (
        np.asarray(limpid.denoise(files / "noisy" / "camera.png", model=exact(model), sigma=SIGMA)).astype(int)
        for model in (done.model, "fast")
    )
    assert np.abs(mine - shipped).max() <= 2


def test_clean_images_of_other_scenes_get_the_measured_noise(files: Path, tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    for name in ("coffee", "rocket"):
        shutil.copy(files / "clean" / "camera.png", tmp_path / "scenes" / f"{name}.png")
    done = tiny(files / "noisy", tmp_path / "mine", clean=tmp_path / "scenes")
    assert (done.strategy, "measured in 3 noisy ones" in done.reason) == ("supervised", True)
    done = tiny(None, tmp_path / "any", clean=files / "clean")
    assert (done.strategy, "noise of all levels" in done.reason) == ("supervised", True)


def test_frames_of_a_stack_are_partners_where_they_show_the_same_scene(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scene = pictures.camera()[100:196, 100:196].astype(np.float32)
    noise = SIGMA * rng.standard_normal((10, 96, 96))
    still = scene + noise
    moving = np.stack([np.roll(scene, 9 * n, axis=1) for n in range(10)]) + noise
    for name, values in (("still", still), ("moving", moving)):
        image = Image.from_array(np.clip(values, 0, 255).astype(np.uint8), axes="TYX")
        write_image(image, tmp_path / f"{name}.tif")
    assert tiny(tmp_path / "still.tif", tmp_path / "one").strategy == "noise2noise"
    assert tiny(tmp_path / "moving.tif", tmp_path / "two").strategy == "recorrupted"


def test_light_of_few_quanta_is_not_taken_for_gaussian(tmp_path: Path, caplog) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "few").mkdir()
    for name in ("camera", "coins"):
        light = 8 * getattr(pictures, name)()[:128, :128] / 255
        counts = 12 * (rng.poisson(light) + 0.2 * rng.standard_normal(light.shape)) + 5
        write_image(Image.from_array(np.clip(counts, 0, 255).astype(np.uint8)), tmp_path / "few" / f"{name}.png")
    done = tiny(tmp_path / "few", tmp_path / "mine")
    assert (done.strategy, "fewer than 20 quanta" in done.reason) == ("noise2void", True)
    tiny(tmp_path / "few", tmp_path / "other", strategy="recorrupted")
    assert "recorrupted is not valid for their noise" in caplog.text


def test_an_autoencoder_learns_squares(files: Path, tmp_path: Path) -> None:
    done = tiny(
        files / "noisy",
        tmp_path / "mine",
        clean=files / "clean",
        architecture="autoencoder",
        parameters={"input_px": 28, "latent_dim": 9, "widths": [8]},  # no divisor of the sizes that are measured on
        patch_px=None,
    )
    assert done.architecture == "autoencoder"
    clean = limpid.denoise(files / "noisy" / "camera.png", model=str(done.model))
    assert np.asarray(clean).shape == (128, 128)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "noise2vodi"}, "no strategy 'noise2vodi'"),
        ({"strategy": "noise2noise"}, "needs a second exposure"),
        ({"mask_px": (0, 2)}, "mask_px is for noise2void, the strategy asked for is auto"),
        ({"strategy": "noise2void", "mask_px": (0, 20)}, r"from 0 to 15, got \[0, 20\]"),
        ({"architecture": "huge"}, "no architecture 'huge'"),
        ({"parameters": {"latent_dims": 3}}, "unet has no latent_dims; it is described by: widths"),
        ({"minutes": 1.0}, "give one of them"),
        ({"steps": 0}, "steps must be a whole number >= 1"),
        ({"patch_px": 30}, "multiples of 8 pixels"),
        ({"patch_px": 40, "strategy": "neighbor2neighbor"}, "multiples of 16 pixels"),
        ({"clean": "clean", "pairs": "again"}, "both given"),
        ({"pairs": "."}, "same names"),
        ({"preprocessing": [{"name": "resise"}]}, "did you mean 'resize'"),
        ({"augment": "turn"}, "unknown augmentation 'turn'"),
        ({"skip_empty": 1.0}, "must be below 1"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    files: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folders = {k: files / str(v) for k, v in changes.items() if k in ("clean", "pairs")}
    with pytest.raises(OptionError, match=message):
        tiny(files / "noisy", tmp_path / "mine", **{**changes, **folders})
    assert not (tmp_path / "mine").exists()


def test_no_image_is_said_with_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images in this folder"):
        tiny(tmp_path / "empty", tmp_path / "mine")


def test_an_epoch_is_counted_in_pixels(files: Path, tmp_path: Path) -> None:
    # Three pictures of 128 x 128; two patches of 32 x 32 in a step.
    done = tiny(files / "noisy", tmp_path / "mine", steps=None, epochs=0.25)
    assert done.steps == 3 * 128**2 // 4 // (2 * 32**2)


def test_patience_ends_a_run_that_gains_nothing(files: Path, tmp_path: Path) -> None:
    # A rate at which nothing is learnt: five checks come in the first five of eight parts.
    done = tiny(files / "noisy", tmp_path / "mine", steps=40, patience=2, learning_rate=1e-9)
    assert done.converged
    assert done.steps == 18  # checks at 5, 10 and 15, and a fifth of these steps more


def test_a_run_is_shown_in_pictures_and_events(files: Path, tmp_path: Path) -> None:
    tiny(files / "noisy", tmp_path / "mine", steps=8, tensorboard=True)
    run = tmp_path / "mine" / "run"
    sheets = sorted(path.name for path in (run / "previews").iterdir())
    assert sheets == [f"{step:07}.png" for step in range(1, 9)]
    sheet = np.asarray(limpid.read_image(run / "previews" / sheets[-1]))
    # Three rows of three pictures of 128 x 128, and what is between them.
    assert sheet.shape[0] > 3 * 128
    assert sheet.shape[1] > 3 * 128
    events = next((run / "tensorboard").iterdir()).read_bytes()
    assert all(tag in events for tag in (b"noise_left", b"loss", b"previews", b"\x89PNG"))


def test_what_is_said_to_be_removed_is_the_difference(files: Path, tmp_path: Path) -> None:
    from limpid.training.collection import Collection
    from limpid.training.previews import Previews

    class Brighter(torch.nn.Module):
        size_multiple = 8

        def __init__(self) -> None:
            super().__init__()
            self.by = torch.nn.Parameter(torch.tensor(0.1))

        def forward(self, noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
            return 0 * noisy + 3 * level

    seen: list[np.ndarray] = []
    album = Collection([(files / "noisy" / "camera.png", None)], patch_px=32)
    Previews(album, tmp_path, also=lambda _, sheet: seen.append(sheet))(5, {"loss": 0.5}, Brighter())
    sheet = seen[0][..., 0].astype(int)
    top = (sheet < 250).nonzero()[0].max() - 128 - 20  # above the captions
    noisy, denoised, removed = (sheet[top : top + 64, left : left + 128] for left in (12, 152, 292))
    # Three standard deviations more than it was: black in the picture of what was removed, which is mid-gray for none.
    assert (denoised >= noisy).all()
    assert removed.mean() < 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, "steps and epochs all say how long"),
        ({"steps": None, "epochs": 0}, "epochs must be"),
        ({"patience": 0}, "patience must be a whole number >= 1"),
        ({"device": "gpu"}, "no device 'gpu'; choose one of: auto, cpu, cuda"),
    ],
)
def test_lengths_and_devices_that_make_no_sense_are_refused(
    files: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        tiny(files / "noisy", tmp_path / "mine", **changes)
    assert not (tmp_path / "mine").exists()


STEPS = ({"name": "centre_crop", "height": 96, "width": 100}, {"name": "normalise_percentile", "low": 2, "high": 98})


def test_a_model_prepares_images_as_it_was_trained(files: Path, tmp_path: Path) -> None:
    preparation = {"preprocessing": STEPS, "augment": "mirror", "skip_empty": 0.5}
    done = tiny(files / "noisy", tmp_path / "mine", **preparation)
    card = json.loads((done.model / "card.json").read_text())
    assert card["preprocessing"] == list(STEPS)
    denoiser, noisy = done.denoiser(), limpid.read_image(files / "noisy" / "camera.png")
    clean = limpid.denoise(noisy, model=denoiser)
    assert (clean.values.dtype, clean.values.shape, clean.value_range) == (np.uint8, (128, 128), (0, 255))
    changed = clean.values != noisy.values
    assert changed[16:112, 14:114].any()
    changed[16:112, 14:114] = False
    assert not changed.any()
    assert clean.metadata.provenance[-1].parameters["preprocessing"] == list(STEPS)
    # To the network, values times a factor plus a constant are the same picture.
    wide = limpid.denoise(noisy.values.astype(np.uint16) * 100 + 3000, model=denoiser)
    assert wide.dtype == np.uint16
    assert (wide / 100 - 30).clip(0, 255) == pytest.approx(clean.values, abs=1.5)
    for changes in ({"augment": "none"}, {"preprocessing": STEPS[:1]}):
        with pytest.raises(ConfigError, match="another data"):
            tiny(files / "noisy", tmp_path / "mine", resume=True, **preparation | changes)
    assert tiny(files / "noisy", tmp_path / "mine", resume=True, **preparation).steps == 6


def test_a_model_for_one_size_gives_back_the_size_that_came(files: Path, tmp_path: Path) -> None:
    done = tiny(files / "noisy", tmp_path / "mine", preprocessing=[{"name": "resize", "height": 64, "width": 64}])
    noisy = np.asarray(limpid.read_image(files / "noisy" / "coins.png"))[:, :101]
    before = noisy.copy()
    clean = limpid.denoise(noisy, model=done.denoiser())
    assert (clean.dtype, clean.shape) == (np.uint8, (128, 101))
    assert np.corrcoef(ndimage.uniform_filter(noisy.astype(float), 3).ravel(), clean.ravel())[0, 1] > 0.9
    assert np.array_equal(noisy, before)
