"""Whether every item of every plan has its receipt, and every output is as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from limpid.jobs.folder import Key
from limpid.jobs.job import Job, Row
from limpid.jobs.manifest import Shard
from limpid.jobs.names import path_of
from limpid.jobs.stamp import Stamp, sha256_of

__all__ = ["Account", "Problem", "account_of"]


@dataclass(frozen=True)
class Problem:
    """What is not as the record says.

    Attributes
    ----------
    output : str
        A file.
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


def account_of(jobs: Iterable[Job], root: Path, *, checksums: bool = False) -> Account:
    """Return what is accounted for; every output is looked at, and read where `checksums` are wanted.

    Parameters
    ----------
    jobs : iterable of Job
        In the order they were planned.
    root : Path
        The folder that paths are recorded from.
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
                pending.setdefault(str(job.folder), []).append(shard.number)
            elif not _match(rows, shard):
                problems.append(Problem(f"{job.folder}, shard {shard.number}", "its receipt is not that of its items"))
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


def _lost(rows: Iterable[Row], root: Path, *, checksums: bool) -> Iterator[Problem]:
    """Yield the outputs that are not as they were written."""
    for row in rows:
        path = path_of(row["output"], root)
        stamp = Stamp.of(path)
        if stamp is None:
            yield Problem(str(path), "the output is gone")
        elif stamp.size != row["output_size"]:
            yield Problem(str(path), f"{stamp.size:,} bytes; {row['output_size']:,} were written")
        elif checksums and sha256_of(path) != row["output_sha256"]:
            yield Problem(str(path), "its contents are not what was written")
