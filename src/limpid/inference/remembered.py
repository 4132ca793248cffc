"""What running a network told, kept in the cache folder for the next process."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from limpid.core.cache import cache_folder
from limpid.core.errors import WriteError
from limpid.core.version import __version__
from limpid.io.atomic import replacing

__all__ = ["remembered"]

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


def remembered(
    decisive: str,
    *,
    find: Callable[[], _T],
    plain: Callable[[_T], Any],
    parse: Callable[[Any], _T],
    what: str,
    prefix: str = "",
) -> _T:
    """Return what is known, or find it and remember it; without a writable cache folder, find it each time.

    Parameters
    ----------
    decisive : str
        All that the answer follows from, beside limpid's version.
    find : callable
        Finds the answer.
    plain : callable
        From the answer to plain values for JSON.
    parse : callable
        The way back; raises ValueError, TypeError or KeyError for what is no answer.
    what : str
        What is remembered, for the log.
    prefix : str
        Of the file's name, which for the rest is a digest of `decisive`.
    """
    name = hashlib.sha256(f"{__version__} {decisive}".encode()).hexdigest()[:16]
    path = cache_folder("self-test") / f"{prefix}{name}.json"
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        pass
    found = find()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(plain(found)).encode())
    except (OSError, WriteError) as error:
        _log.info("%s could not be remembered in %s: %s", what, path, error)
    return found
