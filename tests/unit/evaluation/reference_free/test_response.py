"""The divergence that probes find, and the probes themselves."""

import math

import numpy as np
import pytest
from scipy import ndimage

from limpid.evaluation.reference_free.pixels import split_channels
from limpid.evaluation.reference_free.residual import Residual, block_means
from limpid.evaluation.reference_free.response import correlated_probe, respond, white_probe
from limpid.evaluation.reference_free.risk import Calibration, Evidence, measure, posterior
from limpid.noise.correlation import Correlation
from limpid.noise.models import Gaussian, PoissonGaussian

PLAIN = Calibration(prior=1.0, chance=1.0, variance=1.0)


def box(planes):
    return ndimage.uniform_filter(planes, (0, 3, 3, 0))


def residual(model, *, shape=(1, 192, 192, 1), seed=0, rerun=box):
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape[1:3], dtype=np.float32)
    clean = (0.5 + 0.2 * np.sin(x / 9) * np.cos(y / 7))[None, ..., None] * np.ones(shape, np.float32)
    noisy = model.sample(clean, rng=rng).astype(np.float32)
    denoised = rerun(noisy)
    usable = np.ones(shape, np.bool_)
    (pixels,) = split_channels(noisy, denoised, usable, [model])
    sigma = pixels.sigma[..., None]
    response = respond(rerun, noisy, denoised, sigma, white_probe(shape, rng))
    return Residual(pixels, response.channel(0)), float(np.mean(np.square(denoised - clean)))


def test_divergence_of_a_linear_filter_is_its_centre_weight():
    found, _ = residual(Gaussian(0.1))
    # The probe's own chance: the 8 other weights of 1/9, over 192 x 192 pixels.
    assert found.divergence == pytest.approx(1 / 9, abs=4 * math.sqrt(2 * 8 / 81 / 192**2))


def test_noise_that_a_linear_filter_passes_is_the_energy_of_its_weights():
    found, _ = residual(Gaussian(0.1))
    assert found.passed == pytest.approx(1 / 9, rel=0.05)


@pytest.mark.parametrize("model", [Gaussian(0.1), PoissonGaussian(0.02, 1e-3)])
def test_steins_estimate_has_no_bias(model):
    runs = []
    for seed in range(30):
        found, true = residual(model, seed=seed)
        evidence = measure([found])
        runs.append((evidence.energy - 1 + 2 * evidence.divergence) * evidence.variance - true)
    error = np.std(runs, ddof=1) / math.sqrt(len(runs))
    assert abs(np.mean(runs)) < 4 * error


def follow_up(planes):
    """A denoiser that follows its input more where that is bright, as a level for each pixel makes it do."""
    smooth = ndimage.uniform_filter(planes, (0, 3, 3, 0))
    detail = planes - smooth
    return smooth + np.float32(0.1) * detail + np.float32(0.2) * detail**2


def test_most_of_the_bias_by_the_skewness_of_counting_noise_is_gone():
    runs, true = np.transpose([excess_of_stein(seed) for seed in range(20)])
    # Weighted by the variance at a smoothed signal, it is 18 % off, with a standard error of 1 %; so it is 6 %.
    assert abs(runs.mean()) < 0.1 * true.mean()


def excess_of_stein(seed):
    found, true = residual(PoissonGaussian(0.08, 1e-4), seed=seed, rerun=follow_up)
    evidence = measure([found])
    return (evidence.energy - 1 + 2 * evidence.divergence) * evidence.variance - true, true


def test_chance_is_as_large_as_it_says():
    runs, said = [], []
    for seed in range(40):
        found, true = residual(Gaussian(0.1), seed=seed)
        evidence = measure([found])
        runs.append(evidence.energy - 1 + 2 * evidence.divergence - true / evidence.variance)
        said.append(evidence.chance)
    # A standard deviation of 40 runs has one of 11 %.
    assert np.std(runs, ddof=1) == pytest.approx(np.mean(said), rel=0.4)


def test_with_a_prior_that_says_nothing_the_posterior_is_steins_estimate():
    found = Evidence(variance=0.01, energy=0.9, divergence=0.1, chance=0.002, features=np.zeros(30))
    risk = posterior(found, prior=(0.0, 50.0), variance_error=0.0, calibration=PLAIN)
    assert risk.mse == pytest.approx(0.1 * 0.01, rel=0.02)
    assert risk.interval[0] < risk.mse < risk.interval[1]
    # 90 % of a normal distribution.
    assert math.log(risk.interval[1] / risk.interval[0]) == pytest.approx(2 * 1.645 * 0.002 / 0.1, rel=0.1)


def test_with_an_unknown_variance_the_prior_decides():
    found = Evidence(variance=0.01, energy=0.9, divergence=0.1, chance=0.002, features=np.zeros(30))
    risk = posterior(found, prior=(math.log(1.5), 0.02), variance_error=0.5, calibration=PLAIN)
    # MSE = 1.5 v g and MSE = E - v (1 - 2 g) together give v and MSE.
    variance = 0.9 / (1 - 0.2 + 0.15)
    assert risk.mse == pytest.approx(0.15 * variance * 0.01, rel=0.03)


def test_less_known_of_the_variance_gives_a_wider_interval():
    found = Evidence(variance=0.01, energy=0.9, divergence=0.1, chance=0.002, features=np.zeros(30))
    widths = []
    for error in (0.0, 0.01, 0.03, 0.1):
        low, high = posterior(found, prior=(0.0, 0.3), variance_error=error, calibration=PLAIN).interval
        widths.append(high / low)
    assert widths == sorted(widths)


def test_probes_have_the_correlation_asked_for():
    along_x, along_y = (0.4, 0.1, 0, 0, 0, 0, 0), (0.2, 0, 0, 0, 0, 0, 0)
    asked = Correlation(0.4, 0.2, 0.1, 0.0, 1.0, 0.0, 0.0, 0.0, along_x, along_y)
    probe = correlated_probe((1, 400, 400, 1), np.random.default_rng(0), asked)[0, ..., 0]
    error = 4 / 400 * 1.5
    assert probe.var() == pytest.approx(1, abs=0.03)
    assert (probe[:, 1:] * probe[:, :-1]).mean() == pytest.approx(0.4, abs=error)
    assert (probe[1:] * probe[:-1]).mean() == pytest.approx(0.2, abs=error)
    assert (probe[1:, 1:] * probe[:-1, :-1]).mean() == pytest.approx(0.1, abs=error)
    assert (probe[:, 2:] * probe[:, :-2]).mean() == pytest.approx(0.1, abs=error)
    assert (probe[:, 3:] * probe[:, :-3]).mean() == pytest.approx(0, abs=error)


def test_white_probes_are_signs():
    probe = white_probe((2, 64, 64, 3), np.random.default_rng(0))
    assert set(np.unique(probe)) == {-1, 1}
    assert abs(probe.mean()) < 4 / math.sqrt(probe.size)


def test_block_means_count_usable_pixels_only():
    rng = np.random.default_rng(0)
    values, usable = rng.normal(size=(2, 20, 17)).astype(np.float32), rng.random((2, 20, 17)) < 0.7
    usable[0, :8, :8] = False
    expected = [
        block[0][block[1]].mean()
        for n in range(2)
        for y in (0, 8)
        for x in (0, 8)
        if (block := (values[n, y : y + 8, x : x + 8], usable[n, y : y + 8, x : x + 8]))[1].sum() >= 32
    ]
    assert len(expected) == 7
    np.testing.assert_allclose(block_means(np.where(usable, values, 0), usable, 8), expected, rtol=1e-4, atol=1e-6)
