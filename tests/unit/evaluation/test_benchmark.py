"""The protocol, held to on made images."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from limpid.core.denoiser import Capabilities, Denoiser
from limpid.core.errors import ImageError, OptionError
from limpid.core.image import Image
from limpid.evaluation.benchmark import NOISY, measure, measure_all
from limpid.evaluation.datasets import resolve
from limpid.evaluation.memory import PeakMemory
from limpid.evaluation.metrics import psnr, ssim
from limpid.evaluation.protocol import protocol
from limpid.evaluation.scale import luma, on_scale

_SHAPE = (24, 32)


class _Recorder:
    """Returns what a function makes of its input, and keeps what it was handed."""

    name = "recorder"
    capabilities = Capabilities(channels=(1, 3), level_map=False)
    identity = {"name": "recorder"}  # noqa: RUF012 (as plain as can be)

    def __init__(self, answer=lambda plane: plane):
        self.answer = answer
        self.planes, self.levels = [], []

    def denoise_plane(self, noisy, level):
        self.planes.append(noisy.copy())
        self.levels.append(level.copy())
        return self.answer(noisy)

    @property
    def counted(self):
        """What was handed over, less the call to warm up."""
        return self.planes[1:]


def _save(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for index, array in enumerate(arrays):
        PIL.Image.fromarray(array).save(folder / f"{index}.png")
    return folder


def _arrays(count=3, shape=_SHAPE, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, shape, np.uint8) for _ in range(count)]


@pytest.fixture
def gray(tmp_path):
    return resolve(_save(tmp_path / "gray", _arrays()))


@pytest.fixture
def pairs(tmp_path):
    clean = _arrays(2, (*_SHAPE, 3))
    noisy = [np.clip(values + 9.0, 0, 255).astype(np.uint8) for values in clean]
    return resolve(_save(tmp_path / "clean", clean), noisy=_save(tmp_path / "noisy", noisy))


def test_a_row_has_exactly_the_stated_fields(gray):
    row = measure(NOISY, gray, sigma=25)
    assert list(dataclasses.asdict(row)) == (
        ["data", "denoiser", "sigma", "blind", "images", "psnr", "ssim", "megapixels_per_s", "peak_memory_mb"]
    )
    assert (row.data, row.denoiser, row.sigma, row.blind, row.images) == (gray.name, "noisy", 25, False, 3)
    assert row.megapixels_per_s > 0


def test_the_baseline_is_a_denoiser():
    assert isinstance(NOISY, Denoiser)


def test_noise_is_that_of_seed_index_and_sigma_neither_clipped_nor_rounded(gray):
    denoiser = _Recorder()
    measure(denoiser, gray, sigma=12.5, seed=7)
    for index, (clean, seen) in enumerate(zip(_arrays(), denoiser.counted, strict=True)):
        rng = np.random.default_rng([7, index, 1250])
        noise = 12.5 * rng.standard_normal(_SHAPE, dtype=np.float32)
        expected = (clean + noise) / 255
        # float32: a few units in the last place of values around one
        np.testing.assert_allclose(seen[..., 0], expected, rtol=0, atol=1e-6)
    assert min(seen.min() for seen in denoiser.counted) < 0
    assert max(seen.max() for seen in denoiser.counted) > 1


def test_the_first_image_is_denoised_once_more_to_warm_up(gray):
    denoiser = _Recorder()
    row = measure(denoiser, gray, sigma=5)
    assert len(denoiser.planes) == 4
    assert np.array_equal(denoiser.planes[0], denoiser.planes[1])
    assert row.images == 3


def test_every_denoiser_meets_the_same_noise_and_every_sigma_and_seed_another(gray):
    def seen(sigma, seed):
        denoiser = _Recorder()
        measure(denoiser, gray, sigma=sigma, seed=seed)
        return np.stack(denoiser.planes)

    clean = np.stack([_arrays()[0], *_arrays()])[..., None] / 255.0
    assert np.array_equal(seen(10, 0), seen(10, 0))
    assert not np.array_equal(seen(10, 0), seen(10, 1))
    correlation = np.corrcoef((seen(10, 0) - clean).ravel(), (seen(20, 0) - clean).ravel())[0, 1]
    assert abs(correlation) < 5 / math.sqrt(3 * _SHAPE[0] * _SHAPE[1])


def test_the_level_told_is_sigma_as_a_share_of_the_range(gray):
    denoiser = _Recorder()
    measure(denoiser, gray, sigma=25)
    assert all(level == np.float32(25 / 255) for level in denoiser.levels)


def test_strength_scales_the_level_told(gray):
    denoiser = _Recorder()
    measure(denoiser, gray, sigma=25, strength=0.5)
    assert denoiser.levels[0] == pytest.approx(12.5 / 255)


def test_blind_is_told_what_the_estimate_finds_and_never_sigma(gray):
    denoiser = _Recorder()
    handed = []

    def estimate(image, asked_for):
        handed.append(image)
        return asked_for, np.array([0.03], np.float32)

    row = measure(denoiser, gray, sigma=25, estimate=estimate)

    assert row.blind
    assert row.sigma == 25
    assert all(level == np.float32(0.03) for level in denoiser.levels)
    assert [image.values.dtype for image in handed] == [np.float32] * 3
    np.testing.assert_allclose(handed[2].values / 255, denoiser.planes[-1][..., 0], rtol=0, atol=1e-6)


def test_the_scores_are_the_means_over_whole_images(tmp_path):
    arrays = [*_arrays(1, (24, 40)), *_arrays(1, (60, 24), seed=2)]
    folder = resolve(_save(tmp_path, arrays))
    row = measure(_Recorder(lambda plane: np.full_like(plane, 0.5)), folder, sigma=25)
    flat = [np.full(values.shape, np.rint(127.5)) for values in arrays]
    each = [psnr(test, clean, data_range=255) for test, clean in zip(flat, arrays, strict=True)]
    similar = [ssim(test, clean, data_range=255) for test, clean in zip(flat, arrays, strict=True)]
    assert row.psnr == pytest.approx(sum(each) / 2, rel=1e-12)
    assert row.ssim == pytest.approx(sum(similar) / 2, rel=1e-12)


def test_the_result_is_clipped_and_rounded_before_it_is_scored(tmp_path):
    white = resolve(_save(tmp_path / "white", [np.full(_SHAPE, 255, np.uint8)]))
    assert measure(_Recorder(lambda plane: np.full_like(plane, 1.2)), white, sigma=25).psnr == math.inf
    grey = resolve(_save(tmp_path / "grey", [np.full(_SHAPE, 100, np.uint8)]))
    assert measure(_Recorder(lambda plane: np.full_like(plane, 100.4 / 255)), grey, sigma=25).psnr == math.inf
    wrong = measure(_Recorder(lambda plane: np.full_like(plane, 100.6 / 255)), grey, sigma=25).psnr
    assert wrong == pytest.approx(20 * math.log10(255))


def test_the_baseline_scores_what_theory_says(tmp_path):
    middle = resolve(_save(tmp_path, [np.full((128, 128), 128, np.uint8)] * 3))
    row = measure(NOISY, middle, sigma=10)
    # Rounding adds 1/12; five standard errors of a variance from n values are 5 sqrt(2 / n).
    expected = 20 * math.log10(255) - 10 * math.log10(10**2 + 1 / 12)
    tolerance = 10 * math.log10(1 + 5 * math.sqrt(2 / (3 * 128**2)))
    assert row.psnr == pytest.approx(expected, abs=tolerance)


def test_psnr_takes_all_channels_together(tmp_path):
    colour = resolve(_save(tmp_path, [np.full((*_SHAPE, 3), 100, np.uint8)]))
    off_by = np.array([100, 103, 106], np.float32) / 255
    row = measure(_Recorder(lambda plane: np.broadcast_to(off_by, plane.shape).copy()), colour, sigma=5)
    assert row.psnr == pytest.approx(20 * math.log10(255) - 10 * math.log10((0 + 9 + 36) / 3))


def test_sixteen_bit_images_score_as_the_same_images_in_eight_bits(tmp_path):
    arrays = _arrays()
    eight = resolve(_save(tmp_path / "8", arrays))
    sixteen = resolve(_save(tmp_path / "16", [values.astype(np.uint16) * 257 for values in arrays]))
    first, second = measure(NOISY, eight, sigma=15), measure(NOISY, sixteen, sigma=15)
    # float32 scaling may move a value across a rounding step here and there
    assert first.psnr == pytest.approx(second.psnr, abs=1e-3)
    assert first.ssim == pytest.approx(second.ssim, abs=1e-4)


def test_gray_is_the_rounded_luma_of_bt_601(tmp_path):
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]], np.uint8)
    image = np.repeat(np.repeat(colours[None], 16, axis=0), 8, axis=1)
    denoiser = _Recorder()
    measure(denoiser, resolve(_save(tmp_path, [image])), sigma=0.001, gray=True)
    (seen,) = (np.rint(plane * 255) for plane in denoiser.counted)
    assert seen.shape == (16, 32, 1)
    assert seen[0, ::8, 0].tolist() == [76, 150, 29, 18]


def test_gray_leaves_gray_images_as_they_are(gray):
    assert measure(NOISY, gray, sigma=20, gray=True).psnr == measure(NOISY, gray, sigma=20).psnr


def test_pairs_are_denoised_as_stored_and_are_blind(pairs):
    denoiser = _Recorder()
    handed = []

    def estimate(image, asked_for):
        handed.append(image)
        return asked_for, np.full(3, 0.02, np.float32)

    row = measure(denoiser, pairs, estimate=estimate)

    assert (row.sigma, row.blind, row.images) == (None, True, 2)
    assert handed[0].values.dtype == np.uint8
    expected = [
        psnr(noisy.values, clean.values, data_range=255) for noisy, clean in pairs.pairs()
    ]  # the recorder removes nothing
    assert row.psnr == pytest.approx(sum(expected) / 2, rel=1e-12)
    baseline = measure(NOISY, pairs)  # needs no level, so neither sigma nor estimate
    assert (baseline.psnr, baseline.blind) == (row.psnr, True)


def test_pairs_may_be_told_a_level(pairs):
    denoiser = _Recorder()
    row = measure(denoiser, pairs, sigma=6)
    assert (row.sigma, row.blind) == (6, False)
    assert np.array_equal(denoiser.levels[0], np.full(3, 6 / 255, np.float32))


def test_images_that_are_no_pair_are_refused_by_name(tmp_path):
    small, large = _arrays(1, (16, 16)), _arrays(1, (16, 17))
    data = resolve(_save(tmp_path / "clean", small), noisy=_save(tmp_path / "noisy", large))
    with pytest.raises(ImageError, match=r"0\.png.*\(16, 17\).*\(16, 16\)"):
        measure(NOISY, data)


def test_images_too_small_for_ssim_are_refused_by_name(tmp_path):
    with pytest.raises(ImageError, match=r"0\.png.*11x11"):
        measure(NOISY, resolve(_save(tmp_path, _arrays(1, (10, 30)))), sigma=25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "sigma is needed"),
        ({"sigma": -1}, "must be a number >= 0, got -1"),
        ({"sigma": math.nan}, "must be a number >= 0, got nan"),
        ({"sigma": 25, "seed": -1}, "seed"),
        ({"sigma": 25, "strength": 3}, "strength"),
    ],
)
def test_wrong_options_for_clean_images_are_refused(gray, options, message):
    with pytest.raises(OptionError, match=message):
        measure(_Recorder(), gray, **options)


@pytest.mark.parametrize("options", [{}, {"sigma": 25, "estimate": lambda _: np.zeros(3, np.float32)}])
def test_pairs_need_either_a_level_or_an_estimate(pairs, options):
    with pytest.raises(OptionError, match="real noise"):
        measure(_Recorder(), pairs, **options)


def test_a_result_that_is_not_finite_is_refused_by_name(gray):
    denoiser = _Recorder(lambda plane: np.full_like(plane, np.nan))
    with pytest.raises(ImageError, match=r"0\.png: recorder returned"):
        measure(denoiser, gray, sigma=25)


def test_rows_come_one_by_one_as_they_are_done(gray):
    first, second = _Recorder(), _Recorder()
    rows = measure_all([first, second], gray, sigmas=[5, 10])
    assert next(rows).sigma == 5
    assert not second.planes
    assert [row.sigma for row in rows] == [10, 5, 10]


def test_pairs_without_sigmas_make_one_row_for_each_denoiser(pairs):
    rows = list(measure_all([NOISY, NOISY], pairs, sigmas=[]))
    assert [row.sigma for row in rows] == [None, None]


def test_every_image_is_announced_with_its_score(gray):
    seen = []
    row = measure(NOISY, gray, sigma=25, on_image=seen.append)
    assert [(score.index, score.images) for score in seen] == [(0, 3), (1, 3), (2, 3)]
    assert row.psnr == pytest.approx(sum(score.psnr for score in seen) / 3, rel=1e-12)


def test_peak_memory_sees_what_was_freed_again():
    # In a process of its own: what other tests left running may take and free memory at any time.
    lines = [
        "import numpy as np",
        "from limpid.evaluation.memory import PeakMemory",
        "base, peak = PeakMemory().megabytes(), PeakMemory()",
        "np.ones(40_000_000, np.uint8)",
        "print(base, peak.megabytes(), PeakMemory().megabytes())",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    base, worst, after = done.stdout.split()
    if base == "None":
        pytest.skip("this platform can't say")
    assert 35 < float(worst) - float(base) < 80
    assert float(after) < float(worst) - 35


def test_peak_memory_without_a_reset_is_given_only_where_it_rose(monkeypatch):
    peaks = iter([100e6, 100e6, 100e6, 150e6])
    monkeypatch.setattr("limpid.evaluation.memory._reset_high_water_mark", lambda: False)
    monkeypatch.setattr("limpid.evaluation.memory._lifetime_peak_bytes", lambda: next(peaks))
    assert PeakMemory().megabytes() is None
    assert PeakMemory().megabytes() == 150


def test_the_protocol_is_json_and_states_seed_versions_and_machine():
    stated = json.loads(json.dumps(protocol(seed=3, gray=True, threads=2)))
    assert "[3, " in stated["seed"]
    assert stated["threads"] == 2
    assert stated["cpu"]
    assert {"python", "numpy"} <= set(stated["versions"])
    assert "luma" in stated["channels"]


def test_the_protocol_says_of_real_noise_that_none_was_added():
    real = protocol(seed=3, added=False, real=True)
    assert "Gaussian" not in real["noise"]
    assert "pairs" in real["noise"]
    assert "default_rng" not in real["seed"]
    both = protocol(seed=3, real=True)
    assert all(word in both["noise"] for word in ("Gaussian", "pairs"))
    assert "[3, " in both["seed"]


def test_luma_of_other_channel_counts_is_refused():
    image = Image(np.zeros((4, 4, 2), np.uint8), "YXC", (0, 255), source="two.tif")
    with pytest.raises(ImageError, match=r"two\.tif has 2 channels"):
        luma(image)


def test_eight_bit_values_stay_exactly_what_they_are_on_the_scale():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(on_scale(Image(values, "YX", (0, 255))), values)
    shifted = Image(values.astype(np.float32) / 255 - 1, "YX", (-1, 0))
    np.testing.assert_allclose(on_scale(shifted), values, rtol=0, atol=2e-5)  # float32 below one, times 255
