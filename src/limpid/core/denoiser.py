"""What a denoiser is, and how one is applied to an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from limpid.core.image import FloatArray
from limpid.core.preprocess import Step

__all__ = ["Capabilities", "Denoiser", "StackDenoiser"]


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a denoiser can be asked for.

    Attributes
    ----------
    channels : tuple of int
        Channel counts taken together. An image with any other count is denoised channel by channel where 1 is
        among them, and refused otherwise.
    level_map : bool
        Whether a level per pixel is used as such; otherwise its root mean square is.
    blind : bool
        Whether it judges the noise by itself, whatever level it is told. Strength then is the share of its change that
        is applied, all of it from 1 on.
    level_again : bool
        Whether it is told, for each plane, the level that it removes from parts of it at the level given first: where
        noise is not white, that is nearer to the truth than what can be measured beforehand.
    sigma_max : float
        Largest level the denoiser was made for, as a share of the value range.
    halo_px : int or None
        Pixels around a tile that it must see for its inside to be what the whole image gives, a multiple of
        `align_px`; None where only the whole plane will do.
    halo_planes : int or None
        Planes on either side of a slab that it must see for the slab to be what the whole stack gives. None where each
        plane is denoised by itself; the others are of :class:`StackDenoiser`.
    align_px : int
        Tiles must begin at multiples of this.
    bytes_per_pixel : int
        Working memory for each pixel of a tile, all its channels together.
    tiles_at_once : int
        Tiles to hand over at a time, from as many threads, `bytes_per_pixel` counting all of them: more than one where
        the work has parts that wait for one another.
    preprocessing : tuple of Step
        What is done to an image as a whole before the denoiser sees planes of it, and undone afterwards. `sigma_max`
        and `halo_px` are of what it sees.
    """

    channels: tuple[int, ...]
    level_map: bool
    blind: bool = False
    level_again: bool = False
    sigma_max: float = float("inf")
    halo_px: int | None = None
    halo_planes: int | None = None
    align_px: int = 1
    bytes_per_pixel: int = 64
    tiles_at_once: int = 1
    preprocessing: tuple[Step, ...] = ()

    @property
    def volumetric(self) -> bool:
        """Whether it sees the planes of a stack together."""
        return self.halo_planes is not None


@runtime_checkable
class Denoiser(Protocol):
    """Anything that removes noise of a known level from one plane."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can be asked for."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides its output besides the pixels, its name under ``model`` first, for provenance and resume."""
        ...

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane.

        Parameters
        ----------
        noisy : float32 array, shape (Y, X, C)
            Finite, scaled so that the value range is ``[0, 1]``; noise may leave it. C is one of
            ``capabilities.channels``. Not to be changed.
        level : float32 array, shape (C,) or (Y, X, C)
            Standard deviation of the noise in the same units, per channel or per pixel; per pixel only where
            ``capabilities.level_map`` is true.

        Returns
        -------
        float32 array, shape (Y, X, C)
            Not clipped.
        """
        ...


@runtime_checkable
class StackDenoiser(Denoiser, Protocol):
    """A denoiser that sees the planes of a stack together: its capabilities name ``halo_planes``.

    One plane by itself is to it a stack of one.
    """

    def denoise_stack(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised stack.

        Parameters
        ----------
        noisy : float32 array, shape (D, Y, X, C)
            Consecutive planes, each as in :meth:`Denoiser.denoise_plane`.
        level : float32 array, shape (C,) or (D, Y, X, C)
            As there.

        Returns
        -------
        float32 array, shape (D, Y, X, C)
            Not clipped.
        """
        ...
