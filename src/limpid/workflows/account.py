"""Account for every image of an output folder."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path

from limpid.core.errors import OptionError
from limpid.jobs import JobFolder
from limpid.jobs.account import Account, account_of
from limpid.workflows.task import shown

__all__ = ["Account", "verify"]


def verify(folder: str | PathLike[str], *, checksums: bool = False) -> Account:
    """Return whether every image that was planned has its receipt, and every output is as it was written.

    Parameters
    ----------
    folder : str or path
        The output folder; in place, the one that ``limpid-job`` lies in.
    checksums : bool
        Read every output, and compare its contents with what was written.

    Raises
    ------
    OptionError
        If there is no record, or it is not as it was written.
    """
    root = Path(folder).expanduser()
    record = JobFolder(root.resolve())
    jobs = record.jobs()
    if not jobs:
        raise OptionError(
            f"{root} has no record of a job ({record.path.name}); name the output folder of one.", source=str(root)
        )
    found = account_of(jobs, record.root, checksums=checksums)
    return replace(
        found,
        pending_shards={str(shown(Path(job))): numbers for job, numbers in found.pending_shards.items()},
        problems=tuple(replace(problem, output=str(shown(Path(problem.output)))) for problem in found.problems),
    )
