"""Where the images of a collection come from: files, folders, globs, lists and shards, local or in any store.

A collection is a stream: items come one at a time, in an order that depends on their names alone, and nothing is read
before it is asked for. Each kind of source is a module that is imported when an address of its kind is met.
"""

from limpid.io.sources.find import find_items, item_of
from limpid.io.sources.item import Item, uri_of

__all__ = ["Item", "find_items", "item_of", "uri_of"]
