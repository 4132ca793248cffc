"""Clean pictures in memory, and patches drawn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from limpid.training.config import Data

__all__ = ["Pool", "split_names"]

UInt8 = npt.NDArray[np.uint8]

#: ITU-R BT.601 luma, the gray of every published table.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def split_names(names: Sequence[str], *, validation_share: float) -> tuple[list[str], list[str]]:
    """Split names into training and validation by a hash of each, so that adding files moves none."""

    def held_out(name: str) -> bool:
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") < validation_share * 2**32

    ordered = sorted(names)
    return [n for n in ordered if not held_out(n)], [n for n in ordered if held_out(n)]


class Pool:
    """8-bit pictures, decoded once, from which patches are cut at random.

    Parameters
    ----------
    pictures : sequence of uint8 arrays, each (Y, X) or (Y, X, 3)
    data : Data
        Number of channels and probabilities of reduction.
    """

    def __init__(self, pictures: Sequence[UInt8], data: Data) -> None:
        self.pictures = [_with_channels(p, data.channels) for p in pictures]
        self.data = data

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Return `count` patches, shape (N, C, patch_px, patch_px), float32 in ``[0, 1]``.

        Each picture is equally likely; each patch is reduced, flipped and turned at random.
        """
        return np.stack([self._patch(patch_px, rng) for _ in range(count)])

    def _patch(self, patch_px: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        picture = self.pictures[rng.integers(len(self.pictures))]
        factor = 1 + int(rng.choice(len(self.data.reductions), p=self.data.reductions))
        factor = max(1, min(factor, min(picture.shape[:2]) // patch_px))
        side = factor * patch_px
        y, x = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
        patch = reduce(picture[y : y + side, x : x + side], factor)
        turned = np.rot90(patch, k=int(rng.integers(4)))
        if rng.integers(2):
            turned = turned[:, ::-1]
        return np.ascontiguousarray(turned.transpose(2, 0, 1))


def reduce(picture: UInt8, factor: int) -> npt.NDArray[np.float32]:
    """Average over `factor` x `factor` boxes and scale to ``[0, 1]``; (Y, X, C) in and out."""
    y, x = (length // factor for length in picture.shape[:2])
    boxes = picture[: y * factor, : x * factor].astype(np.float32).reshape(y, factor, x, factor, -1)
    return boxes.mean(axis=(1, 3)) / np.float32(255)


def load_pictures(folder: Path, names: Sequence[str]) -> list[UInt8]:
    from PIL import Image

    return [np.asarray(Image.open(folder / n).convert("RGB")) for n in names]


def _with_channels(picture: UInt8, channels: int) -> UInt8:
    if picture.ndim == 2:
        picture = picture[..., None]
    if channels == 1 and picture.shape[-1] == 3:
        return np.rint(picture @ _LUMA).astype(np.uint8)[..., None]
    return np.broadcast_to(picture, (*picture.shape[:2], channels))
