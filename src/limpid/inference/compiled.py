"""Compiled networks, kept in the cache folder: reading one takes a quarter of the time of compiling it again."""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from limpid.core.cache import cache_folder
from limpid.core.errors import WriteError
from limpid.io.atomic import replacing

__all__ = ["FOLDER", "SUFFIX", "keep", "kept"]

#: Where they are, below the cache folder, and what their names end in.
FOLDER: Final = "compiled"
SUFFIX: Final = ".network"

#: Bytes of all of them together; those that were used last stay. One that ships takes 3 to 30 MB in each arithmetic.
_MOST_BYTES: Final = 256_000_000

_log = logging.getLogger(__name__)


def kept(decisive: str) -> bytes | None:
    """Return what was kept under a text that names all that it follows from; None where nothing is, whole.

    What a runtime reads back is not checked by it: a damaged file may end the process. So a hash stands before it.
    """
    path = _path(decisive)
    try:
        digest, content = _split(path.read_bytes())
        if hashlib.sha256(content).digest() != digest:
            _log.info("%s is damaged; the network is compiled again", path)
            return None
        os.utime(path)
    except OSError:
        return None
    return content


def keep(decisive: str, content: bytes) -> None:
    """Keep a compiled network; where the folder can't be written, nothing happens.

    Whole or not at all, whichever of several processes is the last; those that were not used for longest make room.
    """
    if len(content) > _MOST_BYTES:
        return
    path = _path(decisive)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
        _make_room(path)
    except (OSError, WriteError) as error:
        _log.info("a compiled network could not be kept in %s: %s", path, error)


def _path(decisive: str) -> Path:
    return cache_folder(FOLDER) / f"{hashlib.sha256(decisive.encode()).hexdigest()[:32]}{SUFFIX}"


def _split(file: bytes) -> tuple[bytes, bytes]:
    size = hashlib.sha256().digest_size
    return file[:size], file[size:]


def _make_room(newest: Path) -> None:
    """Remove what was used before all else, beyond the limit; another process may remove the same."""
    files = []
    for path in newest.parent.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            status = path.stat()
            files.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= _MOST_BYTES:
            return
        if path != newest:
            path.unlink(missing_ok=True)
            total -= size
