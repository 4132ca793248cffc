"""Total-variation denoising, by scikit-image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from limpid.classical.whitening import denoise_whitened
from limpid.core.denoiser import Capabilities
from limpid.core.image import FloatArray

__all__ = ["TotalVariation"]

_WEIGHT: Final = 1.0


@dataclass(frozen=True)
class TotalVariation:
    """The image of least total variation near the noisy one."""

    name: str = "tv"

    @property
    def capabilities(self) -> Capabilities:
        """Grey or RGB; the minimum is that of the whole plane."""
        return Capabilities(channels=(1, 3), level_map=False, halo_px=None, bytes_per_pixel=64)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and parameters."""
        return {"name": self.name, "weight": _WEIGHT}

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane, see :meth:`limpid.core.denoiser.Denoiser.denoise_plane`."""
        return denoise_whitened(noisy, level, _denoise)


def _denoise(unit: FloatArray) -> FloatArray:
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(unit, weight=_WEIGHT, channel_axis=-1), dtype=np.float32)
