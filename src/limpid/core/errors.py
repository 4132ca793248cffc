"""Every error limpid raises on purpose.

::

    LimpidError
    ├── InputError        an array, file or folder can't be used as it is
    │   ├── ImageError        values, axes or range of an image
    │   ├── ReadError         a file can't be decoded
    │   └── TooLargeError     a file announces more pixels than the limit
    ├── WriteError        an output can't be written
    ├── OptionError       an argument or option is wrong, before any work is done
    │   └── ConfigError       a configuration file
    ├── ModelError        a model is unknown, damaged or does not fit the image
    ├── DataError         a data set can't be found, downloaded or verified
    └── MissingExtraError an optional dependency is needed

Each message says what is wrong, what was received and what to do.
"""

from __future__ import annotations

from typing import Self

__all__ = [
    "ConfigError",
    "DataError",
    "ImageError",
    "InputError",
    "LimpidError",
    "MissingExtraError",
    "ModelError",
    "OptionError",
    "ReadError",
    "TooLargeError",
    "WriteError",
]


class LimpidError(Exception):
    """Root of the tree; catching it catches everything limpid raises on purpose.

    Attributes
    ----------
    source : str or None
        Path or id of what the error is about, where there is one.
    """

    def __init__(self, message: str, *, source: str | None = None) -> None:
        super().__init__(message)
        self.source = source


class InputError(LimpidError):
    """An input can't be used as it is."""


class ImageError(InputError, ValueError):
    """Values, axes or range of an image are wrong."""


class ReadError(InputError):
    """A file can't be decoded."""


class TooLargeError(InputError):
    """A file announces more pixels, or more bytes of values, than the limit."""


class WriteError(LimpidError):
    """An output can't be written."""


class OptionError(LimpidError, ValueError):
    """An argument or option is wrong; nothing was done."""


class ConfigError(OptionError):
    """A configuration file is wrong; nothing was done."""


class ModelError(LimpidError):
    """A model is unknown, damaged, or does not fit the image."""


class DataError(LimpidError):
    """A data set can't be found, downloaded or verified."""


class MissingExtraError(LimpidError, ImportError):
    """An optional dependency is needed; the message holds the command that installs it."""

    @classmethod
    def of(cls, package: str, *, extra: str, purpose: str) -> Self:
        """Return the error that says which package is missing, for what, and which extra of limpid installs it."""
        return cls(f'{purpose} needs {package}, which is not installed; run: pip install "limpid[{extra}]"')
