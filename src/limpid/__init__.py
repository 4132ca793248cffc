"""limpid: measure the noise of images, remove it, and know how far to trust the result.

>>> import limpid
>>> limpid.denoise, limpid.estimate_noise, limpid.benchmark  # doctest: +ELLIPSIS
(<function denoise at ...>, <function estimate_noise at ...>, <function benchmark at ...>)
"""

from __future__ import annotations

import importlib
from typing import Any

from limpid.core.version import __version__

#: Public name -> module that defines it; nothing is imported until it is used.
_PUBLIC = {
    "ConfigError": "core.errors",
    "DataError": "core.errors",
    "Denoiser": "core.denoiser",
    "Gaussian": "noise.models",
    "Image": "core.image",
    "ImageError": "core.errors",
    "InputError": "core.errors",
    "LimpidError": "core.errors",
    "MissingExtraError": "core.errors",
    "ModelError": "core.errors",
    "OptionError": "core.errors",
    "PoissonGaussian": "noise.models",
    "ReadError": "core.errors",
    "TooLargeError": "core.errors",
    "WriteError": "core.errors",
    "advise": "workflows.advise",
    "assess": "workflows.assess",
    "auto": "workflows.auto",
    "benchmark": "workflows.benchmark",
    "denoise": "workflows.denoise",
    "estimate_noise": "workflows.noise",
    "export": "workflows.export",
    "load_model": "workflows.models",
    "read_image": "io",
    "survey": "workflows.survey",
    "train": "workflows.train",
    "write_image": "io",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'limpid' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"limpid.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
