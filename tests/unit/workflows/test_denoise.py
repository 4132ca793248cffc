import numpy as np
import pytest
from skimage import data

import limpid
from limpid.workflows.denoise import run_denoise


@pytest.fixture(scope="module")
def noisy():
    clean = data.coffee()[100:260, 100:300].astype(np.float32)
    return clean, np.clip(np.rint(clean + np.random.default_rng(0).normal(0, 20, clean.shape)), 0, 255).astype(np.uint8)


def psnr(a, b, peak=255):
    return 10 * np.log10(peak**2 / np.mean((np.asarray(a, float) - b) ** 2))


def test_an_array_comes_back_as_an_array_of_its_dtype_and_is_unchanged(noisy):
    clean, image = noisy
    before = image.copy()
    result = limpid.denoise(image)
    assert isinstance(result, np.ndarray)
    assert (result.dtype, result.shape) == (np.uint8, image.shape)
    assert np.array_equal(image, before)
    assert psnr(result, clean) > psnr(image, clean) + 5
    result[0] = 0  # the caller may write into it


def test_sixteen_bits_and_floats_give_the_picture_that_eight_bits_give(noisy):
    _, image = noisy
    eight = limpid.denoise(image, sigma=20).astype(float)
    sixteen = limpid.denoise(image.astype(np.uint16) * 257, sigma=20 * 257) / 257
    floats = limpid.denoise(image / 255, sigma=20 / 255, value_range=(0, 1))
    assert floats.dtype == np.float32
    assert np.abs(sixteen - eight).max() < 1
    assert np.abs(np.clip(floats * 255, 0, 255) - eight).max() < 1


def test_a_path_or_an_image_comes_back_as_an_image_with_provenance(noisy, tmp_path):
    path = tmp_path / "noisy.png"
    limpid.write_image(limpid.Image.from_array(noisy[1]), path)
    image = limpid.denoise(path, sigma=20)
    assert np.array_equal(image, limpid.denoise(noisy[1], sigma=20))
    (step,) = image.metadata.provenance
    assert step.operation == "denoise"
    assert step.parameters["sigma"] == [20, 20, 20]
    assert limpid.denoise(image, sigma=5).metadata.provenance[0] == step


def test_blind_use_measures_the_level_and_says_so(noisy):
    result = run_denoise(limpid.Image.from_array(noisy[1]), limpid.load_model("fast"))
    assert result.blind
    assert result.sigma == pytest.approx((20, 20, 20), rel=0.1)


def test_a_level_per_channel_is_used_per_channel(noisy):
    _clean, image = noisy
    result = limpid.denoise(image, sigma=(20, 0, 20), model="median")
    assert result.shape == image.shape
    with pytest.raises(limpid.OptionError, match="each of the 3 channels"):
        limpid.denoise(image, sigma=(20, 20))


@pytest.mark.parametrize("sigma", [-1, np.nan, np.inf])
def test_a_sigma_that_is_none_is_refused(noisy, sigma):
    with pytest.raises(limpid.OptionError, match="finite and >= 0"):
        limpid.denoise(noisy[1], sigma=sigma)


def test_signal_dependent_noise_is_removed_better_when_its_model_is_told():
    clean = data.camera()[::2, ::2].astype(np.float32)
    model = limpid.PoissonGaussian(gain=4.0, floor=4.0)
    image = model.sample(clean, rng=np.random.default_rng(0)).astype(np.float32)
    flat = float(np.sqrt(model.variance(clean).mean()))
    told, one_level = (limpid.denoise(image, sigma=s, value_range=(0, 255), model="fast") for s in (model, flat))
    assert psnr(told, clean) > psnr(one_level, clean) + 0.1


def test_the_same_input_gives_the_same_bytes(noisy):
    assert np.array_equal(limpid.denoise(noisy[1]), limpid.denoise(noisy[1]))


def test_removed_noise_never_shrinks_as_strength_grows(noisy):
    image = noisy[1]
    removed = [np.std(limpid.denoise(image, strength=s) - image.astype(float)) for s in np.arange(0, 2.01, 0.25)]
    assert removed[0] == 0
    assert all(np.diff(removed) >= 0)


def test_every_denoiser_is_loaded_by_name(noisy):
    for name in ("auto", "fast", "fast-gray", "nlm", "wavelet", "tv", "bilateral", "median"):
        assert limpid.denoise(noisy[1][:40, :40], sigma=20, model=name).shape == (40, 40, 3)


def test_a_wrong_model_name_lists_what_there_is(noisy):
    with pytest.raises(limpid.ModelError, match=r"no model 'fats'.*did you mean 'fast'.*nlm"):
        limpid.denoise(noisy[1], model="fats")


def test_stacks_need_their_axes_and_are_denoised_plane_by_plane(noisy):
    stack = np.stack([noisy[1][..., c] for c in range(3)] * 2)
    with pytest.raises(limpid.ImageError, match="axes"):
        limpid.denoise(stack[:, :, :4])
    result = limpid.denoise(stack, axes="ZYX", sigma=20)
    assert np.array_equal(result[0], limpid.denoise(stack[0], sigma=20))


