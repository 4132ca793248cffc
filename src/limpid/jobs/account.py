"""Whether every item of every plan has its receipt, and every output is as it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

from limpid.io.own import JOB_FOLDER
from limpid.io.sources.item import address_of
from limpid.io.stores import Store
from limpid.jobs.folder import Key
from limpid.jobs.job import Job, Row
from limpid.jobs.manifest import Shard

__all__ = ["Account", "Problem", "account_of"]


@dataclass(frozen=True)
class Problem:
    """What is not as the record says.

    Attributes
    ----------
    output : str
        A file, named from the output folder; or a part of the record.
    what : str
        What is wrong with it.
    """

    output: str
    what: str


@dataclass(frozen=True)
class Account:
    """What became of the images of all jobs in a folder; of one that was planned again, the last time counts.

    Attributes
    ----------
    images : int
        The sum of `done`, `failed` and `pending`.
    done, failed : int
        With and without a result; the reasons are on record.
    changed : int
        Of those done: another file than when it was planned.
    pending : int
        Planned, without a receipt.
    pending_shards : mapping
        Folder of a job -> its shards without a receipt.
    problems : tuple of Problem
        What is not as it was recorded.
    """

    images: int
    done: int
    failed: int
    changed: int
    pending: int
    pending_shards: dict[str, list[int]]
    problems: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


def account_of(jobs: Iterable[Job], root: Store, *, checksums: bool = False) -> Account:
    """Return what is accounted for; every output is looked at, and read where `checksums` are wanted.

    Parameters
    ----------
    jobs : iterable of Job
        In the order they were planned.
    root : Store
        The output folder.
    checksums : bool
        Compare contents too, not just size.

    Raises
    ------
    OptionError
        If a receipt can't be read.
    """
    last: dict[Key, Row | None] = {}
    problems: list[Problem] = []
    pending: dict[str, list[int]] = {}
    for job in jobs:
        committed = job.committed()
        for shard in job.read_shards(range(job.shards)):
            rows = job.receipt(shard.number) if shard.number in committed else None
            if rows is None:
                pending.setdefault(job.address, []).append(shard.number)
            elif not _match(rows, shard):
                where = f"{JOB_FOLDER}/{PurePath(job.address).name}, shard {shard.number}"
                problems.append(Problem(where, "its receipt is not that of its items"))
                rows = None
            for place, item in enumerate(shard.items):
                last[item.input, item.output] = None if rows is None else rows[place]
    known = [row for row in last.values() if row is not None]
    done = [row for row in known if row["status"] == "ok"]
    problems += _lost(done, root, checksums=checksums)
    return Account(
        images=len(last),
        done=len(done),
        failed=len(known) - len(done),
        changed=sum(bool(row["changed"]) for row in done),
        pending=len(last) - len(known),
        pending_shards=pending,
        problems=tuple(problems),
    )


def _match(rows: list[Row], shard: Shard) -> bool:
    """Return whether a receipt has one row for each item."""
    return [(row.get("input"), row.get("output")) for row in rows] == [(one.input, one.output) for one in shard.items]


def _lost(rows: Iterable[Row], root: Store, *, checksums: bool) -> Iterator[Problem]:
    """Yield the outputs that are not as they were written."""
    stamp_of = root.lookup()
    for row in rows:
        name = address_of(row["output"])
        stamp = stamp_of(name)
        if stamp is None:
            yield Problem(name, "the output is gone")
        elif stamp.size != row["output_size"]:
            yield Problem(name, f"{stamp.size:,} bytes; {row['output_size']:,} were written")
        elif checksums and _sha256_of(root, name) != row["output_sha256"]:
            yield Problem(name, "its contents are not what was written")


def _sha256_of(root: Store, name: str) -> str:
    with root.open(name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # which asks for little
