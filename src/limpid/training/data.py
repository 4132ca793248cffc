"""Clean pictures in memory, and patches drawn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limpid.core.errors import ConfigError, DataError
from limpid.evaluation.datasets import Dataset, resolve
from limpid.evaluation.scale import LUMA
from limpid.io import read_image
from limpid.training.config import Data

__all__ = ["Pool", "central", "open_pool", "reduce", "split_names", "turned"]

UInt8 = npt.NDArray[np.uint8]


def split_names(names: Sequence[str], *, validation_share: float) -> tuple[list[str], list[str]]:
    """Split names into training and validation by a hash of each, so that adding files moves none."""

    def held_out(name: str) -> bool:
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") < validation_share * 2**32

    ordered = sorted(names)
    return [n for n in ordered if not held_out(n)], [n for n in ordered if held_out(n)]


def open_pool(data: Data) -> tuple[Pool, Pool]:
    """Read a pool's pictures into memory; return those to train on and those held out.

    Raises
    ------
    DataError
        If the pool can't be found or a picture is not 8-bit.
    """
    dataset = resolve(data.pool)
    parts = split_names([p.name for p in dataset.clean], validation_share=data.validation_share)
    training, held_out = (Pool(_load(dataset, names), data) for names in parts)
    return training, held_out


class Pool:
    """8-bit pictures, decoded once, from which patches are cut at random.

    Parameters
    ----------
    pictures : sequence of uint8 arrays, each of shape (Y, X, 1) or (Y, X, 3)
    data : Data
        Number of channels, probabilities of reduction, and augmentation.

    Raises
    ------
    ConfigError
        If the preparation asks for more than augmentation.
    """

    def __init__(self, pictures: Sequence[UInt8], data: Data) -> None:
        if data.preparation.preprocessing or data.preparation.skip_empty or data.preparation.planes is not None:
            raise ConfigError(
                "preprocessing, skip_empty and planes are for images of one's own, not for a pool of clean pictures; "
                "leave them out, or prepare the files of the pool."
            )
        self.pictures = [_with_channels(p, data.channels) for p in pictures]
        self.data = data

    def draw(self, count: int, *, patch_px: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Return `count` patches, shape (N, C, patch_px, patch_px), float32 in ``[0, 1]``.

        Each picture is equally likely; each patch is reduced, and varied by the augmentation, at random.
        """
        return np.stack([self._patch(patch_px, rng) for _ in range(count)])

    def _patch(self, patch_px: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        picture = self.pictures[rng.integers(len(self.pictures))]
        factor = 1 + int(rng.choice(len(self.data.reductions), p=self.data.reductions))
        factor = max(1, min(factor, min(picture.shape[:2]) // patch_px))
        side = factor * patch_px
        y, x = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
        patch = reduce(picture[y : y + side, x : x + side], factor)
        turns, mirrored = self.data.preparation.turn(rng)
        return turned(patch, turns=turns, mirrored=mirrored)


def turned(patch: npt.NDArray[np.float32], *, turns: int, mirrored: bool) -> npt.NDArray[np.float32]:
    """Return a patch, shape (Y, X, C) or (D, Y, X, C), turned and mirrored, as a network takes it: (C, Y, X) or so."""
    out = np.rot90(patch, k=turns, axes=(-3, -2))
    return np.ascontiguousarray(np.moveaxis(out[..., ::-1, :] if mirrored else out, -1, 0))


def reduce(picture: UInt8, factor: int) -> npt.NDArray[np.float32]:
    """Average over `factor` x `factor` boxes and scale to ``[0, 1]``; (Y, X, C) in and out."""
    y, x = (length // factor for length in picture.shape[:2])
    boxes = picture[: y * factor, : x * factor]
    total = np.zeros((y, x, picture.shape[-1]), np.uint32)
    for down in range(factor):
        for right in range(factor):
            total += boxes[down::factor, right::factor]
    mean: npt.NDArray[np.float32] = total.astype(np.float32) / np.float32(255 * factor**2)
    return mean


def central(picture: UInt8, side_px: int, *, most: int | None = None) -> npt.NDArray[np.float32]:
    """Return the middle of a picture, reduced as far as it goes, or by `most` at most: shape (C, side_px, side_px)."""
    factor = max(1, min(picture.shape[:2]) // side_px)
    small = reduce(picture, factor if most is None else min(factor, most))
    y, x = ((length - side_px) // 2 for length in small.shape[:2])
    return small[y : y + side_px, x : x + side_px].transpose(2, 0, 1)


def _load(dataset: Dataset, names: Sequence[str]) -> list[UInt8]:
    wanted = set(names)
    pictures = []
    for path in dataset.clean:
        if path.name in wanted:
            image = read_image(path)
            if image.values.dtype != np.uint8:
                raise DataError(
                    f"{path} holds {image.values.dtype} pixels; a training pool holds 8-bit pictures.", source=str(path)
                )
            pictures.append(image.planes()[0])
    return pictures


def _with_channels(picture: UInt8, channels: int) -> UInt8:
    if channels == 1 and picture.shape[-1] == 3:
        luma: UInt8 = np.rint(picture @ np.asarray(LUMA)).astype(np.uint8)[..., None]
        return luma
    return np.broadcast_to(picture, (*picture.shape[:2], channels))
