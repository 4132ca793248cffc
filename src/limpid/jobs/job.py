"""One frozen plan and the receipts of its shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from limpid.core.errors import OptionError, WriteError
from limpid.io.stores import Mark, Stamp, Store
from limpid.jobs.manifest import MANIFEST, Item, Shard, read_shards, shard_size, write_manifest

__all__ = ["HEADER", "About", "Header", "Job", "Row", "unwritable"]

#: A line of a receipt: what became of one item, in values that JSON holds.
Row = Mapping[str, Any]

#: Of everything in the folder of a job. Another number is refused: what stands there may mean something else.
_FORMAT: Final = 2

HEADER: Final = "job.json"
_RECEIPTS: Final = "receipts"

#: Ends the name of a receipt, and of the mark of who is at work on its shard.
_RECEIPT: Final = ".jsonl"
_CLAIM: Final = ".claim"


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


@dataclass(frozen=True)
class Job:
    """A job in its folder: ``job.json``, ``manifest.parquet`` and ``receipts/``, a file of JSON Lines for each shard.

    There is a job where there is a header, and a shard is done where there is its receipt: these are written last.
    """

    store: Store
    header: Header

    @classmethod
    def create(cls, store: Store, items: Iterable[Item], about: About) -> Self:
        """Write a plan into an empty folder.

        Raises
        ------
        OSError, WriteError
            If it can't be written.
        """
        count, sha256 = write_manifest(store, items)
        store.below(_RECEIPTS).ready()
        header = Header(
            model=about.model,
            options=about.options,
            inputs=list(about.inputs),
            manifest_sha256=sha256,
            items=count,
            shard_size=shard_size(count),
        )
        document = {"id": header.id, **asdict(header)}
        with store.replacing(HEADER) as file:
            file.write(json.dumps(document, indent=1, allow_nan=False).encode("ascii") + b"\n")
        return cls(store, header)

    @classmethod
    def open(cls, store: Store) -> Self:
        """Return the job in a folder.

        Raises
        ------
        OptionError
            If there is none, it has another format, or its header or manifest are not as they were written.
        """
        path = f"{store.address}/{HEADER}"
        try:
            with store.open(HEADER) as file:
                document = json.loads(file.read())
            version, identity = document["limpid_job"], document.pop("id")
            if version != _FORMAT:
                raise _refused(path, f"has format {version}, this limpid reads {_FORMAT}")
            header = Header(**document)
            with store.open(MANIFEST) as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # which asks for little
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, OptionError):
                raise
            raise _refused(path, f"can't be read as the header of a job ({type(error).__name__}: {error})") from error
        if sha256 != header.manifest_sha256:
            raise _refused(f"{store.address}/{MANIFEST}", "is not as it was written: it was edited or is damaged")
        if header.id != identity:
            raise _refused(path, "is not as it was written: it was edited")
        return cls(store, header)

    @property
    def address(self) -> str:
        """Of its folder."""
        return self.store.address

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.header.items // self.header.shard_size)

    def committed(self) -> set[int]:
        """Return the shards that are done."""
        return self._numbered(_RECEIPT)

    def pending(self) -> list[int]:
        """Return the shards that are not done, ascending."""
        done = self.committed()
        return [number for number in range(self.shards) if number not in done]

    def read_shards(self, numbers: Sequence[int]) -> Iterator[Shard]:
        """Yield shards by ascending numbers."""
        return read_shards(self.store, numbers, size=self.header.shard_size)

    def claim(self, number: int) -> Mark | None:
        """Return the right to do a shard; None where another process has it, or the shard is done.

        Raises
        ------
        WriteError
            If the folder can't be written in.
        """
        name = f"{number:06}{_CLAIM}"
        try:
            mark = self._receipts.mark(name)
        except OSError as error:
            advice = "free space, or change its folder's permissions, and go on with --resume."
            raise unwritable(f"{self._receipts.address}/{name}", error, advice=advice) from error
        if mark is not None and self.is_committed(number):
            with mark:
                return None
        return mark

    def commit(self, number: int, rows: Sequence[Row]) -> None:
        """Write the receipt of a shard: a line for each item, or nothing at all.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        name = f"{number:06}{_RECEIPT}"
        try:
            with self._receipts.replacing(name) as file:
                file.writelines(json.dumps(row, allow_nan=False).encode("ascii") + b"\n" for row in rows)
        except WriteError as error:
            path = f"{self._receipts.address}/{name}"
            raise WriteError(f"{path}: {error} What is done is on record; go on with --resume.", source=path) from error

    def is_committed(self, number: int) -> bool:
        """Return whether a shard is done."""
        return self._receipts.stamp(f"{number:06}{_RECEIPT}") is not None

    def sign_of_work(self) -> Mapping[str, Stamp]:
        """Return what changes as items are done, by whichever process on whichever machine."""
        return self._receipts.stamps()

    def begun(self) -> list[int]:
        """Return the shards that a process began, and has not ended yet, ascending."""
        return sorted(self._numbered(_CLAIM) - self.committed())

    def receipt(self, number: int) -> list[Row]:
        """Return the rows of a shard that is done.

        Raises
        ------
        OptionError
            If they can't be read.
        """
        name = f"{number:06}{_RECEIPT}"
        try:
            with self._receipts.open(name) as file:
                return [json.loads(line) for line in file.read().splitlines()]
        except (OSError, ValueError) as error:
            raise _refused(f"{self._receipts.address}/{name}", f"can't be read ({error})") from error

    @property
    def _receipts(self) -> Store:
        return self.store.below(_RECEIPTS)

    def _numbered(self, end: str) -> set[int]:
        stems = (name.removesuffix(end) for name in self._receipts.names() if name.endswith(end))
        return {int(stem) for stem in stems if stem.isdecimal()}


def _refused(path: str, what: str) -> OptionError:
    return OptionError(f"{path} {what}; restore it, or run without --resume to do everything anew.", source=path)


def unwritable(path: str, error: OSError, *, advice: str) -> WriteError:
    """Return what is raised where a part of the record can't be written; the advice says what to do."""
    return WriteError(f"{path} can't be written ({error.strerror or error}); {advice}", source=path)
