"""Where results are committed to: a folder on this machine, or a prefix in any store that fsspec reaches."""

from limpid.io.stores.base import Mark, Stamp, Store
from limpid.io.stores.place import is_url, store_at

__all__ = ["Mark", "Stamp", "Store", "is_url", "store_at"]
