"""The columns of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

__all__ = ["ASSIGNED", "COLUMNS", "VERSION", "Row"]

#: Of the catalogue's format: another number is refused. It goes up when a column goes, or changes its meaning.
VERSION: Final = 1

#: One image, by column; what is not known is None.
Row = Mapping[str, Any]

#: What is measured of each image, column -> SQL type.
COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # What it is
        "uri": "VARCHAR",
        "folder": "VARCHAR",
        "size": "BIGINT",
        "version": "VARCHAR",
        "fingerprint": "BIGINT",
        "sha256": "VARCHAR",
        "phash": "BIGINT",
        "format": "VARCHAR",
        "width": "INTEGER",
        "height": "INTEGER",
        "planes": "INTEGER",
        "channels": "INTEGER",
        "dtype": "VARCHAR",
        "bits": "INTEGER",
        "low": "DOUBLE",
        "high": "DOUBLE",
        # How it was taken
        "camera": "VARCHAR",
        "iso": "DOUBLE",
        "exposure_s": "DOUBLE",
        "taken": "TIMESTAMP",
        # How it looks
        "mean": "DOUBLE",
        "snr_db": "DOUBLE",
        "sharpness": "DOUBLE",
        # Its noise, in its own units
        "sigma": "DOUBLE",
        "sigma_low": "DOUBLE",
        "sigma_high": "DOUBLE",
        "sigma_per_channel": "DOUBLE[]",
        "gain": "DOUBLE",
        "gain_low": "DOUBLE",
        "gain_high": "DOUBLE",
        "floor": "DOUBLE",
        "read_noise": "DOUBLE",
        "read_noise_low": "DOUBLE",
        "read_noise_high": "DOUBLE",
        "correlation_x": "DOUBLE",
        "correlation_y": "DOUBLE",
        "correlation_error": "DOUBLE",
        "white": "BOOLEAN",
        "impulse_share": "DOUBLE",
        "clipped_share": "DOUBLE",
        "clipped_low": "DOUBLE",
        "clipped_high": "DOUBLE",
        "jpeg_blocking": "DOUBLE",
        "fixed_pattern": "DOUBLE",
        "advice": "VARCHAR[]",
        "error": "VARCHAR",
    }
)

#: What follows from all images together.
ASSIGNED: Final[Mapping[str, str]] = MappingProxyType({"cohort": "INTEGER", "cohort_sure": "DOUBLE"})
