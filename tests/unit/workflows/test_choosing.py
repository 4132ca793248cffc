"""``auto``, where a family for cameras' noise is installed and where none is."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest
from scipy import ndimage
from skimage import data as pictures

from limpid.core.denoiser import Denoiser
from limpid.core.errors import ModelError, OptionError
from limpid.core.image import Image
from limpid.evaluation.metrics import psnr
from limpid.io import read_image, write_image
from limpid.io.formats.jpeg import recoded
from limpid.models import store
from limpid.noise.estimate import estimate_noise
from limpid.noise.result import NO_NOISE, UNKNOWN, NoiseEstimate
from limpid.workflows import denoise as denoising
from limpid.workflows.assess import assess
from limpid.workflows.auto.candidates import ready
from limpid.workflows.benchmark import benchmark
from limpid.workflows.choosing import Choosing, fitting, kind_of
from limpid.workflows.denoise import denoise, run_denoise
from limpid.workflows.export import export
from limpid.workflows.files import denoise_files
from limpid.workflows.models import denoiser_names, load_model
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.task import DenoiseTask

SIGMA = 12


@pytest.fixture(scope="module")
def cameras(tmp_path_factory, save_tiny):
    """Return two small networks, with the name of one that ships as ``camera``, that remove less than there is."""
    folders = [tmp_path_factory.mktemp("cameras") / str(seed) for seed in range(2)]
    for seed, folder in enumerate(folders):
        save_tiny(folder, name="camera-color", channels=3, seed=seed, scale=0.2, bf16_sigma_min=1.0, blind=True)
    return folders


def forget():
    store.shipped_models.cache_clear()
    denoising._shipped.cache_clear()


@pytest.fixture
def installed(tmp_path, monkeypatch, cameras):
    """Return the folder of the models that are installed, with one for cameras' noise among them."""
    folder = tmp_path / "weights"
    shutil.copytree(store._SHIPPED, folder, ignore=shutil.ignore_patterns("camera-*"))
    shutil.copytree(cameras[0], folder / "camera-color")
    monkeypatch.setattr(store, "_SHIPPED", folder)
    forget()
    yield folder
    forget()


def noisy(kind="white", *, gray=False):
    clean = pictures.astronaut()[:192, :256].astype(np.float64)
    noise = np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    if kind == "clipped":
        noise *= 8
    elif kind in ("correlated", "jpeg"):
        noise = ndimage.gaussian_filter(noise, (1, 1, 0)) * 3.5
    values = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
    if kind == "jpeg":
        values = recoded(values, quality=80, subsampling="4:2:0")
    return Image.from_array(values[..., 1] if gray else values)


