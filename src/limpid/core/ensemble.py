"""A few small networks, in NumPy, that predict a number from features and say how far it may be wrong.

Two hidden layers with SiLU; each network gives a value and the logarithm of its error, and both are averaged. The
weights come from a recipe (``recipes/``) and lie beside the module that uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

_Doubles = npt.NDArray[np.float64]

__all__ = ["FEATURE_MOST", "Ensemble"]

#: Features further than this many standard deviations from the training mean are taken to lie there.
FEATURE_MOST: Final = 5.0

_LAYERS: Final = 3


class Ensemble:
    """Networks that were fitted together.

    Parameters
    ----------
    arrays : mapping
        ``mean`` and ``scale`` of the features; ``w0`` to ``w2``, shape (networks, out, in), and ``b0`` to ``b2``;
        other entries are numbers that a recipe chose, see :meth:`constant`.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._arrays = {name: value.astype(np.float32) for name, value in arrays.items()}

    @classmethod
    def load(cls, package: str, name: str) -> Self:
        """Read one from a file inside a package."""
        with resources.files(package).joinpath(name).open("rb") as file, np.load(file) as stored:
            return cls({key: stored[key] for key in stored.files})

    def constant(self, name: str) -> float:
        """Return a number that came with the weights."""
        return float(self._arrays[name])

    def predict(self, features: npt.NDArray[np.floating[Any]]) -> tuple[_Doubles, _Doubles]:
        """Return the value and its error, each of shape (...), for features of shape (..., N)."""
        x = np.clip((features - self._arrays["mean"]) / self._arrays["scale"], -FEATURE_MOST, FEATURE_MOST)
        h = x.astype(np.float32)[..., None, :, None]
        for layer in range(_LAYERS):
            h = self._arrays[f"w{layer}"] @ h + self._arrays[f"b{layer}"][..., None]
            if layer < _LAYERS - 1:
                h = h / (1 + np.exp(-h))
        outputs = h[..., 0].mean(axis=-2, dtype=np.float64)
        return outputs[..., 0], np.exp(outputs[..., 1])
