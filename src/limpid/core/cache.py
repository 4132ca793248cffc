"""Where limpid keeps what it can get again: downloaded data sets, compiled networks."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder(*parts: str) -> Path:
    """Return a folder inside limpid's cache; it need not exist yet.

    The cache is the folder that the environment variable ``LIMPID_CACHE`` names, otherwise the platform's own
    (``~/.cache/limpid`` on Linux).

    Parameters
    ----------
    *parts : str
        Names below the cache; none gives the cache itself.

    Examples
    --------
    >>> cache_folder("datasets", "set12").parts[-2:]
    ('datasets', 'set12')
    """
    chosen = os.environ.get("LIMPID_CACHE")
    if chosen:
        return Path(chosen).expanduser().joinpath(*parts)
    import platformdirs  # only where the platform has to be asked

    return platformdirs.user_cache_path("limpid", appauthor=False).joinpath(*parts)
