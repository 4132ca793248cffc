"""What the cache folder holds, and emptying it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from limpid.core.cache import cache_folder
from limpid.core.errors import WriteError
from limpid.evaluation.datasets import registry
from limpid.inference import compiled

__all__ = ["CacheKind", "clear_cache", "list_cache"]

#: Folder -> what is in it.
_KINDS: Final = {
    compiled.FOLDER: "networks compiled for this processor, so that the next process need not",
    "datasets": "data sets that benchmark downloaded",
    "self-test": "what running networks told: the fastest arithmetic, how far they see",
}


@dataclass(frozen=True)
class CacheKind:
    """One kind of thing in the cache."""

    kind: str
    description: str
    path: Path
    files: int
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self) | {"path": str(self.path)}


def list_cache() -> list[CacheKind]:
    """Return each kind of thing the cache may hold, with its number of files and their bytes."""
    rows = []
    for kind, description in _KINDS.items():
        files = [path for own in _own(kind) for path in (own, *own.rglob("*")) if path.is_file()]
        size = sum(path.lstat().st_size for path in files)
        rows.append(CacheKind(kind, description, cache_folder(kind), len(files), size))
    return rows


def _own(kind: str) -> list[Path]:
    """Return what limpid put into a folder of the cache, and nothing else.

    `LIMPID_CACHE` may name a folder that has other uses, and other data sets in its ``datasets``.
    """
    folder = cache_folder(kind)
    if kind == compiled.FOLDER:
        return sorted(folder.glob(f"*{compiled.SUFFIX}"))
    if kind == "self-test":
        return sorted(folder.glob("*.json"))
    return [folder / name for name in registry() if os.path.lexists(folder / name)]


def clear_cache() -> list[CacheKind]:
    """Remove what the cache holds, and return what that was.

    Raises
    ------
    WriteError
        If the operating system refuses.
    """
    rows = list_cache()
    for row in rows:
        for path in _own(row.kind):
            try:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except OSError as error:
                raise WriteError(
                    f"{path} can't be removed ({error.strerror or error}); check its permissions."
                ) from error
        with suppress(OSError):  # it is not there, or holds what is not limpid's
            row.path.rmdir()
    return rows
