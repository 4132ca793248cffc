"""What clipping does to a denoised value."""

import numpy as np
import pytest

from limpid.evaluation.reference_free.clipping import REACH
from limpid.evaluation.reference_free.clipping import clipped as effect


@pytest.mark.parametrize("signal", [0.0, 0.3, 0.8, 1.5, 2.4])
def test_bias_is_what_clipping_noise_does_to_the_mean(signal):
    clipped = np.maximum(signal + np.random.default_rng(0).standard_normal(400_000), 0)
    error = 4 * clipped.std() / np.sqrt(clipped.size)
    found = effect(np.float32([clipped.mean()]))
    assert found.bias[0] == pytest.approx(clipped.mean() - signal, abs=2 * error)
    assert found.variance_share[0] == pytest.approx(clipped.var(), rel=0.02)


def test_far_from_the_end_there_is_none():
    assert (effect(np.float32([REACH + 1, 10, 1e6])).bias < 3e-3).all()


def test_all_of_a_distance_that_no_signal_has_is_bias():
    np.testing.assert_allclose(effect(np.float32([0.0, 0.1, 0.3])).bias, [0.0, 0.1, 0.3], atol=1e-6)
