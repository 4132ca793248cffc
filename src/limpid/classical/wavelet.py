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

#: Chosen among db2, sym4, sym8 and coif2 with 3 or 4 levels, by PSNR at sigma 10, 25 and 50 on scikit-image's
#: camera, astronaut, coffee and chelsea. sym8 is 0.1 dB better and needs twice the least size.
_WAVELET: Final = "sym4"
_LEVELS: Final = 4
#: Smaller planes are mirrored up to this side: the least that 4 levels of an 8-tap filter fit, 7 * 2**4.
_LEAST_PX: Final = 112


@dataclass(frozen=True)
class Wavelet:
    """Wavelet coefficients are shrunk by BayesShrink.

    References
    ----------
    .. [1] S. G. Chang, B. Yu, M. Vetterli, "Adaptive wavelet thresholding for image denoising and compression",
       IEEE Trans. Image Process. 9(9), 2000, equation 12. :doi:`10.1109/83.862633`
    """

    name: str = "wavelet"

    @property
    def capabilities(self) -> Capabilities:
        """Grey or RGB; thresholds depend on the whole plane."""
        return Capabilities(channels=(1, 3), level_map=False, halo_px=None, bytes_per_pixel=64)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and parameters."""
        return {"model": self.name, "wavelet": _WAVELET, "levels": _LEVELS}

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane, see :meth:`limpid.core.denoiser.Denoiser.denoise_plane`."""
        return denoise_whitened(noisy, level, _denoise)


def _denoise(unit: FloatArray) -> FloatArray:
    from scipy.fft import dct
    from skimage.restoration import denoise_wavelet

    height, width, channels = unit.shape
    # Luma and colour differences, as an orthonormal transform: the noise keeps level 1 in each, and no value
    # range is assumed, unlike the library's conversion to YCbCr.
    to_luma = dct(np.eye(channels, dtype=np.float32), axis=0, norm="ortho")
    missing = [(0, max(0, _LEAST_PX - side)) for side in (height, width)]
    padded = np.pad(unit @ to_luma.T, (*missing, (0, 0)), mode="symmetric")
    clean = denoise_wavelet(padded, sigma=1.0, wavelet=_WAVELET, wavelet_levels=_LEVELS, channel_axis=-1)
    result: FloatArray = clean[:height, :width].astype(np.float32) @ to_luma
    return result
