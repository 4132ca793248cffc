"""Assessing without a clean image, from outside."""

import json
import math

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

import limpid
from limpid.core.image import Image
from limpid.noise.result import NoiseEstimate

CAMERA = data.camera()[64:320, 96:416].astype(np.float32)
COFFEE = data.coffee()[:200, :240].astype(np.float32)


def noisy(clean=CAMERA, *, sigma=20.0, seed=0, scale=1.0):
    values = clean + sigma * np.random.default_rng(seed).standard_normal(clean.shape, dtype=np.float32)
    return Image.from_array(scale * values, value_range=(0, 255 * scale))


def true_psnr(denoised, clean=CAMERA):
    return 10 * math.log10(255**2 / np.mean(np.square(np.asarray(denoised, np.float32) - clean)))


@pytest.mark.parametrize("model", ["fast", "nlm"])
@pytest.mark.parametrize("sigma", [10.0, 25.0, 50.0])
def test_estimate_is_near_the_true_psnr(model, sigma):
    image = noisy(sigma=sigma)
    for told in (None, sigma):
        found = limpid.assess(image, model=model, sigma=told)
        low, high = found.psnr_interval
        assert low < found.psnr < high
        # The 90 % interval, made twice as wide: 99.9 % of a normal distribution.
        assert abs(true_psnr(found.denoised) - found.psnr) < high - low
        assert found.verdict == "good", found.explanation


def test_colour_images_have_an_estimate_for_each_channel():
    image = noisy(COFFEE)
    found = limpid.assess(image, model="fast", sigma=20)
    true = [true_psnr(np.asarray(found.denoised)[..., c], COFFEE[..., c]) for c in range(3)]
    np.testing.assert_allclose(found.psnr_per_channel, true, atol=1.0)
    assert found.confidence.shape == COFFEE.shape[:2]


def test_poisson_gaussian_noise_is_followed():
    model = limpid.PoissonGaussian(gain=2.0, floor=60.0)
    values = model.sample(CAMERA, rng=np.random.default_rng(0)).astype(np.float32)
    found = limpid.assess(values, model="fast", noise=model, value_range=(0, 255))
    assert found.psnr == pytest.approx(true_psnr(found.denoised), abs=0.5)


def test_nothing_changes_with_the_unit():
    one, two = (limpid.assess(noisy(scale=scale), model="fast", sigma=20 * scale) for scale in (1.0, 16.0))
    assert two.psnr == pytest.approx(one.psnr, abs=1e-2)
    assert two.mse == pytest.approx(256 * one.mse, rel=1e-2)
    assert {k: t.passed for k, t in one.tests.items()} == {k: t.passed for k, t in two.tests.items()}


