"""BM3D, by its authors' package ``bm3d``: for comparison, where the user has installed it.

Its licence is for non-commercial use, so limpid neither installs nor offers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from limpid.core.denoiser import Capabilities
from limpid.core.image import FloatArray

__all__ = ["BM3D", "bm3d_installed"]


def bm3d_installed() -> bool:
    """Return whether the package is there."""
    return find_spec("bm3d") is not None


@dataclass(frozen=True)
class BM3D:
    """Blocks that look alike are stacked and denoised together in a transform.

    References
    ----------
    .. [1] K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative
       filtering", IEEE TIP 16(8), 2007. :doi:`10.1109/TIP.2007.901238`
    """

    name: str = "bm3d"

    @property
    def capabilities(self) -> Capabilities:
        """Gray or RGB; blocks are matched within the whole plane."""
        return Capabilities(channels=(1, 3), level_map=False)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name; the parameters are the package's."""
        return {"model": self.name}

    def denoise_plane(self, noisy: FloatArray, level: FloatArray) -> FloatArray:
        """Return the denoised plane, see :meth:`limpid.core.denoiser.Denoiser.denoise_plane`."""
        import bm3d

        sigma = float(np.sqrt(np.mean(np.square(level))))
        denoise = bm3d.bm3d if noisy.shape[-1] == 1 else bm3d.bm3d_rgb
        return np.asarray(denoise(noisy, sigma), dtype=np.float32).reshape(noisy.shape)
