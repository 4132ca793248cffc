"""Metadata of a TIFF file: EXIF as a self-contained block, and tags carried byte for byte.

In TIFF, EXIF is spread over the main directory and two more that it points to. A block as other formats hold it
is gathered from them, and laid out again when written. Tag numbers: TIFF 6.0, EXIF 2.32 (section 4.6).
"""

from __future__ import annotations

import struct
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from limpid.core.errors import ReadError, WriteError
from limpid.core.image import Metadata
from limpid.io.ifd import EXIF, GPS, TYPE_BYTES, Directory, Entry, Tree, read_tree, write_tree

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["append_exif", "byte_order", "exif_tree", "extra_tags", "gather", "text_description"]

_DESCRIPTION: Final = 270
_XMP: Final = 700
_ICC: Final = 34675
#: Tags of the main directory that belong to an EXIF block: texts about camera and author, orientation, rating.
_EXIF_MAIN: Final = (_DESCRIPTION, 271, 272, 274, 305, 306, 315, 316, 18246, 18249, *range(40091, 40096), 33432)
#: Kept byte for byte: IPTC, Photoshop, ImageJ, GeoTIFF, GDAL.
_VERBATIM: Final = (33723, 34377, 50838, 50839, 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
#: tifffile writes no pointers. A neighbour's unused number keeps the place in the sorted directory until the
#: pointed-to directories are in the file.
_PLACEHOLDER: Final = {EXIF: EXIF - 1, GPS: GPS - 1}


def gather(tiff: TiffFile, page: TiffPage, file: BinaryIO) -> Metadata:
    """Return the metadata of the first page."""
    directory = _directory(tiff, page, file)
    entries = directory.entries
    extras: dict[str, Any] = {}
    if _structural_description(page):
        extras["tiff_description"] = entries[_DESCRIPTION].value
    verbatim = tuple((tag, entries[tag].type, entries[tag].value) for tag in _VERBATIM if tag in entries)
    if verbatim:
        extras["tiff_tags"] = verbatim
    if directory.order == ">":
        extras["tiff_byteorder"] = ">"
    resolution = _resolution(directory)
    if resolution is None and (x := directory.numbers(282)) and (y := directory.numbers(283)):
        extras["tiff_unitless_resolution"] = (x[0], y[0])
    return Metadata(
        exif=_exif_block(tiff, page, directory, file),
        icc=entries[_ICC].value if _ICC in entries else None,
        xmp=entries[_XMP].value if _XMP in entries else None,
        resolution=resolution,
        extras=extras,
    )


def text_description(metadata: Metadata) -> bytes | None:
    """Return the description in the image's EXIF block, None where there is none."""
    entry = exif_tree(metadata).directory.entries.get(_DESCRIPTION)
    return entry.value.rstrip(b"\x00") if entry else None


def exif_tree(metadata: Metadata) -> Tree:
    """Return what of the image's EXIF block is written to TIFF, in the byte order of the file to be."""
    if metadata.exif is None:
        return Tree(Directory(byte_order(metadata), {}), {})
    tree = read_tree(metadata.exif)
    kept = {tag: entry for tag, entry in tree.directory.entries.items() if tag in _EXIF_MAIN}
    return Tree(Directory(tree.directory.order, kept), tree.children).in_order(byte_order(metadata))


def byte_order(metadata: Metadata) -> Literal["<", ">"]:
    """Return the byte order a TIFF of this image gets: that of the TIFF it came from, else little-endian."""
    return ">" if metadata.extras.get("tiff_byteorder") == ">" else "<"


def extra_tags(metadata: Metadata, tree: Tree) -> list[tuple[int, int, int, bytes, bool]]:
    """Return tags for tifffile to write: number, type, count, value bytes, first page only."""
    tags = [(tag, e.type, e.count, e.value, True) for tag, e in tree.directory.entries.items() if tag != _DESCRIPTION]
    tags += [(_PLACEHOLDER[pointer], 4, 1, b"\x00\x00\x00\x00", True) for pointer in tree.children]
    tags += [(tag, t, len(v) // TYPE_BYTES[t], v, True) for tag, t, v in metadata.extras.get("tiff_tags", ())]
    if metadata.xmp is not None:
        tags.append((_XMP, 1, len(metadata.xmp), metadata.xmp, True))
    return tags


def append_exif(file: BinaryIO, tree: Tree) -> None:
    """Put the directories the main one points to at the end of a written file, and set the pointers."""
    from tifffile import TiffFile

    if not tree.children:
        return
    file.seek(0)
    with TiffFile(file) as tiff:
        if tiff.is_bigtiff:
            raise WriteError(
                "EXIF can't be written to a TIFF larger than 4 GB; leave the metadata out (strip_metadata=True, "
                "--strip-metadata), or write the planes as separate files."
            )
        written = tiff.pages.first.tags
        places = {
            tag: (written[_PLACEHOLDER[tag]].offset, written[_PLACEHOLDER[tag]].valueoffset) for tag in tree.children
        }
    order = tree.directory.order
    for tag, child in tree.children.items():
        end = file.seek(0, 2)
        if end % 2:
            end += file.write(b"\x00")
        file.write(write_tree(child, at=end))
        for offset, content in zip(
            places[tag], (struct.pack(f"{order}H", tag), struct.pack(f"{order}I", end)), strict=True
        ):
            file.seek(offset)
            file.write(content)


def _directory(tiff: TiffFile, page: TiffPage, file: BinaryIO) -> Directory:
    """Return the tags of a page that metadata may lie in, as stored."""
    wanted = {*_EXIF_MAIN, *_VERBATIM, _XMP, _ICC, EXIF, GPS, 282, 283, 296}
    entries: dict[int, Entry] = {}
    # Values of a whole file don't overlap; many tags of a crafted one may point to the same large block.
    room = file.seek(0, 2)
    for tag in page.tags:
        if tag.code in wanted and tag.code not in entries and int(tag.dtype) in TYPE_BYTES:
            room -= TYPE_BYTES[int(tag.dtype)] * tag.count
            if room < 0:
                raise ReadError("tags of this TIFF overlap: their values take more bytes than the file; it is damaged.")
            # tifffile lets the value of a pointer tag be the directory it points to.
            pointer_at = tag.offset + (12 if tiff.is_bigtiff else 8)
            file.seek(pointer_at if tag.code in (EXIF, GPS) else tag.valueoffset)
            value = file.read(TYPE_BYTES[int(tag.dtype)] * tag.count)
            entries[tag.code] = Entry(int(tag.dtype), tag.count, value)
    return Directory(tiff.byteorder, entries)


def _structural_description(page: TiffPage) -> bool:
    """Return whether the description states axes for a program, rather than words for a reader."""
    return bool(page.is_imagej or page.is_ome or page.is_shaped)


def _exif_block(tiff: TiffFile, page: TiffPage, directory: Directory, file: BinaryIO) -> bytes | None:
    """Return a self-contained EXIF block, None where the file has nothing for one."""
    main = {tag: entry for tag, entry in directory.entries.items() if tag in _EXIF_MAIN}
    if _structural_description(page):
        main.pop(_DESCRIPTION, None)
    # An upright image is the default: alone it is no reason for an EXIF block.
    if set(main) == {274} and directory.numbers(274) == (1,):
        main = {}
    children = {}
    for pointer in (EXIF, GPS):
        target = directory.target(pointer)
        if target is not None and not tiff.is_bigtiff:
            children[pointer] = read_tree(_contents(file), target, kind=pointer)
    if not main and not children:
        return None
    header = (b"II*\x00" if directory.order == "<" else b"MM\x00*") + struct.pack(f"{directory.order}I", 8)
    return header + write_tree(Tree(Directory(directory.order, main), children), at=8)


def _contents(file: BinaryIO) -> bytes | mmap:
    """Return the file as a block that is not loaded where the operating system can map it."""
    try:
        return mmap(file.fileno(), 0, access=ACCESS_READ)
    except OSError:
        file.seek(0)
        return file.read()


def _resolution(directory: Directory) -> tuple[float, float] | None:
    """Return pixels per inch; None without a unit of length, as microscopes write it."""
    x, y, unit = (directory.numbers(tag) for tag in (282, 283, 296))
    if not x or not y or (unit or (2,))[0] not in (2, 3) or not (x[0] > 0 and y[0] > 0):
        return None
    scale = 2.54 if unit and unit[0] == 3 else 1.0
    return _rounded(x[0] * scale), _rounded(y[0] * scale)


def _rounded(per_inch: float) -> float:
    """Return the whole number meant by one that a change of units has blurred."""
    return float(round(per_inch)) if abs(per_inch - round(per_inch)) < 1e-3 else per_inch
