"""A file that appears whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from limpid.core.errors import LimpidError, WriteError
from limpid.io.lock import hold
from limpid.io.own import TEMPORARY

__all__ = ["give_up", "replacing"]

#: Temporary files that exist right now: what has to go where a process must end without unwinding.
_IN_FLIGHT: Final[set[Path]] = set()

#: Set when the process is about to end: from then on, threads that still run begin no file.
_ending = threading.Event()

#: Bytes a file name may have on the file systems in use.
_MAX_NAME_BYTES: Final = 255


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write; when the block ends well it is flushed to disk and takes the place of `path`.

    It has another name in the same folder until then, since a rename is atomic only within one file system. It is
    locked for as long, so that what a killed process left can be told from it, and swept away.
    Whatever ends the block early, an interrupt included, removes it and leaves `path` as it was. A file that is
    replaced passes its permissions on; a new one gets those that umask asks for.

    Raises
    ------
    WriteError
        If the operating system refuses, with its reason, or if an encoder fails.
    """
    temporary, lock = path, None
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if len(os.fsencode(path.name)) > _MAX_NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        mode = _permissions(path)
        while lock is None:  # it is not only where a sweeper took a file in the moment that it was made
            temporary = _new_name(path)
            # Mode "x" creates it with the permissions umask asks for; the tempfile module would make it private. What
            # takes the place of a file that may be private is private until it is whole.
            file = open(temporary, "x+b", opener=None if mode is None else _private)  # noqa: SIM115
            if (lock := hold(file, temporary)) is None:
                file.close()
                _IN_FLIGHT.discard(temporary)
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            # A file system without permissions may refuse; then all its files have the same.
            with suppress(OSError):
                temporary.chmod(mode)
        temporary.replace(path)
    except BaseException as error:
        if temporary != path:
            with suppress(OSError):
                temporary.unlink()
        if isinstance(error, OSError):
            raise WriteError(_reason(error, path)) from error
        if isinstance(error, LimpidError | MemoryError) or not isinstance(error, Exception):
            raise
        raise WriteError(f"it can't be encoded: {type(error).__name__}: {error}.") from error
    finally:
        _IN_FLIGHT.discard(temporary)
        if lock is not None:
            lock.release()


def give_up() -> None:
    """Remove what is being written and let nothing be begun: the process is about to end without unwinding."""
    _ending.set()
    for temporary in list(_IN_FLIGHT):
        with suppress(OSError):
            temporary.unlink()


def _new_name(path: Path) -> Path:
    """Return a name beside a file that nobody has; from here on it goes where the process gives up."""
    temporary = path.with_name(TEMPORARY.replace("*", secrets.token_hex(8)))
    _IN_FLIGHT.add(temporary)
    if _ending.is_set():
        raise SystemExit
    return temporary


def _permissions(path: Path) -> int | None:
    """Return the permission bits of an existing file, None where there is none to be asked."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    except OSError:
        return None


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read, for :func:`open`."""
    return os.open(path, flags, 0o600)


def _reason(error: OSError, path: Path) -> str:
    """Say what the operating system refused and what to do."""
    if error.errno == errno.ENOSPC:
        return "the disk is full; free space or write elsewhere."
    if error.errno == errno.EISDIR:
        return "this is a folder; name a file in it."
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"the folder {path.parent} does not exist; create it first."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write in {path.parent} ({error.strerror}); choose another folder."
    if error.errno == errno.ENAMETOOLONG:
        return f"the file name has more than {_MAX_NAME_BYTES} bytes; shorten it."
    return f"it can't be written: {error.strerror or error}."
