"""Work that may be interrupted: what was done is on record, and is not done again."""

from limpid.jobs.manifest import MANIFEST_NAME, Entry, Manifest, Stamp

__all__ = ["MANIFEST_NAME", "Entry", "Manifest", "Stamp"]
