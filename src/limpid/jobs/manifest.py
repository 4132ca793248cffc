"""The record of a job over files: JSON Lines, one row per file as it is done."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, Self

from limpid.core.errors import OptionError, WriteError

__all__ = ["MANIFEST_NAME", "Entry", "Manifest", "Stamp"]

_log = logging.getLogger(__name__)

MANIFEST_NAME: Final = "limpid-manifest.jsonl"

#: Key of the header that makes a file a manifest; its value is the version of the format.
_MAGIC: Final = "limpid_manifest"
_VERSION: Final = 1


@dataclass(frozen=True)
class Stamp:
    """What tells a file from a changed one without reading it: bytes, and time of change in nanoseconds."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return the stamp of a file; None where there is none."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row: what happened to one file.

    Attributes
    ----------
    input : str
        Path from the manifest's folder, with ``/``.
    output : str or None
        Likewise; None for an input that nothing could be done with.
    input_stamp : Stamp or None
        The input as it was read; None where there is no such file.
    output_stamp : Stamp or None
        The output as it was written.
    status : str
        ``started`` is written before an input is replaced by its own output: a later ``ok`` or ``error`` takes
        its place, and where neither came, the input's stamp tells whether it was replaced.
    error : str or None
        Why there is no output.
    model, sigma, strength, seconds
        What was done, for people who read the record.
    """

    input: str
    output: str | None
    input_stamp: Stamp | None
    output_stamp: Stamp | None = None
    status: Literal["started", "ok", "error"] = "ok"
    error: str | None = None
    model: str | None = None
    sigma: float | None = None
    strength: float | None = None
    seconds: float | None = None

    def to_row(self) -> dict[str, Any]:
        """Return plain values; a stamp is two keys, such as ``input_size`` and ``input_mtime_ns``."""
        row = asdict(self)
        for side in ("input", "output"):
            stamp = row.pop(f"{side}_stamp") or {"size": None, "mtime_ns": None}
            row |= {f"{side}_{key}": value for key, value in stamp.items()}
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the entry that :meth:`to_row` made the row of; keys it does not know are left out.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is no such row.
        """
        known: dict[str, Any] = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        known |= {
            f"{side}_stamp": None
            if row[f"{side}_size"] is None
            else Stamp(int(row[f"{side}_size"]), int(row[f"{side}_mtime_ns"]))
            for side in ("input", "output")
        }
        if not isinstance(known["input"], str) or not isinstance(known["output"], str | None):
            raise TypeError("a path must be text")
        return cls(**known)


class Manifest:
    """An open manifest. Rows are only ever added, each in one write, so that killing the process loses none.

    The first line is the header: the version of the format and what decides the outputs, by group and name.
    """

    def __init__(self, path: Path, *, entries: Mapping[str, Entry], keep_bytes: int) -> None:
        self.path = path
        self._entries = dict(entries)
        self._file = path.open("ab", buffering=0)
        self._file.truncate(keep_bytes)
        self._torn = False

    @classmethod
    def create(cls, path: Path, header: Mapping[str, Mapping[str, Any]]) -> Self:
        """Start an empty manifest in place of whatever is there.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        line = _line({_MAGIC: _VERSION, **header})
        partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            partial.write_bytes(line)
            partial.replace(path)
            return cls(path, entries={}, keep_bytes=len(line))
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _refused(path, error) from error

    @classmethod
    def resume(cls, path: Path, header: Mapping[str, Mapping[str, Any]]) -> Self:
        """Open the manifest of an earlier run to go on with it, or start one where there is none.

        Rows that can't be read, such as a last one that was cut short, count as not written.

        Raises
        ------
        OptionError
            If the file is no manifest, or its header is another one; the message names each difference.
        WriteError
            If it can't be written.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return cls.create(path, header)
        except OSError as error:
            raise _refused(path, error) from error
        whole = content[: content.rfind(b"\n") + 1]
        first, *rows = whole.splitlines() or [b""]
        _check_header(path, _parsed(first), header)
        entries = {entry.output: entry for entry in map(_entry, rows) if entry is not None and entry.output is not None}
        try:
            return cls(path, entries=entries, keep_bytes=len(whole))
        except OSError as error:
            raise _refused(path, error) from error

    def entry(self, output: str) -> Entry | None:
        """Return the last row about an output, of this run or an earlier one."""
        return self._entries.get(output)

    def append(self, entry: Entry) -> None:
        """Add a row. Where the disk takes it not, a warning is logged: the file will count as not done."""
        line = b"\n" * self._torn + _line(entry.to_row())
        end = None
        try:
            end = self._file.seek(0, os.SEEK_END)
            if self._file.write(line) != len(line):
                raise OSError("only a part of the row could be written; is the disk full?")
            self._torn = False
        except OSError as error:
            self._take_back(end)
            _log.warning("%s: %s is not on record (%s)", self.path, entry.input, error.strerror or error)

    def _take_back(self, end: int | None) -> None:
        """Remove a part of a row; where that fails, the next row begins on a line of its own."""
        if end is None:
            return
        try:
            self._file.truncate(end)
        except OSError:
            self._torn = True

    def close(self) -> None:
        """Close the file; rows are on disk already."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, allow_nan=False).encode("ascii") + b"\n"


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _entry(line: bytes) -> Entry | None:
    try:
        return Entry.from_row(_parsed(line))
    except (KeyError, TypeError, ValueError):
        return None


def _check_header(path: Path, found: Mapping[str, Any], header: Mapping[str, Mapping[str, Any]]) -> None:
    strange = not all(isinstance(found.get(key, {}), Mapping) for key in header)
    if found.get(_MAGIC) != _VERSION or strange:
        known = _MAGIC not in found or found[_MAGIC] == _VERSION
        what = "is no manifest" if known else f"has format {found[_MAGIC]}, this limpid reads {_VERSION}"
        raise OptionError(f"{path} {what}; move it away, or run without resume to replace it.", source=str(path))
    differences = [line for key in header for line in _differences(key, found.get(key, {}), header[key])]
    if differences:
        raise OptionError(
            f"{path} is of a run with another model or other options: {'; '.join(differences)}. Resume with the same "
            "ones, or run without resume to do everything anew.",
            source=str(path),
        )


def _differences(group: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what differs; where the name that a group goes by does, the rest of it goes without saying."""
    names = [name for name in dict.fromkeys([*now, *was]) if json.dumps(was.get(name)) != json.dumps(now.get(name))]
    return [f"{n} was {_shown(was.get(n))}, now {_shown(now.get(n))}" for n in ([group] if group in names else names)]


def _shown(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value).strip('"')
    return text if len(text) <= 40 else f"{text[:36]}..."


def _refused(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"{path} can't be written ({error.strerror or error}); choose another output folder.", source=str(path)
    )
