"""A file, or bytes, opened for reading; whatever goes wrong becomes an error that names it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from limpid.core.errors import LimpidError, MissingExtraError, ReadError, TooLargeError

__all__ = ["Source", "opened"]

Source = str | PathLike[str] | bytes


@contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, str | None]]:
    """Give the open file and its name (None for bytes); errors raised inside leave with the name on them.

    Raises
    ------
    ReadError
        If the file can't be opened, or whatever a decoder raised.
    TooLargeError
        If memory runs out.
    MissingExtraError
        As it was raised: it is about the installation, not about the file.
    """
    name = None if isinstance(source, bytes) else os.fspath(source)
    if name == "":
        raise ReadError("the name of the file is empty; name an image file.", source=name)
    label = name or "image bytes"
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
            yield file, name
    except MissingExtraError:
        raise
    except LimpidError as error:
        raise type(error)(f"{label}: {error}", source=name) from error
    except MemoryError as error:
        message = f"{label}: not enough memory to decode it; free some, or split the file."
        raise TooLargeError(message, source=name) from error
    except OSError as error:
        raise ReadError(f"{label}: {_reason(error)}", source=name) from error
    # Decoders raise whatever they like on damaged data (SyntaxError, struct.error, zlib.error, RuntimeError, ...).
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        raise ReadError(f"{label}: the file is damaged ({detail}); restore it from its origin.", source=name) from error


def _reason(error: OSError) -> str:
    """Say what the operating system refused and what to do."""
    if isinstance(error, FileNotFoundError):
        return "no such file; check the path."
    if isinstance(error, IsADirectoryError):
        return "this is a folder, not a file; name a file in it."
    if isinstance(error, PermissionError):
        return "no permission to read it; change its permissions or run as its owner."
    if error.errno is None:
        return f"the file is damaged ({error}); restore it from its origin."
    return f"it can't be read: {error.strerror}."
