"""Median filter, by SciPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from limpid.classical.whitening import denoise_whitened
from limpid.core.denoiser import Capabilities
from limpid.core.image import FloatArray

__all__ = ["Median"]

_RADIUS_PX: Final = 2
_LIMIT: Final = 3.0


@dataclass(frozen=True)
class Median:
    """Each pixel moves to the median of its 5 x 5 surroundings, by at most three times the noise level."""

    name: str = "median"

    @property
    def capabilities(self) -> Capabilities:
        """One channel at a time; local."""
        return Capabilities(channels=(1,), level_map=False, halo_px=_RADIUS_PX, bytes_per_pixel=32)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and parameters."""
        return {"name": self.name, "radius_px": _RADIUS_PX, "limit": _LIMIT}

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane, see :meth:`limpid.core.denoiser.Denoiser.denoise_plane`."""
        return denoise_whitened(noisy, level, _denoise)


def _denoise(unit: FloatArray) -> FloatArray:
    from scipy import ndimage

    side = 2 * _RADIUS_PX + 1
    median = ndimage.median_filter(unit, size=(side, side, 1), mode="reflect")
    return unit + np.clip(median - unit, -_LIMIT, _LIMIT)
