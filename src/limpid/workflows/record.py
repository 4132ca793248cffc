"""What the manifest of a job says about one file, and what is added to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from limpid.jobs import Entry, Manifest, Stamp
from limpid.workflows.plan import Job

__all__ = ["Record"]


class Record:
    """The rows of one job in a manifest.

    Parameters
    ----------
    manifest : Manifest
        Open.
    job : Job
        Its paths are recorded from the manifest's folder, so that the whole tree may move.
    in_place : bool
        Whether the output replaces the input.
    """

    #: What :meth:`end` wants to know of the result.
    COLUMNS: ClassVar = ("status", "error", "model", "sigma", "strength", "seconds")

    def __init__(self, manifest: Manifest, job: Job, *, in_place: bool) -> None:
        self._manifest = manifest
        self._job = job
        self._in_place = in_place
        root = manifest.path.parent
        self._input = _below(root, job.input)
        self._output = None if job.error else _below(root, job.output)
        self._stamp = Stamp.of(job.input)

    def done(self) -> Entry | None:
        """Return the entry of an earlier run that did this job, if the input and its output are as they were."""
        entry = None if self._output is None else self._manifest.entry(self._output)
        if entry is None or entry.input != self._input or entry.status == "error":
            return None
        if self._in_place:
            # The run may have ended between replacing the file and saying so.
            replaced = entry.status == "started" and self._stamp != entry.input_stamp
            return entry if replaced or self._stamp == entry.output_stamp else None
        output, written = Stamp.of(self._job.output), entry.output_stamp
        whole = output is not None and written is not None and output.size == written.size
        return entry if whole and self._stamp == entry.input_stamp else None

    def begin(self) -> None:
        """Put on record that the input is about to be replaced."""
        if self._in_place:
            self._append(status="started")

    def end(self, **columns: Any) -> None:
        """Put on record how it ended; the keywords are :attr:`COLUMNS`."""
        done = columns["status"] == "ok"
        self._append(output_stamp=Stamp.of(self._job.output) if done else None, **columns)

    def _append(self, **columns: Any) -> None:
        self._manifest.append(Entry(input=self._input, output=self._output, input_stamp=self._stamp, **columns))


def _below(root: Path, path: Path) -> str:
    """Return the path from the root, with ``/``; absolute where there is no way, as between two drives."""
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:
        return path.absolute().as_posix()
