"""Account for every image of an output folder."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path

from limpid.core.errors import OptionError
from limpid.io.own import JOB_FOLDER
from limpid.io.stores import is_url, store_at
from limpid.jobs import JobFolder
from limpid.jobs.account import Account, account_of
from limpid.workflows.planned import shown, shown_below

__all__ = ["Account", "verify"]


def verify(folder: str | PathLike[str], *, checksums: bool = False) -> Account:
    """Return whether every image that was planned has its receipt, and every output is as it was written.

    Parameters
    ----------
    folder : str or path
        The output folder, here or in a store; in place, the one that ``limpid-job`` lies in.
    checksums : bool
        Read every output, and compare its contents with what was written.

    Raises
    ------
    OptionError
        If there is no record, or it is not as it was written.
    """
    root = fspath(folder)
    store = store_at(root if is_url(root) else Path(root).expanduser().resolve())
    record = JobFolder(store)
    jobs = record.jobs()
    if not jobs:
        raise OptionError(f"{root} has no record of a job ({JOB_FOLDER}); name the output folder of one.", source=root)
    found = account_of(jobs, store, checksums=checksums)
    return replace(
        found,
        pending_shards={shown(job): numbers for job, numbers in found.pending_shards.items()},
        problems=tuple(
            replace(problem, output=shown(shown_below(store.address, problem.output))) for problem in found.problems
        ),
    )