def test_benchmark_and_noise_are_reachable_from_the_root(noisy, tmp_path):
    limpid.write_image(limpid.Image.from_array(data.camera()[:96, :96]), tmp_path / "a.png")
    table = limpid.benchmark(tmp_path, sigma=[25], denoisers=["noisy", "median"])
    assert [row.denoiser for row in table.rows] == ["noisy", "median"]
    assert table.rows[1].psnr > table.rows[0].psnr
    assert limpid.estimate_noise(noisy[1]).sigma == pytest.approx(20, rel=0.1)
    with pytest.raises(limpid.OptionError, match="one folder"):
        limpid.benchmark([tmp_path, tmp_path], pairs=tmp_path)


def test_real_noise_is_measured_unless_its_level_is_told(noisy, tmp_path):
    clean = data.camera()[:96, :96]
    for name, pixels in (("clean", clean), ("noisy", np.clip(clean + 9.0, 0, 255).astype(np.uint8))):
        (tmp_path / name).mkdir()
        limpid.write_image(pixels, tmp_path / name / "a.png")

    def rows(**given):
        table = limpid.benchmark(tmp_path / "clean", pairs=tmp_path / "noisy", denoisers="median", **given)
        assert "pairs" in table.protocol["noise"]
        return [(row.sigma, row.blind) for row in table.rows]

    assert rows() == [(None, True)]
    assert rows(sigma=[5, 10]) == [(5, False), (10, False)]
    with pytest.raises(limpid.OptionError, match="not both"):
        rows(sigma=5, blind=True)


def test_a_level_beyond_what_the_network_was_made_for_is_said(noisy, caplog):
    limpid.denoise(noisy[1], sigma=80, model="fast")
    assert "sigma 80 is more than the 55 that fast was made for" in caplog.text


@pytest.mark.parametrize("sigma", ["auto", "ten", object()])
def test_a_sigma_that_is_no_number_is_refused(noisy, sigma):
    with pytest.raises(limpid.OptionError, match="leave it out to have it measured"):
        limpid.denoise(noisy[1], sigma=sigma)


def test_memory_must_be_positive(noisy):
    with pytest.raises(limpid.OptionError, match=r"memory \(in bytes\) must be a whole number >= 1"):
        limpid.denoise(noisy[1], memory=-4)


def test_an_array_can_be_written_as_it_is(noisy, tmp_path):
    limpid.write_image(noisy[1], tmp_path / "a.png")
    assert np.array_equal(limpid.read_image(tmp_path / "a.png"), noisy[1])


def test_signal_dependent_noise_in_an_image_with_a_hole_can_be_removed_and_written(noisy, tmp_path):
    values = noisy[1][..., 0].astype(np.float32)
    values[3, 3] = np.nan
    image = limpid.Image.from_array(values, value_range=(0, 255))
    clean = limpid.denoise(image, sigma=limpid.PoissonGaussian(gain=2.0, floor=4.0))
    limpid.write_image(clean, tmp_path / "a.tif")
    assert np.isfinite(limpid.read_image(tmp_path / "a.tif").metadata.provenance[0].parameters["sigma"]).all()


@pytest.fixture(scope="module")
def shot_noise():
    clean = data.camera()[:256, :384].astype(np.float32)
    model = limpid.PoissonGaussian(gain=8.0, floor=16.0)
    return clean, model, model.sample(clean, rng=np.random.default_rng(0)).astype(np.float32)


def test_blind_use_follows_noise_that_grows_with_the_signal(shot_noise):
    clean, model, noisy = shot_noise
    span = (0, 255)
    blind = psnr(limpid.denoise(noisy, value_range=span), clean)
    told = psnr(limpid.denoise(noisy, value_range=span, sigma=model), clean)
    level = limpid.estimate_noise(noisy, value_range=span).sigma
    assert blind == pytest.approx(told, abs=0.1)
    assert blind > psnr(limpid.denoise(noisy, value_range=span, sigma=level), clean) + 0.5


def test_impulses_are_repaired_before_the_noise_is_removed_unless_strength_is_zero(noisy):
    clean, image = noisy
    hit = np.random.default_rng(1).random(image.shape) < 0.01
    hot = np.where(hit, np.uint8(255), image)
    assert psnr(limpid.denoise(hot), clean) > psnr(limpid.denoise(image), clean) - 0.7
    assert psnr(limpid.denoise(hot, sigma=20), clean) < psnr(limpid.denoise(image), clean) - 2
    assert np.array_equal(limpid.denoise(hot, strength=0), hot)


def test_models_that_do_not_fit_the_channels_are_refused(noisy):
    models = [limpid.Gaussian(1.0), limpid.Gaussian(2.0)]
    with pytest.raises(limpid.OptionError, match="one for each of the 3 channels"):
        limpid.denoise(noisy[1], sigma=models)


def test_dots_of_a_drawing_are_no_impulses():
    drawing = np.full((128, 128), 255, np.uint8)
    drawing[::8, ::8] = 0
    assert np.array_equal(limpid.denoise(drawing), drawing)
    assert "impulses" not in [one.code for one in limpid.estimate_noise(drawing).advice]
