"""Tag directories as TIFF files and EXIF blocks hold them, read and laid out as bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Final

import numpy as np

__all__ = [
    "EXIF",
    "GPS",
    "MAX_VALUE_BYTES",
    "TYPE_BYTES",
    "Directory",
    "Entry",
    "Tree",
    "read_directory",
    "read_tree",
    "write_directory",
    "write_tree",
]

#: Bytes of one element and its struct letter, by TIFF type; rationals are pairs.
_TYPES: Final[Mapping[int, tuple[int, str]]] = {
    1: (1, "B"),
    2: (1, "B"),
    3: (2, "H"),
    4: (4, "I"),
    5: (8, "II"),
    6: (1, "b"),
    7: (1, "B"),
    8: (2, "h"),
    9: (4, "i"),
    10: (8, "ii"),
    11: (4, "f"),
    12: (8, "d"),
    13: (4, "I"),
}
#: Bytes of one element, by TIFF type.
TYPE_BYTES: Final[Mapping[int, int]] = {type_: size for type_, (size, _) in _TYPES.items()}
_HEADER_BYTES: Final = 8
_ORDERS: Final[Mapping[bytes, str]] = {b"II": "<", b"MM": ">"}
#: Tags that point to another directory.
EXIF, GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
#: Which of them may stand in a directory, by the tag that led there (None: the main one). Levels are fixed, so that a
#: file can't describe a graph of directories that takes exponential time to walk (EXIF 2.32, section 4.6.3).
_POINTERS: Final[Mapping[int | None, tuple[int, ...]]] = {None: (EXIF, GPS), EXIF: (_INTEROPERABILITY,)}
_POINTER_TYPES: Final = (3, 4, 13)
#: Bytes that all values of one directory take at most; maker notes with previews are a few million. Values of a
#: whole file don't overlap, so they never take more than it has; those of a crafted one may all be the same block.
MAX_VALUE_BYTES: Final = 1 << 26


@dataclass(frozen=True)
class Entry:
    """One tag: its TIFF type, number of elements, and value bytes in the directory's byte order."""

    type: int
    count: int
    value: bytes


@dataclass(frozen=True)
class Directory:
    """Tags by number. `order` is ``<`` or ``>``, the byte order of all values."""

    order: str
    entries: Mapping[int, Entry]

    def numbers(self, tag: int) -> tuple[float, ...]:
        """Return a tag's values, rationals divided; empty where it is absent or damaged."""
        entry = self.entries.get(tag)
        if entry is None or entry.type not in _TYPES:
            return ()
        letters = _TYPES[entry.type][1]
        try:
            flat = struct.unpack(f"{self.order}{len(letters) * entry.count}{letters[0]}", entry.value)
        except struct.error:
            return ()
        if len(letters) == 1:
            return flat
        return tuple(a / b if b else 0.0 for a, b in zip(flat[::2], flat[1::2], strict=True))

    def target(self, pointer: int) -> int | None:
        """Return the offset a pointer tag holds; None where it is absent or no offset into what follows a header."""
        entry, offset = self.entries.get(pointer), self.numbers(pointer)
        if entry is None or entry.type not in _POINTER_TYPES or not offset or offset[0] < _HEADER_BYTES:
            return None
        return int(offset[0])

    def in_order(self, order: str) -> Directory:
        """Return the same values in another byte order."""
        if order == self.order:
            return self
        return Directory(order, {tag: _swapped(entry) for tag, entry in self.entries.items()})


@dataclass(frozen=True)
class Tree:
    """A directory and those its pointer tags lead to, by pointer tag."""

    directory: Directory
    children: Mapping[int, Tree]

    def in_order(self, order: str) -> Tree:
        """Return the same values in another byte order."""
        return Tree(
            self.directory.in_order(order), {tag: child.in_order(order) for tag, child in self.children.items()}
        )


