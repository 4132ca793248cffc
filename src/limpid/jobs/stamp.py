"""What tells a file from a changed one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["Stamp", "sha256_of"]


@dataclass(frozen=True)
class Stamp:
    """What tells a file from a changed one without reading it: bytes, and time of change in nanoseconds."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return the stamp of a file; None where there is none."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns)


def sha256_of(path: Path) -> str:
    """Return the hash of a file's contents in hexadecimal digits.

    Raises
    ------
    OSError
        If it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
