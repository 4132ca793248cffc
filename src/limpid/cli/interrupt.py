"""Ctrl-C ends the program at once, even while a library is busy."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from limpid.cli.errors import INTERRUPTED

__all__ = ["end_promptly", "unhurried"]

#: How long the ordinary way out may take. Python sees an interrupt only between two of its own instructions, and
#: denoising a large image may be a single call.
_GRACE_S: Final = 0.4

#: How long it may take where there is something to save first: a step of training, a validation, a checkpoint.
_SAVING_S: Final = 60.0

_saving = threading.Event()


@contextmanager
def unhurried() -> Iterator[None]:
    """Leave time to save what is done after Ctrl-C; a second one ends the program as promptly as ever."""
    _saving.set()
    try:
        yield
    finally:
        _saving.clear()


def end_promptly() -> None:
    """Let a thread of its own end the process where an interrupt is not answered soon; unfinished files are removed."""
    if threading.current_thread() is not threading.main_thread():
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, writer), name="limpid-interrupt", daemon=True).start()


def _watch(reader: socket.socket, _writer: socket.socket) -> None:
    """Wait for the byte that the interpreter sends the moment a signal arrives; `_writer` must stay open for it."""
    while number := reader.recv(1):
        if number[0] == signal.SIGINT:
            if _saving.is_set():
                _wait_for_another(reader)
            time.sleep(_GRACE_S)
            _give_up()
            with suppress(OSError):
                os.write(2, b"\nlimpid: interrupted\n")
            os._exit(INTERRUPTED)


def _wait_for_another(reader: socket.socket) -> None:
    """Return at the next interrupt, or when the time to save is over."""
    reader.settimeout(_SAVING_S)
    with suppress(TimeoutError):
        while reader.recv(1)[0] != signal.SIGINT:
            pass


def _give_up() -> None:
    """Remove what is being written; if `limpid.io` was never loaded there is nothing."""
    atomic = sys.modules.get("limpid.io.atomic")
    if atomic is not None and hasattr(atomic, "give_up"):  # it may be loading right now
        atomic.give_up()
