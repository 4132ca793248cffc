"""Noises found again among measures that were made of them."""

import numpy as np
import pytest

from limpid.catalog.mixture import Measures, Noise, agreement, fit_noises

WHITE = Noise(0.0, 100 / 255**2, 0.0, 0.0, 1.0)
POISSON = Noise(0.8 / 255, 9 / 255**2, 0.0, 0.0, 1.0)
CORRELATED = Noise(0.0, 100 / 255**2, 0.65, 0.6, 1.0)


def measures(noises, count, seed=0):
    """Return what would be measured of `count` images with each noise, with errors of Student's t."""
    rng = np.random.default_rng(seed)
    total = count * len(noises)
    gain, floor, x, y = (np.repeat([getattr(n, name) for n in noises], count) for name in ("gain", "floor", "x", "y"))
    mean = rng.uniform(0.1, 0.9, total)
    variance_error, gain_error = 10 ** rng.uniform(-2, -1, (2, total))
    gain_error = gain_error / 255
    seen = np.maximum(gain + gain_error * rng.standard_t(4, total), 0)
    return Measures(
        mean=mean,
        variance=(gain * mean + floor) * np.exp(variance_error * rng.standard_t(4, total)),
        variance_error=variance_error,
        gain=np.where(seen > 3 * gain_error, seen, 0.0),
        gain_error=gain_error,
        x=x + 0.04 * rng.standard_t(4, total),
        y=y + 0.04 * rng.standard_t(4, total),
        correlation_error=np.full(total, 0.04),
    )


def test_a_mix_of_three_noises_is_taken_apart():
    made = measures([WHITE, POISSON, CORRELATED], 60)
    noises = fit_noises(made)
    likely, _ = agreement(made, noises)
    labels = likely.argmax(axis=1).reshape(3, 60)
    right = sum(np.bincount(row).max() for row in labels)
    assert len(noises) == 3
    assert len({np.bincount(row).argmax() for row in labels}) == 3
    assert right >= 0.98 * 180


@pytest.mark.parametrize("noise", [WHITE, POISSON, CORRELATED])
@pytest.mark.parametrize("count", [3, 40, 400])
def test_one_noise_stays_one_and_its_parameters_come_back(noise, count):
    (found,) = fit_noises(measures([noise], count))
    assert found.share == pytest.approx(1)
    # Of the mean of 3 or more images, with 6 % and 10 % from texture on top of the errors.
    assert found.gain * 0.5 + found.floor == pytest.approx(noise.gain * 0.5 + noise.floor, rel=0.25)
    assert (found.x, found.y) == pytest.approx((noise.x, noise.y), abs=0.1)
    if count == 400:
        assert found.gain == pytest.approx(noise.gain, rel=0.05)


def test_images_measured_badly_are_not_a_noise_of_their_own():
    made = measures([WHITE], 100)
    worse = made.variance * np.where(np.arange(100) < 10, 3.0, 1.0)
    error = np.where(np.arange(100) < 10, 1.0, made.variance_error)
    assert len(fit_noises(Measures(**{**vars(made), "variance": worse, "variance_error": error}))) == 1


def test_what_is_not_known_does_not_count():
    made = measures([WHITE, CORRELATED], 50)
    nothing = np.full(100, np.nan)
    blind = Measures(**{**vars(made), "x": nothing, "y": nothing, "gain_error": nothing})
    assert len(fit_noises(blind)) == 1


def test_an_image_between_two_noises_is_of_neither_for_sure():
    noises = [Noise(0.0, 1e-4, 0.0, 0.0, 0.5), Noise(0.0, 4e-4, 0.0, 0.0, 0.5)]
    made = measures([Noise(0.0, 1e-4, 0, 0, 1), Noise(0.0, 2e-4, 0, 0, 1), Noise(0.0, 3e-2, 0, 0, 1)], 1)
    exact = Measures(**{**vars(made), "variance": np.array([1e-4, 2e-4, 3e-2]), "variance_error": np.full(3, 0.1)})
    likely, distance = agreement(exact, noises)
    assert likely[0, 0] > 0.99
    assert likely[1] == pytest.approx([0.5, 0.5], abs=0.05)
    assert distance[2].min() > 6 > distance[0].min()
