"""Which format a file is in, by its first bytes; the suffix is never asked."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from limpid.core.errors import ReadError

__all__ = ["HEAD_BYTES", "identify"]

#: Bytes that decide the format; DICOM has its mark behind 128 free ones.
HEAD_BYTES: Final = 132

_OURS: Final = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "tiff": re.compile(rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    # An AVIF file may name itself by a general brand (mif1) first and list avif after it.
    "avif": re.compile(rb"....ftyp(avif|avis|(mif1|msf1|miaf).{0,40}avi[fs])", re.DOTALL),
}
_FOREIGN: Final = {
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM.{4}\x00\x00\x00\x00", re.DOTALL),
    "JPEG XL": re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    "JPEG 2000": re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"),
    "HEIC": re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL),
    "Canon raw": re.compile(rb"....ftypcrx |II\x2a\x00....CR", re.DOTALL),
    "Fujifilm raw": re.compile(rb"FUJIFILMCCD-RAW"),
    "OpenEXR": re.compile(rb"\x76\x2f\x31\x01"),
    "Photoshop": re.compile(rb"8BPS"),
    "PDF": re.compile(rb"%PDF"),
    "SVG or XML": re.compile(rb"\s*<(\?xml|svg)"),
    "DICOM": re.compile(rb".{128}DICM", re.DOTALL),
    "FITS": re.compile(rb"SIMPLE  ="),
    "netpbm": re.compile(rb"P[1-7][\s]"),
    "HDF5": re.compile(rb"\x89HDF"),
    "NumPy": re.compile(rb"\x93NUMPY"),
    "ZIP": re.compile(rb"PK\x03\x04"),
    "gzip": re.compile(rb"\x1f\x8b"),
}
_READABLE: Final = "limpid reads PNG, JPEG, TIFF, WebP and AVIF"


def identify(file: BinaryIO) -> str:
    """Return the name of the file's format and leave the file at its start.

    Raises
    ------
    ReadError
        If the file is empty, no image, or an image of another kind, which is named.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if not head:
        raise ReadError("the file is empty (0 bytes); restore it from its origin.")
    # Camera raw files of some makers share TIFF's first bytes.
    if not _FOREIGN["Canon raw"].match(head):
        for name, magic in _OURS.items():
            if magic.match(head):
                return name
    for title, magic in _FOREIGN.items():
        if magic.match(head):
            raise ReadError(_foreign_message(title, file))
    if b"\x00" not in head and all(byte in b"\t\n\r" or byte >= 32 for byte in head):
        raise ReadError(f"this is text, not an image: it begins with {head[:24]!r}; {_READABLE}.")
    if any(name_start.startswith(head) for name_start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")):
        raise ReadError(f"the file is truncated: it ends after {len(head)} bytes; restore it from its origin.")
    raise ReadError(f"not an image file: it begins with {head[:8].hex(' ')}; {_READABLE}.")


def _foreign_message(title: str, file: BinaryIO) -> str:
    """Say what a known but unread format needs."""
    if title == "GIF" and (frames := _gif_frames(file)) > 1:
        return f"this is an animated GIF of {frames} frames; extract the frames, for example as PNG files."
    return f"{title} files are not read; convert it to PNG or TIFF. {_READABLE}."


def _gif_frames(file: BinaryIO) -> int:
    """Count frames, 1 where the file is too damaged to tell."""
    from PIL import GifImagePlugin

    try:
        with GifImagePlugin.GifImageFile(file) as gif:
            return int(gif.n_frames)
    except (OSError, SyntaxError, ValueError, EOFError):
        return 1
