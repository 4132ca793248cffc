"""Bilateral filter, by scikit-image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from limpid.classical.whitening import denoise_whitened
from limpid.core.denoiser import Capabilities
from limpid.core.image import FloatArray

__all__ = ["Bilateral"]

#: Values in noise units; chosen by mean PSNR at sigma 10, 25 and 50 on 256 x 256 parts of scikit-image's camera,
#: astronaut, coffee and chelsea, among radii 1 to 3 and widths of 1.5 to 2.5 levels.
_RADIUS_PX: Final = 3
#: Spatial width so large that all pixels of the window count alike.
_EVERYWHERE_PX: Final = 1e6
_SIGMA_VALUE: Final = 2.5
#: Steps of the table of weights for each noise level, and the most it may have (32 MB).
_BINS_PER_LEVEL: Final = 64
_BINS_MAX: Final = 2**22


@dataclass(frozen=True)
class Bilateral:
    """Each pixel becomes a mean of its 7 x 7 surroundings, weighted by how near they are in value.

    Values beyond 65,536 noise levels above the darkest are looked up in coarser steps, so that memory stays
    bounded; only there do tiles differ from the whole by more than rounding.

    References
    ----------
    .. [1] C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", IEEE ICCV 1998, equation 5.
       :doi:`10.1109/ICCV.1998.710815`
    """

    name: str = "bilateral"

    @property
    def capabilities(self) -> Capabilities:
        """Grey or RGB; local."""
        return Capabilities(channels=(1, 3), level_map=False, halo_px=_RADIUS_PX, bytes_per_pixel=104)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and parameters."""
        return {
            "model": self.name,
            "radius_px": _RADIUS_PX,
            "sigma_value": _SIGMA_VALUE,
        }

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane, see :meth:`limpid.core.denoiser.Denoiser.denoise_plane`."""
        return denoise_whitened(noisy, level, _denoise)


def _denoise(unit: FloatArray) -> FloatArray:
    from skimage.restoration import denoise_bilateral

    channels = unit.shape[-1]
    if channels == 2:  # scikit-image takes 1 or 3
        return np.concatenate([_denoise(unit[..., :1]), _denoise(unit[..., 1:])], axis=-1)
    # The library looks weights up in a table of `bins` steps between 0 and the largest value. The plane is
    # moved so that this value is a whole number: the steps are then the same for every tile.
    low, high = float(unit.min()), float(unit.max())
    top = max(float(np.ceil(high - low)), 1.0)
    moved = unit.astype(np.float64) + (top - high)
    clean = denoise_bilateral(
        moved if channels == 3 else moved[..., 0],
        win_size=2 * _RADIUS_PX + 1,
        # The library divides the distance of two colours by the number of channels.
        sigma_color=_SIGMA_VALUE / channels,
        # The library's table of spatial weights is one entry too wide for its window, which skews them; equal
        # weights are not affected.
        sigma_spatial=_EVERYWHERE_PX,
        bins=int(min(top * _BINS_PER_LEVEL * channels, _BINS_MAX)),
        mode="symmetric",
        channel_axis=-1 if channels == 3 else None,
    )
    return (np.reshape(clean, unit.shape) - (top - high)).astype(np.float32)
