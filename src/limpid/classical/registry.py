"""The classical denoisers by name. Nothing is imported until one is asked for."""

from __future__ import annotations

import difflib
import importlib
from typing import Final, cast

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
        near = difflib.get_close_matches(name, CLASSICAL, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(CLASSICAL)}."
        raise OptionError(f"no classical denoiser is called {name!r}; {hint}")
    module, _, attribute = CLASSICAL[name].partition(":")
    return cast(Denoiser, getattr(importlib.import_module(module), attribute)())
