"""A process that measures what it is sent: items in, rows out, until there are no more."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import BinaryIO

from limpid.catalog.measure import Settings, measure

__all__ = ["main"]


def main() -> None:
    """Answer each item on standard input by its row on standard output; both ends are the survey's."""
    # Ctrl-C is for the survey to answer: it ends this process when it has the rows that are being made.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rows = os.fdopen(os.dup(1), "wb")
    # What a library prints must not end up among the rows.
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, rows)


def _serve(items: BinaryIO, rows: BinaryIO) -> None:
    settings: Settings = pickle.load(items)
    while True:
        try:
            item = pickle.load(items)
        except EOFError:
            return
        pickle.dump(measure(item, settings), rows)
        rows.flush()


if __name__ == "__main__":
    main()
