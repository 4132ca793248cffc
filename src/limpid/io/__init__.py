"""Bytes to :class:`~limpid.core.Image` and back, with metadata. Codecs are imported nowhere else."""

from limpid.io.fits import check_fits
from limpid.io.formats import FORMAT_NAMES, SUFFIXES
from limpid.io.formats.base import ImageInfo
from limpid.io.paths import format_named, is_folder, is_image_path, output_suffix_for
from limpid.io.probe import probe
from limpid.io.read import DEFAULT_MAX_PIXELS, read_image
from limpid.io.write import write_image

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "FORMAT_NAMES",
    "SUFFIXES",
    "ImageInfo",
    "check_fits",
    "format_named",
    "is_folder",
    "is_image_path",
    "output_suffix_for",
    "probe",
    "read_image",
    "write_image",
]
