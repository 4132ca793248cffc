"""The console script's entry: Ctrl-C is answered before anything slow is imported."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Final

__all__ = ["run"]

#: OpenVINO loads its converter of other formats, and what reports its use, wherever it is installed. The program never
#: converts, and loading them takes nearly as long as all else of OpenVINO.
_UNUSED: Final = "openvino.tools.ovc"


def run() -> None:
    """Run the program."""
    # Not where interrupts are ignored, as in a job that a shell runs in the background.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    sys.modules.setdefault(_UNUSED, None)  # type: ignore[arg-type] # None: there is no such module
    from limpid.cli.main import run as run_verbs

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_verbs()


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End at once: nothing is begun yet, and an exception could be lost in an import."""
    os.write(2, b"\nlimpid: interrupted\n")
    os._exit(130)  # limpid.cli.errors.INTERRUPTED, which is not loaded yet
