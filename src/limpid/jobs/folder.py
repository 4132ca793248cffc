"""The jobs of an output folder: what was planned first, and what was added when the inputs had changed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from limpid.core.errors import OptionError
from limpid.io.lock import take_lock
from limpid.jobs.job import About, Job, Row, unwritable
from limpid.jobs.manifest import Item

__all__ = ["JOB_FOLDER", "JobFolder", "Key", "check_same", "last_rows"]

JOB_FOLDER: Final = "limpid-job"

#: Input and output, as they are recorded: what tells items apart.
Key = tuple[str, str | None]

#: The record of limpid before there were jobs.
_JOURNAL: Final = "limpid-manifest.jsonl"

_ELSEWHERE: Final = "choose another output folder."


class JobFolder:
    """The folder ``limpid-job`` in an output folder. Each job in it is numbered and never changed but for receipts.

    Parameters
    ----------
    root : Path
        The output folder; it exists.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / JOB_FOLDER

    @staticmethod
    def exists_in(root: Path) -> bool:
        """Return whether an output folder has a record, of this limpid or an earlier one."""
        return (root / JOB_FOLDER).exists() or (root / _JOURNAL).exists()

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep others out: everybody, or if it is shared, those who don't share.

        Raises
        ------
        OptionError
            If another is in.
        WriteError
            If the folder can't be written in.
        """
        try:
            self.path.mkdir(exist_ok=True)
            lock = take_lock(self.path / "lock", shared=shared)
        except OSError as error:
            raise unwritable(self.path, error, advice=_ELSEWHERE) from error
        if lock is None:
            raise OptionError(
                f"another limpid is at work in {self.root}; wait for it to end, or choose another output folder.",
                source=str(self.root),
            )
        with lock:
            yield

    def jobs(self) -> list[Job]:
        """Return the jobs, the first one first.

        Raises
        ------
        OptionError
            If one of them is not as it was written, or the record is that of an earlier limpid.
        """
        jobs = [Job.open(folder) for folder in self._folders()]
        if not jobs and (self.root / _JOURNAL).exists():
            raise OptionError(
                f"{self.root / _JOURNAL} is the record of an earlier limpid, which this one can't go on with; run "
                "without --resume to do everything anew, with the same results.",
                source=str(self.root),
            )
        return jobs

    def clear(self) -> None:
        """Forget all jobs; what they made stays.

        Raises
        ------
        WriteError
            If they can't be removed.
        """
        try:
            for folder in reversed(self._folders()):  # what was added first, so that the rest is whole at any moment
                gone = folder.rename(folder.with_name(f".{folder.name}"))
                shutil.rmtree(gone)
            (self.root / _JOURNAL).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path, error, advice=_ELSEWHERE) from error

    def add(self, items: Iterable[Item], about: About) -> Job:
        """Plan a job; it is there as a whole or not at all.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        number = max((int(folder.name) for folder in self._folders()), default=0) + 1
        try:
            for left in self.path.glob(".*"):  # of processes that were killed: nobody else is in
                shutil.rmtree(left)
            partial = Path(tempfile.mkdtemp(dir=self.path, prefix=".plan-"))
            partial.chmod(self.path.stat().st_mode)  # mkdtemp lets nobody else in
            job = Job.create(partial, items, about)
            return Job(partial.rename(self.path / f"{number:04}"), job.header)
        except OSError as error:
            raise unwritable(self.path, error, advice=_ELSEWHERE) from error

    def _folders(self) -> list[Path]:
        return sorted((path for path in self.path.glob("[0-9]*") if path.name.isdecimal()), key=lambda p: int(p.name))


def last_rows(jobs: Iterable[Job]) -> dict[Key, Row]:
    """Return the last row about each pair of input and output; the jobs are in the order they were planned."""
    return {
        (row["input"], row["output"]): row
        for job in jobs
        for number in sorted(job.committed())
        for row in job.receipt(number)
    }


def check_same(job: Job, about: About) -> None:
    """Refuse to go on with a job by another model or other options than it was begun with.

    Raises
    ------
    OptionError
        If they differ; the message names each difference.
    """
    differences = [
        line
        for group in ("model", "options")
        for line in _differences(group, getattr(job.header, group), getattr(about, group))
    ]
    if differences:
        raise OptionError(
            f"{job.folder} is a job with another model or other options: {'; '.join(differences)}. Go on with the "
            "same ones, or run without --resume to do everything anew.",
            source=str(job.folder),
        )


def _differences(group: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what differs; where the name that a group goes by does, the rest of it goes without saying."""
    names = [name for name in dict.fromkeys([*now, *was]) if json.dumps(was.get(name)) != json.dumps(now.get(name))]
    return [f"{n} was {_shown(was.get(n))}, now {_shown(now.get(n))}" for n in ([group] if group in names else names)]


def _shown(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value).strip('"')
    return text if len(text) <= 40 else f"{text[:36]}..."
