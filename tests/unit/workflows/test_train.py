"""Training on files of one's own, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage import data as pictures

import limpid
from limpid.core.errors import ConfigError, DataError, OptionError
from limpid.core.image import Image
from limpid.io import write_image
from limpid.models.store import StoredModel, shipped_models
from limpid.training.config import TrainConfig

SIGMA = 25


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``noisy``, ``again`` (a second exposure), ``clean`` and ``soft`` (correlated noise) of three pictures."""
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name in ("camera", "coins", "moon"):
        clean = getattr(pictures, name)()[:128, :128].astype(np.float32)
        noise = [SIGMA * rng.standard_normal(clean.shape) for _ in range(3)]
        for folder, values in (
            ("clean", clean),
            ("noisy", clean + noise[0]),
            ("again", clean + noise[1]),
            ("soft", clean + 3 * ndimage.uniform_filter(noise[2], 3)),
        ):
            (root / folder).mkdir(exist_ok=True)
            write_image(Image.from_array(np.clip(values, 0, 255).astype(np.uint8)), root / folder / f"{name}.png")
    return root


def tiny(noisy: Path, output: Path, **changes):
    return limpid.train(noisy, output, **{"network": "small", "steps": 6, "batch": 2, "patch_px": 32, **changes})


def test_a_model_is_trained_and_used(files: Path, tmp_path: Path) -> None:
    counted = []
    done = tiny(files / "noisy", tmp_path / "mine", watcher=lambda *counts: counted.append(counts))
    assert (done.strategy, done.architecture, done.steps) == ("recorrupted", "unet", 6)
    assert "white" in done.reason
    assert counted[-1] == (6, 6)
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


def test_correlated_noise_rules_out_what_learns_from_single_images(files: Path, tmp_path: Path, caplog) -> None:
    with pytest.raises(DataError, match=r"correlated between pixels in [23] of 3 images.*second exposure"):
        tiny(files / "soft", tmp_path / "mine")
    tiny(files / "soft", tmp_path / "mine", strategy="noise2void")
    assert "noise2void is not valid for it" in caplog.text
    assert tiny(files / "soft", tmp_path / "other", clean=files / "clean").strategy == "supervised"


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(files: Path, tmp_path: Path) -> None:
    whole = tiny(files / "noisy", tmp_path / "whole" / "mine", steps=10)

    def stop(done: int, _: int) -> None:
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


def test_the_start_can_be_a_model(files: Path, tmp_path: Path) -> None:
    start = shipped_models()[1].folder  # fast-gray, as a path
    done = tiny(files / "noisy", tmp_path / "mine", network="fast", start_from=str(start), learning_rate=1e-7)
    mine, shipped = (
        np.asarray(limpid.denoise(files / "noisy" / "camera.png", model=model, sigma=SIGMA)).astype(int)
        for model in (done.denoiser(), "fast")
    )
    assert np.abs(mine - shipped).max() <= 2
    card = StoredModel.open(done.model).card
    config = TrainConfig.from_dict(card.training or {}, where="card")
    assert (config.start_from, config.steps, config.strategy) == (start.name, done.steps, done.strategy)
    assert card.test_vector is not None
    with pytest.raises(OptionError, match="don't fit"):
        tiny(files / "noisy", tmp_path / "other", start_from="fast")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "noise2vodi"}, "no strategy 'noise2vodi'"),
        ({"strategy": "noise2noise"}, "needs a second exposure"),
        ({"network": "huge"}, "no network 'huge'"),
        ({"minutes": 1.0}, "give one of them"),
        ({"steps": 0}, "must be positive"),
        ({"patch_px": 30}, "multiple of 8"),
        ({"patch_px": 40, "strategy": "neighbor2neighbor"}, "multiple of 16"),
        ({"clean": "clean", "pairs": "again"}, "both given"),
        ({"clean": "."}, "same names"),
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