def read_directory(block: bytes | mmap, offset: int | None = None) -> Directory:
    """Return the directory at `offset` (default: the first) of a block that begins with a TIFF header.

    Entries that point outside the block are left out, and those whose values would together take more bytes than
    the block has or :data:`MAX_VALUE_BYTES`; a block that is no TIFF gives an empty directory.
    """
    order = _ORDERS.get(block[:2])
    if order is None or len(block) < _HEADER_BYTES:
        return Directory("<", {})
    if offset is None:
        offset = _first(block)
    entries: dict[int, Entry] = {}
    if offset + 2 > len(block):
        return Directory(order, entries)
    (count,) = struct.unpack_from(f"{order}H", block, offset)
    room = min(len(block), MAX_VALUE_BYTES)
    for position in range(offset + 2, min(offset + 2 + 12 * count, len(block) - 11), 12):
        tag, type_, elements = struct.unpack_from(f"{order}HHI", block, position)
        if type_ not in _TYPES:
            continue
        size = _TYPES[type_][0] * elements
        start = position + 8 if size <= 4 else struct.unpack_from(f"{order}I", block, position + 8)[0]
        if start + size <= len(block) and size <= room:
            room -= size
            entries[tag] = Entry(type_, elements, block[start : start + size])
    return Directory(order, entries)


def write_directory(directory: Directory, *, at: int) -> bytes:
    """Return the bytes of a directory that will lie at offset `at` (even), values after their entries.

    Tags are sorted, as TIFF 6.0 (section 2) requires, and no directory follows.
    """
    order, tags = directory.order, sorted(directory.entries)
    table = [struct.pack(f"{order}H", len(tags))]
    values = []
    position = at + 2 + 12 * len(tags) + 4
    for tag in tags:
        entry = directory.entries[tag]
        head = struct.pack(f"{order}HHI", tag, entry.type, entry.count)
        if len(entry.value) <= 4:
            table.append(head + entry.value.ljust(4, b"\x00"))
        else:
            table.append(head + struct.pack(f"{order}I", position))
            values.append(entry.value + b"\x00" * (len(entry.value) % 2))
            position += len(values[-1])
    return b"".join((*table, b"\x00\x00\x00\x00", *values))


def read_tree(block: bytes | mmap, offset: int | None = None, *, kind: int | None = None) -> Tree:
    """Return the directory at `offset` (default: the first) of a block, and those it points to.

    Parameters
    ----------
    block : bytes or mmap
        Begins with a TIFF header.
    offset : int, optional
        Where the directory begins.
    kind : int, optional
        The pointer tag that led to the directory, such as :data:`EXIF`; default: it is the main one. It decides
        which other directories may follow; each is read once.
    """
    return _tree(block, offset, kind, set())


def _tree(block: bytes | mmap, offset: int | None, kind: int | None, seen: set[int]) -> Tree:
    """Read one level; `seen` holds the offsets read so far."""
    seen.add(_first(block) if offset is None else offset)
    directory = read_directory(block, offset)
    entries, children = dict(directory.entries), {}
    for pointer in (EXIF, GPS, _INTEROPERABILITY):
        entries.pop(pointer, None)
        target = directory.target(pointer)
        if pointer in _POINTERS.get(kind, ()) and target is not None and target not in seen:
            children[pointer] = _tree(block, target, pointer, seen)
    return Tree(Directory(directory.order, entries), children)


def write_tree(tree: Tree, *, at: int) -> bytes:
    """Return the bytes of a tree whose root will lie at offset `at` (even), children after it."""
    order, entries = tree.directory.order, dict(tree.directory.entries)
    entries.update({tag: Entry(4, 1, b"\x00\x00\x00\x00") for tag in tree.children})
    position = at + len(write_directory(Directory(order, entries), at=at))
    parts = []
    for tag, child in tree.children.items():
        entries[tag] = Entry(4, 1, struct.pack(f"{order}I", position))
        parts.append(write_tree(child, at=position))
        position += len(parts[-1])
    return b"".join((write_directory(Directory(order, entries), at=at), *parts))


def _first(block: bytes | mmap) -> int:
    """Return the offset of the main directory, which a header states; 0 where there is no header."""
    order = _ORDERS.get(block[:2])
    return int(struct.unpack_from(f"{order}I", block, 4)[0]) if order and len(block) >= _HEADER_BYTES else 0


def _swapped(entry: Entry) -> Entry:
    """Return an entry with the bytes of each number reversed; rationals are two numbers."""
    if not entry.value:
        return entry
    width = struct.calcsize(f"={_TYPES[entry.type][1][0]}")
    return Entry(entry.type, entry.count, np.frombuffer(entry.value, f"u{width}").byteswap().tobytes())
