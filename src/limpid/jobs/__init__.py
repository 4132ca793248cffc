"""Large work, resumable: a frozen plan in shards, any task over its items, one receipt for each shard, and an account.

Nothing here knows what an item is made into; a task that is handed in does.
"""

from limpid.jobs.folder import JobFolder, Key, check_same, last_rows
from limpid.jobs.job import About, Job, Row
from limpid.jobs.manifest import Item

__all__ = ["About", "Item", "Job", "JobFolder", "Key", "Row", "check_same", "last_rows"]
