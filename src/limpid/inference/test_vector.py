"""A few numbers that a network must give for a made input: they tell a broken runtime or file from a whole one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from limpid.core.errors import ModelError
from limpid.core.image import FloatArray
from limpid.core.tiling import round_up
from limpid.inference.runtimes import Network, Runtime
from limpid.models.cards import ModelCard
from limpid.models.store import StoredModel

__all__ = ["check_test_vector", "made_test_vector"]

#: Largest difference allowed, as a share of the value range: an eighth of an 8-bit step. What fp32 arithmetic of
#: different runtimes adds up to is a hundredth of that.
TOLERANCE: Final = 0.125 / 255

#: Outputs that are kept, the shortest side of the input in pixels, and its planes where the network takes stacks.
_KEPT: Final = 32
_SIDE_LEAST: Final = 16
_PLANES: Final = 5


def made_test_vector(network: Network, card: ModelCard) -> dict[str, Any]:
    """Return what a network gives, run in fp32, for the card's ``test_vector``.

    Returns
    -------
    dict
        ``side_px`` of the made input (and its ``planes``, of a volumetric network), its ``level`` as a share of the
        range, ``residual``: outputs at places spread evenly over it, and the ``tolerance`` for each of them.
    """
    side = max(2 * card.size_multiple, round_up(_SIDE_LEAST, card.size_multiple))
    level = card.sigma_max / 2
    stack = {} if card.halo_planes is None else {"planes": _PLANES}
    kept = _kept(network(*_made((card.channels, *stack.values(), side, side), level)))
    return {
        **stack,
        "side_px": side,
        "level": level,
        "residual": [round(float(value), 7) for value in kept],
        "tolerance": TOLERANCE,
    }


def check_test_vector(network: Network, model: StoredModel, *, runtime: Runtime) -> None:
    """Check that a network, compiled in fp32, gives what its card says; a card without a test vector passes.

    Raises
    ------
    ModelError
        If it does not.
    """
    vector = model.card.test_vector
    if vector is None:
        return
    lengths, level, expected, tolerance = _read(vector, model)
    found = _kept(network(*_made((model.card.channels, *lengths), level)))
    worst = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not worst <= tolerance:  # neither is NaN
        raise ModelError(
            f"{model.card.name} does not give on {runtime.name} ({runtime.device}) what its card says: the largest "
            f"difference in its test vector is {worst:.3g} of the range, allowed are {tolerance:.3g}. Install the "
            "model again; where that doesn't help, choose another runtime.",
            source=str(model.folder),
        )


def _read(vector: Mapping[str, Any], model: StoredModel) -> tuple[tuple[int, ...], float, FloatArray, float]:
    try:
        expected = np.asarray(vector["residual"], np.float32)
        planes = () if model.card.halo_planes is None else (int(vector["planes"]),)
        lengths = (*planes, *[int(vector["side_px"])] * 2)
        return lengths, float(vector["level"]), expected, float(vector["tolerance"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"the test vector in the card of {model.folder} can't be read ({type(error).__name__}: {error}); install "
            "the model again.",
            source=str(model.folder),
        ) from error


def _made(shape: tuple[int, ...], level: float) -> tuple[FloatArray, FloatArray]:
    """Return an image or stack of uniform random numbers in [0, 1] and its level, both of a shape after a 1."""
    # Raw bits: unlike what is drawn from them, NumPy promises to keep them as they are.
    bits = np.random.PCG64(0).random_raw(math.prod(shape))
    noisy = ((bits >> np.uint64(40)) / 2**24).astype(np.float32).reshape(1, *shape)
    return noisy, np.full_like(noisy, level)


def _kept(output: FloatArray) -> FloatArray:
    """Return values spread evenly over an output; fewer where it has fewer."""
    places = np.unique(np.linspace(0, output.size - 1, _KEPT).round().astype(int))
    values: FloatArray = output.ravel()[places]
    return values
