"""A lock in a store: an object that its owner renews, and that is nobody's when it is not renewed any more.

Locks are numbered, and the highest number counts. One is taken by making the next number, which a store that knows
conditional writes (S3, Google Cloud) grants to one process alone. In other stores two that begin within the same moment
may both be granted it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

__all__ = ["leased"]

_log = logging.getLogger(__name__)

#: A lock is renewed as often,
_RENEWED_S: Final = 10.0
#: and taken for that of a process that is no more if it was not for so long.
_PATIENCE_S: Final = 35.0
#: How often it is looked.
_LOOK_S: Final = 1.0


@contextmanager
def leased(files: Any, path: str, *, look_only: bool = False) -> Iterator[bool]:
    """Hold a lock for as long as the block lasts; give False where another process does.

    Parameters
    ----------
    files : AbstractFileSystem
        fsspec's access to a store.
    path : str
        Of the lock; ``-`` and its number are added.
    look_only : bool
        Only see whether another process holds it.

    Raises
    ------
    OSError
        If the store refuses.
    """
    while True:
        numbers = _numbers(files, path)
        if numbers and _is_held(files, f"{path}-{numbers[-1]}"):
            yield False
            return
        if look_only:
            yield True
            return
        lock = f"{path}-{(numbers or [0])[-1] + 1}"
        with suppress(FileExistsError):  # another process was faster
            files.pipe_file(lock, _owner(), mode="create")
            break
    for number in numbers:
        with suppress(FileNotFoundError):
            files.rm_file(f"{path}-{number}")
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(files, lock, ended), name="limpid-lease", daemon=True)
    renewing.start()
    try:
        yield True
    finally:
        ended.set()
        renewing.join()
        with suppress(FileNotFoundError):
            files.rm_file(lock)


def _numbers(files: Any, path: str) -> list[int]:
    folder, _, name = path.rpartition("/")
    try:
        listed = [str(one).rpartition("/")[2] for one in files.ls(folder, detail=False)]
    except FileNotFoundError:
        return []
    pattern = re.compile(rf"{re.escape(name)}-(\d+)")
    return sorted(int(match[1]) for one in listed if (match := pattern.fullmatch(one)))


def _renew(files: Any, lock: str, ended: threading.Event) -> None:
    while not ended.wait(_RENEWED_S):
        # What a store raises is for those to see who write results; until then another may take the lock.
        with suppress(Exception):
            files.pipe_file(lock, _owner())


def _is_held(files: Any, lock: str) -> bool:
    """Return whether the owner of a lock lives: seen on the same machine, else by what it writes into the lock."""
    content = _content(files, lock)
    lives = None if content is None else _lives(content)
    if lives is not None:
        return lives
    deadline = time.monotonic() + _PATIENCE_S
    if content is not None:
        _log.warning("%s is another process'; waiting %.0f s to see whether it lives", lock, _PATIENCE_S)
    while content is not None and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        now = _content(files, lock)
        if now is not None and now != content:
            return True
        content = now
    return False


def _content(files: Any, lock: str) -> bytes | None:
    try:
        return bytes(files.cat_file(lock))
    except FileNotFoundError:
        return None


def _owner() -> bytes:
    """Return what a lock says: by whom it is held, and when it was renewed; another text each time."""
    owner = {**_process(os.getpid()), "renewed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    return json.dumps(owner | {"once": secrets.token_hex(8)}).encode("ascii")


def _lives(content: bytes) -> bool | None:
    """Return whether the process lives that wrote a lock; None where it can't be seen from here."""
    try:
        owner = json.loads(content)
        machine, process = owner["machine"], int(owner["process"])
    except (ValueError, TypeError, KeyError):
        return None
    if machine is None or machine != _process(os.getpid())["machine"]:
        return None
    return bool(_process(process)["started"] == owner.get("started"))


def _process(number: int) -> Mapping[str, Any]:
    """Return what tells a process from all others, as far as the system shows it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        machine = f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (a text, no path)
    except OSError:
        return {"machine": None, "process": number, "started": None}
    try:
        started = Path(f"/proc/{number}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[19]
    except OSError:
        started = None
    return {"machine": machine, "process": number, "started": started}
