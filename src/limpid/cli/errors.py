"""What the process says and returns when something goes wrong."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from limpid.cli.streams import OutputLostError
from limpid.core.errors import DataError, LimpidError, MissingExtraError, ModelError, OptionError

__all__ = ["FAILED", "INTERRUPTED", "RULE_VIOLATED", "WRONG_USAGE", "one_line", "reported"]

_log = logging.getLogger(__name__)

FAILED: Final = 1
WRONG_USAGE: Final = 2
RULE_VIOLATED: Final = 3
INTERRUPTED: Final = 130


@contextmanager
def reported(*, json: bool = False) -> Iterator[None]:
    """Turn what is raised inside into one line on standard error and an exit status.

    Parameters
    ----------
    json : bool
        Also print a JSON document with the key ``error``, so that standard output is one in every case.
    """
    try:
        yield
    except KeyboardInterrupt as stopped:
        what = str(stopped) or "what is done is whole, nothing else was touched."
        typer.echo(f"limpid: interrupted; {what}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (LimpidError, OSError, MemoryError) as error:
        _report(str(error) or "not enough memory.", json=json)
        _reraise_for_developers()
        wrong = isinstance(error, OptionError | ModelError | DataError | MissingExtraError)
        raise typer.Exit(WRONG_USAGE if wrong else FAILED) from None
    except Exception as error:
        if isinstance(error, typer.Exit | OutputLostError):
            raise
        _reraise_for_developers()
        _report(
            f"an error in limpid ({type(error).__name__}: {error}); please report it with what -vv says.", json=json
        )
        raise typer.Exit(FAILED) from None


def one_line(text: str) -> str:
    """Return text as one printable line: file names may hold anything."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _report(message: str, *, json: bool) -> None:
    typer.echo(f"limpid: {one_line(message)}", err=True)
    if json:
        from json import dumps

        typer.echo(dumps({"error": message}))


def _reraise_for_developers() -> None:
    if os.environ.get("LIMPID_DEBUG") or _log.isEnabledFor(logging.DEBUG):
        import traceback

        traceback.print_exc()
