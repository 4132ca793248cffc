from __future__ import annotations

import numpy as np
import pytest

from limpid.noise.order import rising, taken

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "values",
    [
        RNG.gamma(2, size=(3, 500)),
        RNG.gamma(2, size=(1, 20_000)) * 10.0 ** RNG.uniform(-44, 36, 20_000),
        RNG.integers(0, 9, (4, 300)),
        np.array([[1.0, -0.0, np.inf, 0.0, 1e-45]]),
        np.ones((2, 1)),
        np.ones((2, 6))[:, ::2],
    ],
)
def test_order_is_that_of_a_stable_sort(values: np.ndarray) -> None:
    values = values.astype(np.float32)
    np.testing.assert_array_equal(rising(values), np.argsort(values, axis=1, kind="stable"))


def test_taken_is_take_along_axis_for_each_quantity() -> None:
    values, which = RNG.random((7, 3, 50)), RNG.integers(0, 50, (3, 8))
    np.testing.assert_array_equal(taken(values, which), np.take_along_axis(values, which[None], axis=-1))
