"""One image, measured: a row of the catalogue."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from limpid.catalog.appearance import perceptual_hash, sharpness
from limpid.catalog.columns import COLUMNS, VERSION, Row
from limpid.core.errors import LimpidError
from limpid.core.image import Image
from limpid.io import DEFAULT_MAX_PIXELS, probe, read_image
from limpid.io.exif import exposure
from limpid.io.sources import Item
from limpid.noise.estimate import estimate_noise
from limpid.noise.result import NoiseEstimate

__all__ = ["Settings", "fingerprint", "measure", "unmeasured"]

#: Pixels whose mean is taken to be that of an image.
_BUDGET_PX: Final = 1 << 22


@dataclass(frozen=True)
class Settings:
    """What decides the measures of an image beside the image.

    Attributes
    ----------
    value_range : (float, float) or None
        Values of black and white, for float files that state none.
    max_pixels : int
        Images that announce more are refused.
    """

    value_range: tuple[float, float] | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS


def fingerprint(item: Item, settings: Settings) -> int:
    """Return what a measured item is known again by: 64 bits that change with its name, size, version and settings.

    An item that shows no version can't be known again: it has fingerprint 0.
    """
    if item.version is None:
        return 0
    told = repr((VERSION, item.uri, item.size, item.version, dataclasses.astuple(settings)))
    digest = hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def measure(item: Item, settings: Settings) -> Row:
    """Return the row of an image; where it can't be read, the error and what is known all the same.

    Parameters
    ----------
    item : Item
        It is read once.
    settings : Settings
        What the noise is measured with.
    """
    row = unmeasured(item, settings, error=None)
    try:
        content = item.read()
        row |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        image = read_image(content, value_range=settings.value_range, max_pixels=settings.max_pixels)
        row |= {"format": probe(content).format, **_described(image)}
        # The survey has a process for each core.
        row |= _measured(image, estimate_noise(image, threads=1))
    except LimpidError as error:
        row["error"] = str(error).removeprefix("image bytes: ")
    except MemoryError:
        row["error"] = "not enough memory for it; free some, or split the image."
    return row


def unmeasured(item: Item, settings: Settings, *, error: str | None) -> dict[str, Any]:
    """Return the row of an image that is not looked at."""
    return {
        **dict.fromkeys(COLUMNS),
        "uri": item.uri,
        "folder": item.uri.rpartition("#")[0] or item.uri.rpartition("/")[0],
        "size": item.size,
        "version": item.version,
        "fingerprint": fingerprint(item, settings),
        "error": error,
    }


def _described(image: Image) -> Row:
    """Return what an image is, and how it was taken."""
    planes = image.planes()
    shot = exposure(image.metadata.exif)
    low, high = image.value_range
    return {
        "width": planes.shape[2],
        "height": planes.shape[1],
        "planes": planes.shape[0],
        "channels": planes.shape[3],
        "dtype": str(planes.dtype),
        "low": low,
        "high": high,
        "camera": shot.camera,
        "iso": shot.iso,
        "exposure_s": shot.seconds,
        "taken": None if shot.taken is None else shot.taken.isoformat(),
    }


def _measured(image: Image, noise: NoiseEstimate) -> Row:
    """Return how an image looks, and its noise."""
    planes = image.planes()
    first = planes[0]
    mean = _mean(image)
    found = noise.to_dict()
    (sigma_low, sigma_high), (gain_low, gain_high), (dark_low, dark_high) = (
        found[f"{name}_interval"] or (None, None) for name in ("sigma", "gain", "read_noise")
    )
    correlation = noise.correlation or {}
    errors = [one.correlation.error for one in noise.channels if one.correlation is not None]
    above = mean - image.value_range[0]
    return {
        "phash": perceptual_hash(first),
        "mean": mean,
        "snr_db": 20 * math.log10(above / noise.sigma) if noise.sigma > 0 and above > 0 else None,
        "sharpness": sharpness(first, noise) if noise.measured else None,
        **{name: found[name] for name in ("sigma", "sigma_per_channel", "gain", "floor", "read_noise", "white")},
        **{name: found[name] for name in ("bits", "impulse_share", "jpeg_blocking", "fixed_pattern")},
        "sigma_low": sigma_low,
        "sigma_high": sigma_high,
        "gain_low": gain_low,
        "gain_high": gain_high,
        "read_noise_low": dark_low,
        "read_noise_high": dark_high,
        "correlation_x": correlation.get("x"),
        "correlation_y": correlation.get("y"),
        "correlation_error": max(errors, default=None),
        "clipped_share": sum(noise.clipped_share),
        "clipped_low": noise.clipped_share[0],
        "clipped_high": noise.clipped_share[1],
        "advice": [one.code for one in noise.advice],
    }


def _mean(image: Image) -> float:
    values = image.values.ravel()
    sample = values[:: max(1, values.size // _BUDGET_PX)]
    return float(sample[np.isfinite(sample)].mean()) if sample.dtype.kind == "f" else float(sample.mean())
