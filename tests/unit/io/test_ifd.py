"""Tag directories are read in bounded time and memory, whatever they point to."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from limpid.core.errors import ReadError
from limpid.core.image import Image, Metadata
from limpid.io import read_image, write_image
from limpid.io.ifd import EXIF, GPS, TYPE_BYTES, Directory, Entry, Tree, read_directory, read_tree, write_tree

INTEROPERABILITY = 0xA005
HEADER = {"<": b"II*\x00\x08\x00\x00\x00", ">": b"MM\x00*\x00\x00\x00\x08"}
NOISE = np.random.default_rng(0).integers(0, 255, (8, 9, 3), dtype=np.uint8)


def graph(levels: int) -> bytes:
    """Return an EXIF block of directories that each hold three pointers to the next: 3**levels ways through it."""
    size = 2 + 3 * 12 + 4
    parts = []
    for level in range(levels):
        following = 8 + size * (level + 1)
        pointers = (struct.pack("<HHII", tag, 4, 1, following) for tag in (EXIF, GPS, INTEROPERABILITY))
        parts.append(struct.pack("<H", 3) + b"".join(pointers) + bytes(4))
    return b"".join((HEADER["<"], *parts, bytes(6)))


def overlapping(tags: int, size: int) -> bytes:
    """Return an EXIF block whose tags all have the same `size` bytes as their value."""
    at = 8 + 2 + 12 * tags + 4
    table = b"".join(struct.pack("<HHII", tag, 7, size, at) for tag in range(1, tags + 1))
    return HEADER["<"] + struct.pack("<H", tags) + table + bytes(4) + bytes(size)


def depth(tree: Tree) -> int:
    return 1 + max((depth(child) for child in tree.children.values()), default=0)


def test_a_graph_of_directories_is_walked_by_fixed_levels() -> None:
    tree = read_tree(graph(200))
    assert depth(tree) <= 3
    assert set(tree.children) <= {EXIF, GPS}


def test_a_crafted_exif_block_is_written_to_tiff_and_read_from_it_at_once(tmp_path: Path) -> None:
    image = Image(NOISE, "YXC", (0, 255), metadata=Metadata(exif=graph(200)))
    write_image(image, tmp_path / "a.tif")
    assert len(read_image(tmp_path / "a.tif").metadata.exif or b"") < 200


@pytest.mark.parametrize("target", [0, 8])
def test_a_pointer_back_is_not_followed(target: int) -> None:
    block = HEADER["<"] + struct.pack("<HHHIII", 1, EXIF, 4, 1, target, 0)
    assert read_tree(block).children == {}


def test_a_directory_before_the_main_one_is_found() -> None:
    orientation = struct.pack("<HHHIII", 1, 0x9209, 3, 1, 1, 0)
    main = struct.pack("<HHHIII", 1, EXIF, 4, 1, 8, 0)
    block = b"II*\x00" + struct.pack("<I", 8 + len(orientation)) + orientation + main
    assert read_tree(block).children[EXIF].directory.numbers(0x9209) == (1,)


def test_values_that_all_are_the_same_block_are_copied_no_more_than_the_block_has() -> None:
    block = overlapping(65_535, 1_000_000)
    copied = sum(len(entry.value) for entry in read_directory(block).entries.values())
    assert 0 < copied <= len(block)


def test_a_tiff_whose_tags_share_one_large_value_is_refused() -> None:
    buffer = io.BytesIO()
    tags = [(tag, 7, 4000, bytes(4000), True) for tag in (33550, 33922, 34264, 42112, 42113)]
    tifffile.imwrite(buffer, NOISE, photometric="rgb", metadata=None, extratags=tags)
    data = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tiff:
        written = [tiff.pages.first.tags[tag] for tag, *_ in tags]
    for tag in written:
        struct.pack_into("<II", data, tag.offset + 4, 15_000, written[0].valueoffset)
    assert len(read_image(buffer.getvalue()).metadata.extras["tiff_tags"]) == len(tags)
    with pytest.raises(ReadError, match="tags of this TIFF overlap"):
        read_image(bytes(data))


values = st.sampled_from(sorted(TYPE_BYTES)).flatmap(
    lambda type_: st.integers(0, 9).flatmap(
        lambda count: st.binary(min_size=count * TYPE_BYTES[type_], max_size=count * TYPE_BYTES[type_]).map(
            lambda value: Entry(type_, count, value)
        )
    )
)
entries = st.dictionaries(st.integers(1, 0x8000), values, max_size=5)


@given(st.sampled_from("<>"), entries, entries, entries)
def test_reading_undoes_writing_in_either_byte_order(
    order: str, main: dict[int, Entry], exif: dict[int, Entry], gps: dict[int, Entry]
) -> None:
    children = {EXIF: Tree(Directory(order, exif), {}), GPS: Tree(Directory(order, gps), {})}
    tree = Tree(Directory(order, main), children)
    assert read_tree(HEADER[order] + write_tree(tree, at=8)) == tree
    other = "<" if order == ">" else ">"
    assert read_tree(HEADER[other] + write_tree(tree.in_order(other), at=8)).in_order(order) == tree
