"""The version, in one place."""

from __future__ import annotations

from typing import Final

__all__ = ["SOFTWARE", "__version__"]

__version__ = "0.1.0"

#: What provenance entries name.
SOFTWARE: Final = f"limpid {__version__}"
