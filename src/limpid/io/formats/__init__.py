"""The table of formats. A codec is imported only when a file of its kind is met."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from limpid.io.formats.base import Codec, Format

__all__ = ["FORMATS", "FORMAT_NAMES", "SUFFIXES", "codec_for"]

#: Every format limpid reads and writes, by name; each has a module of that name in this folder.
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Format("png", "PNG", (".png",), ("uint8", "uint16")),
            Format(
                "jpeg",
                "JPEG",
                (".jpg", ".jpeg", ".jpe", ".jfif"),
                ("uint8",),
                alpha=False,
                max_side=65_500,
                max_xmp_bytes=65_504,
            ),
            Format(
                "tiff",
                "TIFF",
                (".tif", ".tiff"),
                ("uint8", "uint16", "float32"),
                stacks=True,
                many_channels=True,
            ),
            Format("webp", "WebP", (".webp",), ("uint8",), max_side=16_383, gray=False, gray_alpha=False),
            Format("avif", "AVIF", (".avif",), ("uint8",), max_side=16_384, gray_alpha=False),
        )
    }
)

#: File-name suffix (lower case, with the dot) to format name.
SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {suffix: entry.name for entry in FORMATS.values() for suffix in entry.suffixes}
)

#: What a format may be called in an argument (lower case) to format name: its name, and its suffixes without the dot.
FORMAT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {name: name for name in FORMATS} | {suffix[1:]: name for suffix, name in SUFFIXES.items()}
)


def codec_for(name: str) -> Codec:
    """Import and return the codec of a format in :data:`FORMATS`."""
    return cast("Codec", importlib.import_module(f"limpid.io.formats.{name}"))
