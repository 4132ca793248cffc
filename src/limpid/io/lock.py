"""A lock on a file that ends with the process that has it, however that ends."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import IO, Final, Self

__all__ = ["Lock", "hold", "take_lock"]

_log = logging.getLogger(__name__)

#: What the operating system answers where another has the lock.
_TAKEN: Final = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class Lock:
    """A lock that is held until it is released, or the process ends."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def take_lock(path: Path, *, shared: bool = False, sure: bool = False) -> Lock | None:
    """Return a lock on a file, which is made if it is not there; None where another process or thread has it.

    Parameters
    ----------
    path : Path
        The file; nothing is written to it.
    shared : bool
        Whether others may have it too, who want it shared as well.
    sure : bool
        Return None, too, on a disk that knows no locks; a warning is logged there otherwise.

    Raises
    ------
    OSError
        If the file can't be opened.
    """
    file = path.open("ab")
    try:
        _lock(file.fileno(), shared=shared)
        # Who had it before may have removed the file since it was opened; then it is the lock of nothing.
        there = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        there = False
    except OSError as error:
        there = error.errno not in _TAKEN and not sure
        if there:
            _log.warning("%s can't be locked (%s): make sure that no other limpid works there", path, error.strerror)
    if there:
        return Lock(file)
    file.close()
    return None


def hold(file: IO[bytes], path: Path) -> Lock | None:
    """Return a lock on a file that was just made, which outlasts its closing; None if another was faster to take it.

    Where the system or the disk knows no such locks, it locks nothing.
    """
    if sys.platform == "win32":
        return Lock(None)
    copy = os.fdopen(os.dup(file.fileno()), "ab")
    try:
        _lock(copy.fileno(), shared=False)
        there = os.path.samestat(os.fstat(copy.fileno()), path.stat())
    except OSError as error:
        there = error.errno not in (*_TAKEN, errno.ENOENT)
    if there:
        return Lock(copy)
    copy.close()
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, shared: bool) -> None:
        if not shared:  # Windows has no other locks on files by the byte
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
