"""Wavelet shrinkage, by scikit-image and PyWavelets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from limpid.classical.whitening import denoise_whitened
from limpid.core.denoiser import Capabilities
from limpid.core.image import FloatArray

__all__ = ["Wavelet"]

_WAVELET: Final = "sym4"


@dataclass(frozen=True)
class Wavelet:
    """Wavelet coefficients are shrunk by BayesShrink."""

    name: str = "wavelet"

    @property
    def capabilities(self) -> Capabilities:
        """Grey or RGB; thresholds depend on the whole plane."""
        return Capabilities(channels=(1, 3), level_map=False, halo_px=None, bytes_per_pixel=64)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and parameters."""
        return {"name": self.name, "wavelet": _WAVELET}

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane, see :meth:`limpid.core.denoiser.Denoiser.denoise_plane`."""
        return denoise_whitened(noisy, level, _denoise)


def _denoise(unit: FloatArray) -> FloatArray:
    from skimage.restoration import denoise_wavelet

    height, width, _ = unit.shape
    least = 32
    padded = np.pad(unit, ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0)), mode="symmetric")
    clean = denoise_wavelet(padded, sigma=1.0, wavelet=_WAVELET, wavelet_levels=None, channel_axis=-1)
    return np.asarray(clean[:height, :width], dtype=np.float32)
