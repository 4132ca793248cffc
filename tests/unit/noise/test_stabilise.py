from __future__ import annotations

import math

import numpy as np
import pytest

from limpid.noise.models import PoissonGaussian
from limpid.noise.stabilise import Stabiliser

_DRAWS = 500_000


def _model(gain: float, read_noise: float, offset: float) -> PoissonGaussian:
    return PoissonGaussian(gain, read_noise**2 - gain * offset, offset)


#: Read noise of 0, 0.5, 3 and 10 quanta.
_MODELS = [_model(2, 0, 0), _model(4, 2, -3), _model(0.5, 1.5, 64), _model(1, 10, 100)]


def _stable_draws(model: PoissonGaussian, quanta: float) -> np.ndarray:
    signal = np.full(_DRAWS, quanta * model.gain + model.offset)
    noisy = model.sample(signal, rng=np.random.default_rng(5)).astype(np.float32)
    return Stabiliser(model).forward(noisy).astype(np.float64)


def _error_of_mean(stable: np.ndarray) -> float:
    """Return four standard errors in quanta (the slope of the inverse is about half its argument), and rounding."""
    return 4 * stable.std() / math.sqrt(_DRAWS) * stable.mean() / 2 + 1e-3


@pytest.mark.parametrize("model", _MODELS)
@pytest.mark.parametrize("quanta", [5, 12, 60, 1000])
def test_stabilised_noise_has_standard_deviation_one(model: PoissonGaussian, quanta: float) -> None:
    assert _stable_draws(model, quanta).std() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("model", _MODELS)
@pytest.mark.parametrize("quanta", [0.5, 1, 3, 20, 150, 250, 1000])
def test_the_inverse_of_the_mean_is_the_signal_and_the_algebraic_inverse_is_not(
    model: PoissonGaussian, quanta: float
) -> None:
    stable = _stable_draws(model, quanta)
    signal = Stabiliser(model).inverse(stable.mean(keepdims=True))[0]
    tolerance = _error_of_mean(stable)
    assert abs((signal - model.offset) / model.gain - quanta) <= tolerance
    algebraic = stable.mean() ** 2 / 4 - 3 / 8 - (model.read_noise / model.gain) ** 2
    assert algebraic < quanta - tolerance


def test_without_read_noise_the_inverse_is_that_of_a_sum_over_counts() -> None:
    quanta, counts = np.linspace(0.01, 60, 500), np.arange(200)
    factorials = np.array([math.lgamma(count + 1) for count in counts])
    likely = np.exp(counts * np.log(quanta[:, None]) - quanta[:, None] - factorials)
    means = likely @ (2 * np.sqrt(counts + 3 / 8))
    np.testing.assert_allclose(Stabiliser(_model(1, 0, 0)).inverse(means), quanta, rtol=0, atol=1e-4)


def test_without_read_noise_the_inverse_is_near_its_published_approximation() -> None:
    stable = np.linspace(2 * math.sqrt(3 / 8), 60, 2000)
    root = math.sqrt(3 / 2)
    # The closed form of Mäkitalo and Foi 2011; its largest error, against the sum over counts, is 0.0182 quanta.
    published = stable**2 / 4 + root / 4 / stable - 11 / 8 / stable**2 + root * 5 / 8 / stable**3 - 1 / 8
    np.testing.assert_allclose(Stabiliser(_model(1, 0, 0)).inverse(stable), published, rtol=0, atol=0.02)


@pytest.mark.parametrize("model", _MODELS)
def test_the_round_trip_never_falls(model: PoissonGaussian) -> None:
    quanta = np.linspace(-50, 400, 5001)
    stabiliser = Stabiliser(model)
    signal = stabiliser.inverse(stabiliser.forward(quanta * model.gain + model.offset))
    assert np.all(np.diff(signal) >= 0)
    assert np.all(np.diff(signal)[quanta[1:] > 1] > 0)


@pytest.mark.parametrize("model", _MODELS)
def test_means_below_that_of_no_light_become_the_offset(model: PoissonGaussian) -> None:
    dark = np.float32([-1, 0, 2 * math.sqrt(3 / 8) - 1e-3])
    np.testing.assert_array_equal(Stabiliser(model).inverse(dark), np.float32([model.offset] * 3))


@pytest.mark.parametrize("model", _MODELS)
def test_an_image_twice_as_bright_is_the_same_when_stabilised(model: PoissonGaussian) -> None:
    noisy = np.linspace(-20, 900, 1000, dtype=np.float32)
    once, twice = Stabiliser(model), Stabiliser(model.scaled(2))
    stable = once.forward(noisy)
    np.testing.assert_allclose(twice.forward(2 * noisy), stable, rtol=1e-6)
    np.testing.assert_allclose(twice.inverse(stable), 2 * once.inverse(stable), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("model", _MODELS)
def test_the_table_ends_without_a_step_in_the_asymptotic_inverse(model: PoissonGaussian) -> None:
    read = model.read_noise / model.gain
    stable = 2 * np.sqrt(np.linspace(190, 210, 10_001) + 3 / 8 + read**2)  # the table ends at 200 quanta
    quanta = (Stabiliser(model).inverse(stable) - model.offset) / model.gain
    correction = quanta - stable**2 / 4
    assert np.abs(np.diff(correction)).max() < 1e-6
    np.testing.assert_allclose(correction, -1 / 8 - read**2, rtol=0, atol=1 / (32 * 190))


@pytest.mark.parametrize("shape", [(), (0,), (7,), (4, 5, 3)])
def test_float32_and_shape_are_kept_and_the_input_unchanged(shape: tuple[int, ...]) -> None:
    noisy = np.full(shape, 90, dtype=np.float32)
    stabiliser = Stabiliser(_MODELS[2])
    stable = stabiliser.forward(noisy)
    signal = stabiliser.inverse(stable)
    assert stable.dtype == signal.dtype == np.float32
    assert stable.shape == signal.shape == shape
    assert np.all(noisy == 90)


def test_values_that_are_not_finite_stay_so() -> None:
    stabiliser = Stabiliser(_MODELS[1])
    odd = np.float32([np.nan, np.inf])
    np.testing.assert_array_equal(stabiliser.forward(odd), odd)
    np.testing.assert_array_equal(stabiliser.inverse(odd), odd)
