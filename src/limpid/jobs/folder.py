"""The jobs of an output folder: what was planned first, and what was added when the inputs had changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from limpid.core.errors import OptionError
from limpid.io.own import JOB_FOLDER
from limpid.io.sources.item import address_of
from limpid.io.stores import Store
from limpid.jobs.job import HEADER, About, Job, Row, unwritable
from limpid.jobs.manifest import Item

__all__ = ["JobFolder", "Key", "check_same", "last_rows"]

#: Input and output, as they are recorded: what tells items apart.
Key = tuple[str, str | None]

#: The record of limpid before there were jobs.
_JOURNAL: Final = "limpid-manifest.jsonl"

_ELSEWHERE: Final = "choose another output folder."


class JobFolder:
    """The folder ``limpid-job`` in an output folder. Each job in it is numbered and never changed but for receipts.

    Parameters
    ----------
    root : Store
        The output folder.
    """

    def __init__(self, root: Store) -> None:
        self.root = root
        self.store = root.below(JOB_FOLDER)

    @staticmethod
    def exists_in(root: Store) -> bool:
        """Return whether an output folder has a record, of this limpid or an earlier one."""
        return not {JOB_FOLDER, _JOURNAL}.isdisjoint(root.names())

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
        with ExitStack() as stack:
            try:
                ours = stack.enter_context(self.store.locked("lock", shared=shared))
            except OSError as error:
                raise unwritable(self.store.address, error, advice=_ELSEWHERE) from error
            if not ours:
                address = self.root.address
                raise OptionError(
                    f"another limpid is at work in {address}; wait for it to end, or choose another output folder.",
                    source=address,
                )
            yield

    def jobs(self) -> list[Job]:
        """Return the jobs, the first one first.

        Raises
        ------
        OptionError
            If one of them is not as it was written, or the record is that of an earlier limpid.
        """
        jobs = [Job.open(store) for store in self._whole()]
        if not jobs and _JOURNAL in self.root.names():
            journal = f"{self.root.address}/{_JOURNAL}"
            raise OptionError(
                f"{journal} is the record of an earlier limpid, which this one can't go on with; run "
                "without --resume to do everything anew, with the same results.",
                source=journal,
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
            # What was added first goes last, and its header before all else, so that the rest is whole at any moment.
            for name in reversed(self._numbers()):
                self.store.remove(f"{name}/{HEADER}")
                self.store.remove(name)
            self.root.remove(_JOURNAL)
        except OSError as error:
            raise unwritable(self.store.address, error, advice=_ELSEWHERE) from error

    def add(self, items: Iterable[Item], about: About) -> Job:
        """Plan a job; it is there as a whole or not at all.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        try:
            whole = {store.address for store in self._whole()}
            for name in self._numbers():
                if self.store.below(name).address not in whole:  # of a process that was killed: nobody else is in
                    self.store.remove(name)
            number = max(map(int, self._numbers()), default=0) + 1
            return Job.create(self.store.below(f"{number:04}"), items, about)
        except OSError as error:
            raise unwritable(self.store.address, error, advice=_ELSEWHERE) from error

    def sweep(self, jobs: Iterable[Job]) -> None:
        """Remove what processes that are no more left half written, of the shards that they began and did not end."""
        for job in jobs:
            begun = job.begun()
            outputs = (item.output for shard in job.read_shards(begun) for item in shard.items)
            for folder in {address_of(output).rpartition("/")[0] for output in outputs if output is not None}:
                self.root.sweep(folder)
            if begun:
                job.store.sweep("receipts")

    def _numbers(self) -> list[str]:
        return sorted((name for name in self.store.names() if name.isdecimal()), key=int)

    def _whole(self) -> list[Store]:
        stores = (self.store.below(name) for name in self._numbers())
        return [store for store in stores if HEADER in store.names()]


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
            f"{job.address} is a job with another model or other options: {'; '.join(differences)}. Go on with the "
            "same ones, or run without --resume to do everything anew.",
            source=job.address,
        )


def _differences(group: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what differs; where the name that a group goes by does, the rest of it goes without saying."""
    names = [name for name in dict.fromkeys([*now, *was]) if json.dumps(was.get(name)) != json.dumps(now.get(name))]
    return [f"{n} was {_shown(was.get(n))}, now {_shown(now.get(n))}" for n in ([group] if group in names else names)]


def _shown(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value).strip('"')
    return text if len(text) <= 40 else f"{text[:36]}..."