def test_same_images_give_the_same_answer():
    first, second = (limpid.assess(noisy(), model="fast") for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_inputs_are_unchanged():
    before = np.array(noisy().values)
    after = limpid.denoise(before, sigma=20, value_range=(0, 255))
    copies = before.copy(), after.copy()
    limpid.assess(before, after, model="fast", value_range=(0, 255))
    np.testing.assert_array_equal(before, copies[0])
    np.testing.assert_array_equal(after, copies[1])


@pytest.mark.parametrize("model", ["fast", "nlm"])
@pytest.mark.parametrize("told", [None, 20.0])
def test_half_of_the_right_sigma_is_flagged(model, told):
    image = noisy()
    half = limpid.denoise(image, model=model, sigma=10)
    assert limpid.assess(image, half, sigma=told).verdict == "too little removed"
    # By what was removed alone, the array says nothing of what made it.
    alone = limpid.assess(image, np.asarray(half), sigma=told)
    assert (alone.psnr, alone.verdict) == (None, "too little removed")


def test_twice_the_right_sigma_is_flagged():
    image = noisy()
    found = limpid.assess(image, limpid.denoise(image, sigma=45))
    assert found.verdict in ("too much removed", "structure removed")


def test_a_wrong_sigma_told_is_in_doubt():
    assert limpid.assess(noisy(), model="fast", sigma=10).verdict != "good"


def test_a_sigma_in_other_units_is_given_no_estimate():
    found = limpid.assess(noisy(), model="nlm", sigma=20 / 255)
    assert found.psnr is None
    assert "check its units" in found.reason
    assert found.verdict == "level in doubt"
    assert "own units" in found.explanation


def test_the_level_of_correlated_noise_is_not_enough():
    """How it is correlated is measured, however well its level is known: no narrow interval."""
    soft = ndimage.uniform_filter(np.asarray(noisy()), 3)
    found = limpid.assess(soft, model="nlm", sigma=20 / 3, value_range=(0, 255))
    assert found.psnr is None or found.psnr_interval[1] - found.psnr_interval[0] > 2


@pytest.mark.parametrize("model", ["fast", "nlm"])
@pytest.mark.parametrize("seed", range(3))
def test_clipped_noise_does_not_shift_intensities(model, seed):
    clipped = np.clip(np.rint(np.asarray(noisy(seed=seed))), 0, 255).astype(np.uint8)
    assert (clipped == 0).mean() > 0.01
    found = limpid.assess(clipped, model=model)
    assert found.tests["bias"].passed, found.tests["bias"]


def test_a_denoised_file_may_have_more_bits():
    eight = np.clip(np.rint(np.asarray(noisy(COFFEE))), 0, 255).astype(np.uint8)
    denoised = limpid.denoise(eight, model="nlm")
    same, wide = (limpid.assess(eight, one, model="nlm") for one in (denoised, denoised.astype(np.uint16) * 257))
    assert wide.psnr == pytest.approx(same.psnr, abs=1e-3)
    assert wide.sigma == same.sigma


def test_shifted_intensities_are_flagged():
    image = noisy()
    moved = np.asarray(limpid.denoise(image, sigma=20)) + 5
    assert limpid.assess(image, moved, sigma=20).tests["bias"].passed is False


def test_removed_structure_is_flagged():
    image = noisy()
    blurred = ndimage.gaussian_filter(np.asarray(limpid.denoise(image, sigma=20)), 3)
    found = limpid.assess(image, blurred, sigma=20)
    assert found.verdict in ("too much removed", "structure removed")


def test_white_denoising_of_correlated_noise_is_flagged():
    rng = np.random.default_rng(0)
    coarse = ndimage.gaussian_filter(rng.standard_normal(CAMERA.shape), 0.8)
    image = Image.from_array((CAMERA + 15 * coarse / coarse.std()).astype(np.float32), value_range=(0, 255))
    found = limpid.assess(image, model="fast")
    assert found.verdict == "too little removed"


def test_files_say_what_made_them(tmp_path):
    image = Image.from_array(np.clip(np.rint(noisy().values), 0, 255).astype(np.uint8))
    limpid.write_image(limpid.denoise(image, model="fast", strength=0.8), tmp_path / "clean.png")
    found = limpid.assess(image, tmp_path / "clean.png")
    low, high = found.psnr_interval
    # A quarter of the pixels is clipped; half a decibel on either side makes it more than 95 %.
    assert low - 0.5 < true_psnr(limpid.read_image(tmp_path / "clean.png")) < high + 0.5


def test_clipped_shadows_are_counted():
    clean = data.astronaut()[256:].astype(np.float32)  # a third of it is black
    stored = np.clip(np.rint(noisy(clean).values), 0, 255).astype(np.uint8)
    found = limpid.assess(stored, model="fast")
    low, high = found.psnr_interval
    assert low < true_psnr(found.denoised, clean) < high


def test_signal_dependent_noise_is_run_again_as_it_was(tmp_path):
    values = limpid.PoissonGaussian(2.0, 60.0).sample(CAMERA, rng=np.random.default_rng(0))
    image = Image.from_array(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    denoised = limpid.denoise(image)
    assert "gain" in denoised.metadata.provenance[-1].parameters
    limpid.write_image(denoised, tmp_path / "clean.tif")
    assert limpid.assess(image, tmp_path / "clean.tif").reason is None


def test_repaired_impulses_do_not_count():
    image = noisy()
    values = np.array(image.values)
    values[np.random.default_rng(1).random(values.shape) < 0.01] = 255
    broken = Image.from_array(values, value_range=(0, 255))
    found = limpid.assess(broken, model="fast")
    assert found.reason is None
    assert found.psnr == pytest.approx(true_psnr(found.denoised), abs=1.0)


def test_another_models_output_is_not_taken_for_this_ones():
    image = noisy()
    found = limpid.assess(image, np.asarray(limpid.denoise(image, model="nlm", sigma=20)), model="median")
    assert found.psnr is None
    assert "median" in found.reason


def test_a_model_that_is_gone_leaves_the_tests(tmp_path):
    image = noisy()
    denoised = limpid.denoise(image, sigma=20)
    step = denoised.metadata.provenance[-1]
    parameters = {**step.parameters, "model": "gone"}
    other = image.with_planes(denoised.planes(), step=type(step)(step.software, "denoise", parameters))
    found = limpid.assess(image, other, sigma=20)
    assert found.psnr is None
    assert "gone" in found.reason
    assert found.verdict == "good"


def test_repeats_give_the_error_whatever_the_noise():
    rng = np.random.default_rng(0)

    def exposure():
        coarse = ndimage.gaussian_filter(rng.standard_normal(CAMERA.shape), 1.0)
        return Image.from_array((CAMERA + 20 * coarse / coarse.std()).astype(np.float32), value_range=(0, 255))

    first, *others = (exposure() for _ in range(4))
    found = limpid.assess(first, model="fast", repeats=others)
    low, high = found.psnr_interval
    assert high - low < 1
    assert low - 0.3 < true_psnr(found.denoised) < high + 0.3


def test_a_repeat_of_another_scene_is_refused():
    with pytest.raises(limpid.ImageError, match="same scene"):
        limpid.assess(noisy(), model="fast", repeats=[noisy(CAMERA[::-1].copy())])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_repeat_that_is_an_average_or_a_copy_is_refused(share):
    """Of the noise of the first, or of less noise: the error would come out far too small, or below nothing."""
    image = noisy()
    repeat = Image.from_array(CAMERA + share * (np.asarray(image) - CAMERA), value_range=(0, 255))
    with pytest.raises(limpid.ImageError, match="no average or copy"):
        limpid.assess(image, model="nlm", repeats=[repeat])


def test_the_least_trusted_pixels_hold_most_of_the_error():
    for model in ("fast", "nlm"):
        found = limpid.assess(noisy(sigma=25), model=model)
        error = np.square(np.asarray(found.denoised) - CAMERA)
        worst = np.argsort(found.confidence.ravel())[: error.size // 10]
        assert error.ravel()[worst].sum() > 0.25 * error.sum()
        assert error[found.doubtful].mean() > 1.5 * error.mean()
        assert np.mean(np.square(found.expected_error)) == pytest.approx(found.mse, rel=1e-3)


def test_noise_measured_elsewhere_serves():
    elsewhere = limpid.estimate_noise(noisy(np.full((256, 256), 120, np.float32), seed=5))
    found = limpid.assess(noisy(), model="fast", noise=elsewhere)
    assert found.sigma == pytest.approx(elsewhere.sigma, rel=1e-4)
    assert found.reason is None
    row = json.loads(json.dumps(elsewhere.to_dict()))
    again = NoiseEstimate.from_dict(row)
    assert again.variance_error == pytest.approx(elsewhere.variance_error)
    assert again.sigma == pytest.approx(elsewhere.sigma)


def test_stacks_are_assessed_together():
    values = np.stack([noisy(seed=k).values for k in range(3)])
    found = limpid.assess(values, model="fast", axes="ZYX", value_range=(0, 255))
    assert found.confidence.shape == values.shape
    assert found.psnr == pytest.approx(true_psnr(found.denoised, CAMERA), abs=0.5)


STRANGE = {
    "constant": np.full((64, 64), 7, np.uint8),
    "saturated": np.full((64, 64), 255, np.uint8),
    "tiny": np.random.default_rng(0).integers(0, 255, (9, 9), dtype=np.uint8),
    "one pixel": np.array([[3]], np.uint8),
    "a line": np.random.default_rng(0).integers(0, 255, (1, 5000), dtype=np.uint8),
    "binary": ((np.indices((96, 96)).sum(axis=0) // 7 % 2) * 255).astype(np.uint8),
    "few levels": (np.indices((96, 96))[1] // 24 * 60).astype(np.uint8),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_can_not_be_estimated_is_said_so(name):
    for model in ("fast", "median"):
        found = limpid.assess(STRANGE[name], model=model)
        assert found.psnr is None
        assert found.reason
        assert found.verdict != "good"


@pytest.mark.parametrize("model", ["fast", "nlm"])
def test_bad_pixels_are_left_out(model):
    values = np.array(noisy().values)
    values[40:80, 50:120] = np.nan
    values[:8] = np.nan
    found = limpid.assess(values, model=model, value_range=(0, 255))
    good = np.isfinite(values)
    error = np.square(np.asarray(found.denoised) - CAMERA)[good].mean()
    assert found.psnr == pytest.approx(10 * math.log10(255**2 / error), abs=0.8)


def test_jpeg_noise_is_refused(tmp_path):
    stored = np.clip(np.rint(noisy().values), 0, 255).astype(np.uint8)
    limpid.write_image(stored, tmp_path / "a.jpg", quality=80)
    found = limpid.assess(tmp_path / "a.jpg", model="fast")
    assert found.psnr is None
    assert "JPEG" in found.reason


def test_more_than_was_measured_of_a_jpeg_file_is_not_called_too_much(tmp_path):
    rng = np.random.default_rng(0)
    coarse = ndimage.gaussian_filter(rng.standard_normal(CAMERA.shape), 1.0)
    stored = np.clip(np.rint(CAMERA + 12 * coarse / coarse.std()), 0, 255).astype(np.uint8)
    limpid.write_image(stored, tmp_path / "a.jpg", quality=60)
    found = limpid.assess(tmp_path / "a.jpg", CAMERA.astype(np.uint8))
    assert not found.tests["bias"].passed
    assert (found.verdict, "JPEG" in found.explanation) == ("unknown", True)


def test_more_than_was_measured_of_correlated_noise_is_not_called_too_much():
    rng = np.random.default_rng(0)
    coarse = ndimage.gaussian_filter(rng.standard_normal(CAMERA.shape), 1.5)
    image = Image.from_array((CAMERA + 15 * coarse / coarse.std()).astype(np.float32), value_range=(0, 255))
    found = limpid.assess(image, Image.from_array(CAMERA.astype(np.float32), value_range=(0, 255)))
    assert not found.tests["excess"].passed
    assert (found.verdict, "measured too low" in found.explanation) == ("unknown", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "denoised image, or model"),
        ({"model": "fast", "sigma": 3, "noise": limpid.Gaussian(3)}, "give one"),
        ({"denoised": np.zeros((5, 5), np.float32)}, "don't belong together"),
        ({"model": "fast", "sigma": -1}, "sigma must be"),
        ({"model": "fast", "sigma": [1, 2]}, "sigma must be"),
        ({"model": "none such"}, "none such"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(limpid.LimpidError, match=message):
        limpid.assess(noisy(), **arguments)
