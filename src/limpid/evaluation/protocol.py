"""What has to be stated beside a score for it to mean anything."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from limpid.core.cores import usable_cores

__all__ = ["protocol"]

#: Import name to distribution name of what can change a score or a speed; stated where loaded.
_DISTRIBUTIONS = {
    "numpy": "numpy",
    "openvino": "openvino",
    "pywt": "pywavelets",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "torch": "torch",
}

_ADDED = "white Gaussian, sigma on the 0-255 scale, neither clipped nor rounded"
_REAL = "real, in pairs of a noisy and a clean image"


def protocol(
    *,
    seed: int,
    added: bool = True,
    real: bool = False,
    strength: float = 1.0,
    gray: bool = False,
    threads: int | None = None,
) -> dict[str, Any]:
    """Return how :func:`~limpid.evaluation.benchmark.measure` scores, and on what; JSON throughout.

    Parameters
    ----------
    seed : int
        Seed of the noise.
    added : bool
        Whether there are clean images, which noise is added to.
    real : bool
        Whether there are pairs with real noise.
    strength : float
        What the level told was multiplied by.
    gray : bool
        Whether colour was turned to gray.
    threads : int, optional
        Threads that the denoisers were told to use; without it, the processors this process may use.
    """
    generator = f"numpy.random.default_rng([{seed}, image index, round(100 * sigma)])"
    return {
        "noise": " or ".join([_ADDED] * added + [_REAL] * real),
        "seed": generator if added else "none is needed",
        "input": "float32 for added noise, the file's own pixels for real noise",
        "strength": strength,
        "clipping": "result clipped to [0, 255] and rounded to 8 bits before scoring",
        "psnr": "one mean squared error over all pixels and channels, peak 255",
        "ssim": "Gaussian window 11x11 of sigma 1.5, K 0.01 and 0.03, mean over channels, range 255",
        "average": "mean over whole images",
        "channels": "gray by BT.601 luma, rounded" if gray else "as stored (RGB, not luma)",
        "speed": "megapixels per second of the denoising calls, after one call on the first image that is not counted",
        "memory": "peak resident memory of the whole process while the row was made, in 10^6 bytes",
        "versions": _versions(),
        "cpu": _cpu(),
        "threads": threads or usable_cores(),
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for module, distribution in {"limpid": "limpid", **_DISTRIBUTIONS}.items():
        if module in sys.modules:
            try:
                versions[module] = metadata.version(distribution)
            except metadata.PackageNotFoundError:  # another build of it, under another name
                versions[module] = str(getattr(sys.modules[module], "__version__", "unknown"))
    return versions


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
