"""What of a model's card only running it can tell: its halo, where bf16 and int8 are harmless, and its test vector."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from limpid.core.image import FloatArray
from limpid.core.tiling import round_up
from limpid.inference.harmless import measure_sigma_min, with_noise
from limpid.inference.int8 import measure_int8
from limpid.inference.runtimes import Network
from limpid.inference.runtimes.openvino import OpenVINORuntime
from limpid.inference.test_vector import made_test_vector
from limpid.models.store import StoredModel

__all__ = ["STACK_LOOKED_AT", "calibrated", "measure_halo"]

#: Largest difference between tiled and whole at the edge of what a tile keeps, as a share of the value range.
HALO_TOLERANCE: Final = 0.25 / 255

#: Largest halo that is measured of volumetric networks, which halve less often: in pixels and in planes.
_STACK_LIMIT_PX: Final = 64
_STACK_LIMIT_PLANES: Final = 16

#: Of a stack, no more is looked at: planes, height and width.
STACK_LOOKED_AT: Final = (3 * _STACK_LIMIT_PLANES, 3 * _STACK_LIMIT_PX, 3 * _STACK_LIMIT_PX)

#: Planes, and sides in pixels, of the stacks that the other halo is measured on.
_FEW_PLANES: Final = 8
_FEW_PX: Final = 64

#: Pieces of pictures that int8 is measured on, and how many multiply-accumulates of a pixel, in thousands, they are
#: meant for: of a dearer network fewer are looked at, so that the end of a training does not take longer.
_CROPS: Final = 24
_CROPS_LEAST: Final = 6
_CROPS_KMAC: Final = 100


def calibrated(
    model: StoredModel,
    pictures: Sequence[FloatArray],
    *,
    limit: int,
    crops: int | None = None,
    seen: Sequence[FloatArray] = (),
) -> StoredModel:
    """Return a model whose card says how far its network sees, where bf16 and int8 are harmless, and what it gives.

    Parameters
    ----------
    model : StoredModel
        Its files are not changed.
    pictures : sequence of float32 arrays, shape (C, H, W), or (C, D, H, W) for a volumetric model
        In ``[0, 1]``; those smaller than three times `limit` are continued by their mirror image.
    limit : int
        Largest halo, about: taken up to a multiple of the model's ``size_multiple``. That of a volumetric model has a
        limit of its own.
    crops : int, optional
        Pieces of pictures that int8 is measured on; where not given, what takes a few seconds.
    seen : sequence of float32 arrays, shape (C, H, W)
        As in :func:`~limpid.inference.int8.measure_int8`.
    """
    runtime, card = OpenVINORuntime(), model.card
    exact = runtime.compile(model, precision="fp32")
    depths: tuple[int, ...] = ()
    halo_planes = None
    if card.halo_planes is not None:
        depths, limit = (_FEW_PLANES,), _STACK_LIMIT_PX
        side = round_up(_FEW_PX, card.size_multiple)
        deep = [_of_size(picture, (3 * _STACK_LIMIT_PLANES, side, side)) for picture in pictures]
        reach = measure_halo(exact, deep, sigma=card.sigma_max, multiple=1, limit=_STACK_LIMIT_PLANES, axes=(-3,))
        # Nothing is rounded up to a multiple, as pixels are, and there are few planes to find the worst one among.
        halo_planes = reach + 1
    limit = round_up(limit, card.size_multiple)
    cut = [_of_size(picture, (*depths, 3 * limit, 3 * limit)) for picture in pictures]
    halo = measure_halo(exact, cut, sigma=card.sigma_max, multiple=card.size_multiple, limit=limit)
    sigma = 1.0
    if "bf16" in runtime.precisions:
        sigma = measure_sigma_min(exact, runtime.compile(model, precision="bf16"), cut, sigma_max=card.sigma_max)
    int8 = None
    if "int8" in runtime.precisions and card.halo_planes is None:
        int8 = measure_int8(runtime, model, pictures, crops=crops or _crops_of(card.kmac_per_pixel), seen=seen)
    measured = dataclasses.replace(
        card,
        halo_px=halo,
        halo_planes=halo_planes,
        bf16_sigma_min=sigma,
        int8=int8,
        test_vector=made_test_vector(exact, card),
    )
    return dataclasses.replace(model, card=measured)


def _crops_of(kmac_per_pixel: float) -> int:
    return max(_CROPS_LEAST, min(_CROPS, int(_CROPS * _CROPS_KMAC / max(kmac_per_pixel, 1))))


def _of_size(picture: FloatArray, lengths: tuple[int, ...]) -> FloatArray:
    """Return the beginning of a picture along each axis but the first, continued by its mirror image."""
    missing = [(0, max(0, length - n)) for length, n in zip(lengths, picture.shape[1:], strict=True)]
    continued = np.pad(picture, [(0, 0), *missing], mode="symmetric")
    return np.ascontiguousarray(continued[(slice(None), *map(slice, lengths))])


def measure_halo(
    network: Network,
    pictures: Iterable[FloatArray],
    *,
    sigma: float,
    multiple: int,
    limit: int,
    axes: Sequence[int] = (-2, -1),
) -> int:
    """Return how many pixels around a tile a network must see for the tile's inside to be what the whole gives.

    Each picture is denoised whole and again without its first `limit` pixels along each axis; the difference falls with
    the distance from the cut.

    Parameters
    ----------
    network : Network
        Run in fp32.
    pictures : iterable of float32 arrays, shape (C, H, W) or (C, D, H, W)
        Clean, in ``[0, 1]``; the lengths of `axes` multiples of `multiple` and larger than ``2 * limit``.
    sigma : float
        Noise level, as a share of the range. The largest one reaches farthest.
    multiple : int
        What the network's input sizes are multiples of.
    limit : int
        Largest answer, a multiple of `multiple`.
    axes : sequence of int
        Height and width; -3 for the planes of a stack.

    Returns
    -------
    int
        A multiple of `multiple`: beyond it no value differs by more than :data:`HALO_TOLERANCE`, in any picture.
    """
    reach = 0
    for index, picture in enumerate(pictures):
        noisy, level = with_noise(picture, sigma, seed=index)
        whole = network(noisy, level)
        for axis in axes:
            cut_noisy, cut_level, expected = (np.split(values, [limit], axis)[1] for values in (noisy, level, whole))
            part = network(np.ascontiguousarray(cut_noisy), np.ascontiguousarray(cut_level))
            others = tuple(i for i in range(whole.ndim) if i != axis % whole.ndim)
            wrong = np.abs(part - expected).max(axis=others) > HALO_TOLERANCE
            reach = max(reach, int(np.flatnonzero(wrong)[-1]) + 1 if wrong.any() else 0)
    return min(limit, round_up(reach, multiple))