KINDS = {
    "white": ("best", "white noise"),
    "correlated": ("camera", "correlated noise"),
    "jpeg": ("camera", "traces of JPEG"),
    "clipped": ("camera", "noise that black and white cut off"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_for_the_network_that_was_trained_on_its_kind_of_noise(kind):
    model, reason = KINDS[kind]
    assert kind_of(estimate_noise(noisy(kind)), channels=3) == (model == "camera", reason)


def test_noise_that_is_weak_where_it_was_measured_is_for_the_network_for_cameras_noise():
    image, auto = noisy(), load_model("auto")
    found = estimate_noise(image)
    less = dataclasses.replace(found, channels=tuple(one.times(0.8) for one in found.channels))
    assert fitting(auto, found, image=image) == (auto.named("best"), "white noise")
    assert fitting(auto, less, image=image) == (auto.named("camera"), "noise stronger than measured")
    # Where the level is told, it holds.
    assert fitting(auto, None, image=image) == (auto.named("best"), "a level that was told")


def test_noise_that_the_network_for_white_noise_leaves_is_for_the_network_for_cameras_noise():
    class Timid:
        def __init__(self, of):
            self.name, self.capabilities, self._of = of.name, of.capabilities, of

        def denoise_plane(self, noisy, level):
            return noisy + (self._of.denoise_plane(noisy, level) - noisy) / 2

    image, auto = noisy(), load_model("auto")
    unfit = Choosing([Timid(auto.named("best"))], auto.camera)
    assert fitting(unfit, estimate_noise(image), image=image) == (auto.camera, "noise that best leaves")


def test_what_is_not_seen_to_be_otherwise_is_for_the_network_for_white_noise():
    correlated = estimate_noise(noisy("correlated"))
    unknown = NoiseEstimate((UNKNOWN,) * 3, 255.0)
    assert kind_of(None, channels=3) == (False, "a level that was told")
    assert kind_of(unknown, channels=3) == (False, "noise that can't be told from white")
    assert kind_of(NoiseEstimate((NO_NOISE,) * 3, 255.0), channels=3)[0] is False
    assert kind_of(correlated, channels=1) == (False, "an image that is not RGB")
    assert kind_of(dataclasses.replace(unknown, jpeg_blocking=0.5), channels=3)[0] is True


def test_without_a_network_for_cameras_there_is_no_choice(installed):
    shutil.rmtree(installed / "camera-color")
    forget()
    done = run_denoise(noisy("correlated"), load_model("auto"))
    assert (done.model, done.chosen_for) == ("best", None)
    assert "chosen_for" not in done.image.metadata.provenance[-1].parameters


def test_auto_takes_the_best_family_that_has_a_network_for_the_channels(installed, save_tiny):
    def taken():
        forget()
        auto = load_model("auto")
        return [auto.for_white(channels).name for channels in (1, 3, 4)]

    for name in ("best-gray", "best-color"):
        shutil.rmtree(installed / name, ignore_errors=True)
    assert taken() == ["fast", "fast", "fast"]
    save_tiny(installed / "best-color", name="best-color", channels=3)
    assert taken() == ["fast", "best", "fast"]
    save_tiny(installed / "best-gray", name="best-gray", channels=1)
    assert taken() == ["best", "best", "best"]


def test_a_single_family_leaves_no_choice(installed):
    for folder in [*installed.glob("best-*"), *installed.glob("camera-*")]:
        shutil.rmtree(folder)
    forget()
    assert load_model("auto").name == "fast"


@pytest.mark.parametrize("kind", KINDS)
def test_auto_does_what_the_model_does_that_it_says(installed, kind):
    model, reason = KINDS[kind]
    done = run_denoise(noisy(kind), load_model("auto"))
    assert (done.model, done.chosen_for) == (model, reason)
    parameters = done.image.metadata.provenance[-1].parameters
    assert (parameters["model"], parameters["chosen_for"]) == (model, reason)
    np.testing.assert_array_equal(done.image.values, run_denoise(noisy(kind), load_model(model)).image.values)


def test_where_sigma_is_told_auto_is_the_network_for_white_noise(installed):
    told = denoise(noisy("correlated").values, sigma=SIGMA)
    np.testing.assert_array_equal(told, denoise(noisy("correlated").values, model="best", sigma=SIGMA))
    assert isinstance(load_model("auto"), Denoiser)


def test_gray_images_go_to_the_network_for_white_noise(installed):
    assert run_denoise(noisy("correlated", gray=True), load_model("auto")).model == "fast"
    with pytest.raises(ModelError, match="'camera' takes images of 3 channels"):
        run_denoise(noisy("correlated", gray=True), load_model("camera"))


def test_the_network_for_cameras_is_among_the_names(installed):
    assert "camera" in denoiser_names()


def test_files_say_which_model_was_taken_and_why_and_resume(installed, tmp_path, cameras):
    (tmp_path / "in").mkdir()
    for kind in ("white", "correlated"):
        write_image(noisy(kind), tmp_path / "in" / f"{kind}.png")

    def run(**options):
        return denoise_files([tmp_path / "in"], tmp_path / "out", options=DenoiseOptions(**options)).results

    def said(results):
        return {one.input[-9:-4]: (one.status, one.model, one.chosen_for) for one in results}

    assert said(run()) == {
        "white": ("ok", "best", "white noise"),
        "lated": ("ok", "camera", "correlated noise"),
    }
    assert said(run(resume=True)) == {
        "white": ("skipped", "best", "white noise"),
        "lated": ("skipped", "camera", "correlated noise"),
    }
    assert read_image(tmp_path / "out/correlated.png").metadata.provenance[-1].parameters["model"] == "camera"
    # Any network that could have been taken is part of what was asked for.
    shutil.rmtree(installed / "camera-color")
    shutil.copytree(cameras[1], installed / "camera-color")
    forget()
    with pytest.raises(OptionError, match="another model or other options: networks was"):
        run(resume=True)
    for folder in [*installed.glob("best-*"), *installed.glob("camera-*")]:
        shutil.rmtree(folder)
    forget()
    with pytest.raises(OptionError, match="model was auto, now fast"):
        run(resume=True)


def test_a_record_from_before_there_was_a_choice_can_be_read(installed, tmp_path):
    write_image(noisy(), tmp_path / "a.png")
    inputs, options = [tmp_path / "a.png", tmp_path / "gone.png"], DenoiseOptions(model="fast")
    denoise_files(inputs, tmp_path / "out", options=options)
    for receipt in (tmp_path / "out/limpid-job/0001/receipts").glob("*.jsonl"):
        row = json.loads(receipt.read_text())
        del row["chosen_for"]
        receipt.write_text(json.dumps(row) + "\n")
    again = denoise_files(inputs, tmp_path / "out", options=dataclasses.replace(options, resume=True))
    assert [(one.status, one.chosen_for) for one in again.results] == [("skipped", None), ("error", None)]


def test_a_task_that_went_to_another_process_chooses_there(installed, tmp_path):
    task = pickle.loads(pickle.dumps(DenoiseTask(str(tmp_path), DenoiseOptions())))
    assert run_denoise(noisy("correlated"), task.denoiser).model == "camera"
    assert DenoiseOptions().deciding(task.denoiser)["runtime"] == "openvino"


@pytest.mark.parametrize("kind", ["white", "correlated"])
def test_what_auto_made_is_assessed_by_the_network_that_made_it(installed, save_tiny, kind):
    if kind == "correlated":  # of what removes less than there is no error can be told
        shutil.rmtree(installed / "camera-color")
        save_tiny(installed / "camera-color", name="camera-color", channels=3, bf16_sigma_min=1.0, blind=True)
        forget()
    values = noisy(kind)
    done = run_denoise(values, load_model("auto")).image
    of_the_file = assess(values, done)
    for model in ("auto", KINDS[kind][0]):
        assert assess(values, done, model=model).mse == pytest.approx(of_the_file.mse)
    assert of_the_file.mse is not None
    made_here = assess(values, model="auto")
    np.testing.assert_allclose(made_here.denoised.values, done.values)


def test_a_benchmark_of_auto_scores_the_network_for_each_image(installed, tmp_path):
    for folder in ("clean", "noisy"):
        (tmp_path / folder).mkdir()
    clean = pictures.astronaut()[:192, :256]
    for kind in ("white", "correlated"):
        write_image(Image.from_array(clean), tmp_path / "clean" / f"{kind}.png")
        write_image(noisy(kind), tmp_path / "noisy" / f"{kind}.png")
    (row,) = benchmark(tmp_path / "clean", pairs=tmp_path / "noisy", denoisers=["auto"]).rows
    expected = [
        psnr(denoise(noisy(kind).values, model=KINDS[kind][0]), clean, data_range=255)
        for kind in ("correlated", "white")
    ]
    assert row.denoiser == "auto"
    assert row.psnr == pytest.approx(np.mean(expected), abs=1e-6)


def test_a_race_has_the_network_for_cameras_where_auto_would_take_it(installed):
    def raced(image):
        return [one.name for one in ready(estimate_noise(image))]

    assert "camera" in raced(noisy("correlated"))
    assert not any("camera, strength" in name for name in raced(noisy("correlated")))
    assert "camera" not in raced(noisy("white"))
    assert "camera" not in raced(noisy("correlated", gray=True))


def test_a_network_that_judges_the_noise_by_itself_does_so_as_an_onnx_file(cameras, tmp_path):
    export(cameras[0], tmp_path / "camera.onnx")
    assert load_model(cameras[0]).capabilities.blind
    assert load_model(tmp_path / "camera.onnx").capabilities.blind


def test_more_strength_than_a_network_that_judges_by_itself_can_use_is_said(cameras, caplog):
    image, model = noisy("correlated"), load_model(cameras[0])
    denoise(image, model=model, strength=1.0)
    assert not caplog.text
    denoise(image, model=model, strength=0.5, chroma_strength=1.5)
    assert "removes all that it takes for noise at strength 1" in caplog.text


def test_auto_is_no_network_to_export(installed, tmp_path):
    with pytest.raises(ModelError, match="chooses among best, fast, camera; name one network"):
        export("auto", tmp_path / "a.onnx")
