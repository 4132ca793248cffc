"""Names that limpid gives to what it keeps among the files of its users."""

from __future__ import annotations

from typing import Final

__all__ = ["AUTO_FOLDER", "JOB_FOLDER", "OWN_FOLDERS", "TEMPORARY"]

#: Folder of the record of a job, in its output folder. Nothing in it is anybody's image.
JOB_FOLDER: Final = "limpid-job"

#: Folder of what an autopilot found, trained and decided, likewise.
AUTO_FOLDER: Final = "limpid-auto"

OWN_FOLDERS: Final = frozenset({JOB_FOLDER, AUTO_FOLDER})

#: Pattern of the names of files that are being written.
TEMPORARY: Final = ".limpid-*.tmp"
