"""Names that limpid gives to what it keeps among the files of its users."""

from __future__ import annotations

from typing import Final

__all__ = ["JOB_FOLDER", "TEMPORARY"]

#: Folder of the record of a job, in its output folder. Nothing in it is anybody's image.
JOB_FOLDER: Final = "limpid-job"

#: Pattern of the names of files that are being written.
TEMPORARY: Final = ".limpid-*.tmp"
