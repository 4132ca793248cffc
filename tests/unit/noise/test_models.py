from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.core.errors import OptionError
from limpid.noise.models import Gaussian, NoiseModel, PoissonGaussian

_DRAWS = 200_000

_gaussians = st.builds(Gaussian, st.floats(0, 50))
_poissons = st.builds(PoissonGaussian, st.floats(0.01, 5), st.floats(0, 100), st.floats(0, 20))
_models = st.one_of(_gaussians, _poissons)
_signals = st.floats(-50, 500)


@pytest.mark.parametrize(
    "model", [Gaussian(3), PoissonGaussian(2, 9), PoissonGaussian(0.5, -20, offset=64), PoissonGaussian(4, 0)]
)
@pytest.mark.parametrize("light", [0, 3, 200])
def test_samples_have_the_stated_mean_and_variance(model: NoiseModel, light: float) -> None:
    signal = np.full(_DRAWS, light + getattr(model, "offset", 0), dtype=np.float64)
    noise = model.sample(signal, rng=np.random.default_rng(3)) - signal
    variance = float(model.variance(signal[0]))
    fourth = float(np.mean((noise - noise.mean()) ** 4))
    assert abs(noise.mean()) <= 4.5 * math.sqrt(variance / _DRAWS)
    # Standard error of a sample variance, from the fourth moment.
    assert abs(noise.var() - variance) <= 4.5 * math.sqrt(max(fourth - variance**2, 0) / _DRAWS) + 1e-12


@given(_models, _signals)
def test_variance_is_never_negative(model: NoiseModel, signal: float) -> None:
    assert model.variance(signal) >= 0


@given(_gaussians, _models, _signals)
def test_variances_of_independent_noises_add_in_either_order(a: Gaussian, b: NoiseModel, signal: float) -> None:
    both = float(a.variance(signal)) + float(b.variance(signal))
    assert float((a + b).variance(signal)) == pytest.approx(both, rel=1e-9, abs=1e-9)
    assert float((b + a).variance(signal)) == pytest.approx(both, rel=1e-9, abs=1e-9)


@given(_models, _signals, st.floats(0.01, 100))
def test_scaling_the_image_scales_the_variance_by_the_square(model: NoiseModel, signal: float, factor: float) -> None:
    expected = float(model.variance(signal)) * factor**2
    assert float(model.scaled(factor).variance(signal * factor)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(_models, _signals, st.floats(-100, 100))
def test_shifting_the_image_shifts_the_variance_along(model: NoiseModel, signal: float, delta: float) -> None:
    expected = float(model.variance(signal))
    assert float(model.shifted(delta).variance(signal + delta)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(_poissons)
def test_read_noise_is_the_noise_without_light(model: PoissonGaussian) -> None:
    assert model.read_noise**2 == pytest.approx(float(model.variance(model.offset)), rel=1e-9, abs=1e-9)


def test_float32_stays_float32_and_the_signal_is_unchanged() -> None:
    signal = np.full((4, 5), 7, np.float32)
    for model in (Gaussian(2), PoissonGaussian(1, 4)):
        assert model.sample(signal, rng=np.random.default_rng(0)).dtype == np.float32
        assert model.variance(signal).dtype == np.float32
        assert (signal == 7).all()


def test_same_seed_gives_the_same_noise() -> None:
    model = PoissonGaussian(2, 1)
    one, two = (model.sample(np.arange(9.0), rng=np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_what_no_model_can_express_is_refused_by_name() -> None:
    with pytest.raises(OptionError, match="offset"):
        PoissonGaussian(1, 0, offset=1) + PoissonGaussian(1, 0, offset=2)
    with pytest.raises(OptionError, match="sigma"):
        Gaussian(-1)
    with pytest.raises(OptionError, match="gain"):
        PoissonGaussian(0, 1)
    with pytest.raises(OptionError, match="floor"):
        PoissonGaussian(1, -1)
    with pytest.raises(OptionError, match="sigma"):
        Gaussian(math.nan)
