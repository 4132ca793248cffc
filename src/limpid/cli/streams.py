"""Standard output and standard error, whatever they are connected to."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["OutputLostError", "drop_output", "ready_streams"]


class OutputLostError(Exception):
    """Standard output can't be written any more; the cause is the error of the operating system."""


class _Output(io.TextIOWrapper):
    """Standard output whose errors can't be taken for those of a file."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputLostError from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputLostError from error


def ready_streams() -> bool:
    """Make both streams take any text, and return whether there is a standard output.

    Without one (closed, as by ``>&-``), the next file that is opened would take its place.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (it lives as long as the process)
    if sys.stdout is None:
        _say("standard output is closed; direct it to a file, or to /dev/null.")
        return False
    # File names may hold what the stream's encoding does not; standard error escapes it by itself.
    sys.stdout = _Output(
        sys.stdout.buffer,
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=sys.stdout.isatty(),
    )
    return True


def drop_output(lost: OutputLostError) -> None:
    """Say why standard output can't be written, and throw away what is still to be."""
    # Python would try again, and complain, when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(lost.__cause__, OSError) and not isinstance(lost.__cause__, BrokenPipeError):
        _say(f"standard output can't be written ({lost.__cause__.strerror}); direct it elsewhere.")


def _say(message: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"limpid: {message}\n")
