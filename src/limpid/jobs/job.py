"""One frozen plan and the receipts of its shards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from limpid.core.errors import OptionError, WriteError
from limpid.io.atomic import replacing
from limpid.io.lock import Lock, take_lock
from limpid.jobs.manifest import Item, Shard, read_shards, shard_size, write_manifest
from limpid.jobs.stamp import Stamp, sha256_of

__all__ = ["About", "Claim", "Header", "Job", "Row", "unwritable"]

#: A line of a receipt: what became of one item, in values that JSON holds.
Row = Mapping[str, Any]

#: Of everything in the folder of a job. Another number is refused: what stands there may mean something else.
_FORMAT: Final = 1

_HEADER: Final = "job.json"
_MANIFEST: Final = "manifest.parquet"
_RECEIPTS: Final = "receipts"


@dataclass(frozen=True, kw_only=True)
class About:
    """What a job is about, beside its items.

    Attributes
    ----------
    model, options : mapping
        What decides the results, in plain values by name.
    inputs : sequence of str
        What the user named; it decides nothing that the manifest does not.
    """

    model: Mapping[str, Any]
    options: Mapping[str, Any]
    inputs: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Header(About):
    """What a job is about, and which plan it has.

    Attributes
    ----------
    manifest_sha256 : str
        Hash of the manifest's bytes.
    items, shard_size : int
        Length of the manifest and of a shard.
    limpid_job : int
        Version of the format.
    """

    manifest_sha256: str
    items: int
    shard_size: int
    limpid_job: int = _FORMAT

    @property
    def id(self) -> str:
        """Hash of manifest, model, options and format; not of the version, so that a later one may go on."""
        deciding = [self.limpid_job, self.manifest_sha256, self.model, self.options]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode("ascii")).hexdigest()[:16]


class Claim:
    """The right to do a shard, which no other process has at the same time; it ends with the process.

    Attributes
    ----------
    begun : bool
        Whether an earlier process claimed the shard and ended before it was committed.
    """

    def __init__(self, path: Path, lock: Lock, *, begun: bool) -> None:
        self._path = path
        self._lock = lock
        self.begun = begun

    def beat(self) -> None:
        """Leave a sign of work, see :meth:`Job.sign_of_work`."""
        with suppress(OSError):
            os.utime(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        # Its file stays where the shard was not committed: that it was begun is what the next process has to know.
        if failed is None:
            self._path.unlink(missing_ok=True)
        self._lock.release()


@dataclass(frozen=True)
class Job:
    """A job in its folder: ``job.json``, ``manifest.parquet`` and ``receipts/``, a file of JSON Lines for each shard.

    A shard is done when its receipt has its name. It gets it by a rename, after every output of the shard has its own;
    in a store without renames, the receipt is what is written last.
    """

    folder: Path
    header: Header

    @classmethod
    def create(cls, folder: Path, items: Iterable[Item], about: About) -> Self:
        """Write a plan into an empty folder, which is to be renamed when it is whole.

        Raises
        ------
        OSError
            If it can't be written.
        """
        count = write_manifest(folder / _MANIFEST, items)
        (folder / _RECEIPTS).mkdir()
        header = Header(
            model=about.model,
            options=about.options,
            inputs=list(about.inputs),
            manifest_sha256=sha256_of(folder / _MANIFEST),
            items=count,
            shard_size=shard_size(count),
        )
        document = {"id": header.id, **asdict(header)}
        (folder / _HEADER).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="ascii")
        return cls(folder, header)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the job in a folder.

        Raises
        ------
        OptionError
            If there is none, it has another format, or its header or manifest are not as they were written.
        """
        path = folder / _HEADER
        try:
            document = json.loads(path.read_bytes())
            version, identity = document["limpid_job"], document.pop("id")
            if version != _FORMAT:
                raise _refused(path, f"has format {version}, this limpid reads {_FORMAT}")
            header = Header(**document)
            sha256 = sha256_of(folder / _MANIFEST)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, OptionError):
                raise
            raise _refused(path, f"can't be read as the header of a job ({type(error).__name__}: {error})") from error
        if sha256 != header.manifest_sha256:
            raise _refused(folder / _MANIFEST, "is not as it was written: it was edited or is damaged")
        if header.id != identity:
            raise _refused(path, "is not as it was written: it was edited")
        return cls(folder, header)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.header.items // self.header.shard_size)

    def committed(self) -> set[int]:
        """Return the shards that are done."""
        return {int(path.stem) for path in (self.folder / _RECEIPTS).glob("*.jsonl") if path.stem.isdecimal()}

    def pending(self) -> list[int]:
        """Return the shards that are not done, ascending."""
        done = self.committed()
        return [number for number in range(self.shards) if number not in done]

    def read_shards(self, numbers: Sequence[int]) -> Iterator[Shard]:
        """Yield shards by ascending numbers."""
        return read_shards(self.folder / _MANIFEST, numbers, size=self.header.shard_size)

    def claim(self, number: int) -> Claim | None:
        """Return the right to do a shard; None where another process has it, or the shard is done.

        Raises
        ------
        WriteError
            If the folder can't be written in.
        """
        path = self.folder / _RECEIPTS / f"{number:06}.claim"
        try:
            begun = path.exists()
            lock = take_lock(path)
        except OSError as error:
            advice = "free space, or change its folder's permissions, and go on with --resume."
            raise unwritable(path, error, advice=advice) from error
        if lock is None:
            return None
        if self.is_committed(number):
            path.unlink(missing_ok=True)
            lock.release()
            return None
        return Claim(path, lock, begun=begun)

    def commit(self, number: int, rows: Sequence[Row]) -> None:
        """Write the receipt of a shard: a line for each item, or nothing at all.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        path = self._receipt(number)
        try:
            with replacing(path) as file:
                file.writelines(json.dumps(row, allow_nan=False).encode("ascii") + b"\n" for row in rows)
        except WriteError as error:
            raise WriteError(
                f"{path}: {error} What is done is on record; go on with --resume.", source=str(path)
            ) from error

    def is_committed(self, number: int) -> bool:
        """Return whether a shard is done."""
        return self._receipt(number).exists()

    def sign_of_work(self) -> tuple[int, ...]:
        """Return what changes as items are done, by whichever process on whichever machine."""
        folder = self.folder / _RECEIPTS
        stamps = [Stamp.of(path) for path in (folder, *folder.glob("*.claim"))]  # a claim may end meanwhile
        return tuple(sorted(stamp.mtime_ns for stamp in stamps if stamp is not None))

    def receipt(self, number: int) -> list[Row]:
        """Return the rows of a shard that is done.

        Raises
        ------
        OptionError
            If they can't be read.
        """
        path = self._receipt(number)
        try:
            return [json.loads(line) for line in path.read_bytes().splitlines()]
        except (OSError, ValueError) as error:
            raise _refused(path, f"can't be read ({error})") from error

    def _receipt(self, number: int) -> Path:
        return self.folder / _RECEIPTS / f"{number:06}.jsonl"


def _refused(path: Path, what: str) -> OptionError:
    return OptionError(f"{path} {what}; restore it, or run without --resume to do everything anew.", source=str(path))


def unwritable(path: Path, error: OSError, *, advice: str) -> WriteError:
    """Return what is raised where a part of the record can't be written; the advice says what to do."""
    return WriteError(f"{path} can't be written ({error.strerror or error}); {advice}", source=str(path))
