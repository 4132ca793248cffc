"""The classical denoisers by name. Nothing is imported until one is asked for."""

from __future__ import annotations

import importlib
from typing import Final, cast

from limpid.core.arguments import hint
from limpid.core.denoiser import Denoiser
from limpid.core.errors import OptionError

__all__ = ["CLASSICAL", "load_classical"]

#: Name -> "module:class", in the order they are listed to users: best first.
CLASSICAL: Final[dict[str, str]] = {
    "nlm": "limpid.classical.nlm:NonLocalMeans",
    "wavelet": "limpid.classical.wavelet:Wavelet",
    "tv": "limpid.classical.tv:TotalVariation",
    "bilateral": "limpid.classical.bilateral:Bilateral",
    "median": "limpid.classical.median:Median",
}


def load_classical(name: str) -> Denoiser:
    """Return the classical denoiser of that name.

    Raises
    ------
    OptionError
        If there is none.
    """
    if name not in CLASSICAL:
        raise OptionError(f"no classical denoiser is called {name!r}; {hint(name, CLASSICAL, otherwise='there are ')}")
    module, _, attribute = CLASSICAL[name].partition(":")
    return cast(Denoiser, getattr(importlib.import_module(module), attribute)())
