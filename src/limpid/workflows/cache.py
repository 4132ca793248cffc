"""What the cache folder holds, and emptying it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from limpid.core.cache import cache_folder
from limpid.core.errors import WriteError

__all__ = ["CacheKind", "clear_cache", "list_cache"]

#: Folder -> what is in it. Nothing else below the cache folder is counted or removed: `LIMPID_CACHE` may name a
#: folder that has other uses.
_KINDS: Final = {
    "datasets": "data sets that benchmark downloaded",
    "self-test": "which arithmetic this machine is fastest with",
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
        folder = cache_folder(kind)
        sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file()]
        rows.append(CacheKind(kind, description, folder, len(sizes), sum(sizes)))
    return rows


def clear_cache() -> list[CacheKind]:
    """Remove what the cache holds, and return what that was.

    Raises
    ------
    WriteError
        If the operating system refuses.
    """
    rows = list_cache()
    for row in rows:
        try:
            if row.path.is_symlink():
                row.path.unlink()
            elif row.path.exists():
                shutil.rmtree(row.path)
        except OSError as error:
            raise WriteError(
                f"{row.path} can't be removed ({error.strerror or error}); check its permissions."
            ) from error
    return rows
