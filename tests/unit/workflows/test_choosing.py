"""``auto``: which network for which image."""

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
from limpid.noise.result import NO_NOISE, UNKNOWN
from limpid.workflows import denoise as denoising
from limpid.workflows.assess import assess
from limpid.workflows.auto.candidates import ready
from limpid.workflows.benchmark import benchmark
from limpid.workflows.choosing import Choosing, fitting
from limpid.workflows.denoise import denoise, run_denoise
from limpid.workflows.export import export
from limpid.workflows.files import denoise_files
from limpid.workflows.models import denoiser_names, load_model
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.task import DenoiseTask

SIGMA = 12


def forget():
    store.shipped_models.cache_clear()
    denoising._shipped.cache_clear()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return the folder of the models that are installed: a copy, to be changed."""
    folder = tmp_path / "weights"
    shutil.copytree(store._SHIPPED, folder)
    monkeypatch.setattr(store, "_SHIPPED", folder)
    forget()
    yield folder
    forget()


def noisy(kind="white", *, gray=False):
    clean = pictures.astronaut()[:192, :256].astype(np.float64)
    noise = np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    if kind == "clipped":
        noise *= 5
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


def chosen(image, **changed):
    """Return what `auto` takes for an image, by what is measured in it, in part replaced by what is told."""
    auto = load_model("auto")
    found = dataclasses.replace(estimate_noise(image), **changed)
    denoiser, reason = fitting(auto, found, image=image)
    return denoiser.name, reason


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_for_the_network_that_was_trained_on_its_kind_of_noise(kind):
    assert chosen(noisy(kind)) == KINDS[kind]


def test_what_is_not_seen_to_be_otherwise_is_for_the_network_for_white_noise():
    image, auto = noisy("correlated"), load_model("auto")
    assert fitting(auto, None, image=image) == (auto.white, "a level that was told")
    assert chosen(image, channels=(NO_NOISE,) * 3) == ("best", "hardly any noise")
    assert chosen(image, channels=(UNKNOWN,) * 3) == ("best", "noise that can't be measured")
    assert chosen(noisy("correlated", gray=True))[1] == "an image that is not RGB"
    assert chosen(image, channels=(UNKNOWN,) * 3, jpeg_blocking=0.5) == ("camera", "traces of JPEG")


def test_noise_that_was_measured_where_it_is_weak_is_for_the_network_for_cameras_noise():
    image = noisy()
    less = tuple(one.times(0.8) for one in estimate_noise(image).channels)
    assert chosen(image, channels=less) == ("camera", "noise stronger than measured")


def test_noise_that_the_network_for_white_noise_leaves_is_for_the_network_for_cameras_noise():
    class Timid:
        def __init__(self, of):
            self.name, self.capabilities, self._of = of.name, of.capabilities, of

        def denoise_plane(self, noisy, level):
            return noisy + (self._of.denoise_plane(noisy, level) - noisy) / 2

    image, auto = noisy(), load_model("auto")
    unfit = Choosing(Timid(auto.white), auto.camera)
    assert fitting(unfit, estimate_noise(image), image=image) == (auto.camera, "noise that best leaves")


@pytest.mark.parametrize("sigma", [0, 1])
def test_texture_where_there_is_hardly_noise_is_not_taken_for_that_of_cameras(sigma):
    clean = pictures.astronaut()[100:292, 100:356]
    faint = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    assert chosen(Image.from_array(np.clip(np.rint(faint), 0, 255).astype(np.uint8))) == ("best", "hardly any noise")


def test_what_speaks_for_a_stack_is_one_of_its_planes_with_noise():
    frames = np.stack([np.full((192, 256, 3), 128, np.uint8), noisy().values, noisy().values])
    assert chosen(Image(frames, "TYXC", (0, 255))) == ("best", "white noise")


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
    assert run_denoise(noisy("correlated", gray=True), load_model("auto")).model == "best"
    with pytest.raises(ModelError, match="'camera' takes images of 3 channels"):
        run_denoise(noisy("correlated", gray=True), load_model("camera"))


def test_the_network_for_cameras_is_among_the_names(installed):
    assert "camera" in denoiser_names()


def test_files_say_which_model_was_taken_and_why_and_resume(installed, tmp_path, save_tiny):
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
    save_tiny(installed / "camera-color", name="camera-color", channels=3, bf16_sigma_min=1.0, blind=True)
    forget()
    with pytest.raises(OptionError, match="another model or other options: networks was"):
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
def test_what_auto_made_is_assessed_by_the_network_that_made_it(installed, kind):
    values = noisy(kind)
    done = run_denoise(values, load_model("auto")).image
    of_the_file = assess(values, done)
    for model in ("auto", KINDS[kind][0]):
        assert assess(values, done, model=model).mse == pytest.approx(of_the_file.mse)
    assert of_the_file.mse is not None
    made_here = assess(values, model="auto")
    np.testing.assert_allclose(made_here.denoised.values, done.values)


def test_what_is_denoised_to_be_assessed_is_what_denoise_makes_of_an_image_with_impulses():
    values = noisy().values.copy()
    values[np.random.default_rng(1).random(values.shape[:2]) < 0.03] = 255
    done = run_denoise(Image.from_array(values), load_model("auto"))
    np.testing.assert_array_equal(assess(values, model="auto").denoised.values, done.image.values)


def test_told_a_level_auto_takes_any_that_its_network_for_white_noise_takes():
    auto = load_model("auto")
    assert auto.capabilities.sigma_max == auto.white.capabilities.sigma_max > auto.camera.capabilities.sigma_max


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


def test_a_race_has_the_network_for_cameras_in_colour(installed):
    def raced(image):
        return [one.name for one in ready(estimate_noise(image))]

    for kind in ("white", "correlated"):
        assert "camera" in raced(noisy(kind))
        assert not any("camera, strength" in name for name in raced(noisy(kind)))
    assert "camera" not in raced(noisy("correlated", gray=True))


def test_a_network_that_judges_the_noise_by_itself_does_so_as_an_onnx_file(tmp_path):
    export("camera", tmp_path / "camera.onnx")
    exported = load_model(tmp_path / "camera.onnx")
    assert exported.capabilities.blind
    assert exported.capabilities.level_again
    shipped, again = (denoise(noisy("correlated").values, model=one) for one in ("camera", exported))
    assert np.abs(shipped.astype(int) - again).max() <= 2  # the file runs in fp32


def test_more_strength_than_a_network_that_judges_by_itself_can_use_is_said(caplog):
    image, model = noisy("correlated"), load_model("camera")
    denoise(image, model=model, strength=1.0)
    assert not caplog.text
    denoise(image, model=model, strength=0.5, chroma_strength=1.5)
    assert "removes all that it takes for noise at strength 1" in caplog.text


def test_auto_is_no_network_to_export(installed, tmp_path):
    with pytest.raises(ModelError, match="chooses among best, camera; name one network"):
        export("auto", tmp_path / "a.onnx")
