"""Named data sets to measure on, and any folder of the user's own.

A named set is read from below the folder that the environment variable ``LIMPID_DATA`` names, where it holds the set's
subfolder; otherwise it is downloaded from its source into the cache, once. Either way every file is checked against the
SHA-256 in the table, so that a number always belongs to the same pixels.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from limpid.core.errors import DataError
from limpid.core.image import Image
from limpid.evaluation import sources
from limpid.io import is_folder, is_image_path, read_image

__all__ = ["Dataset", "DatasetEntry", "registry", "resolve"]


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """What the registry knows of one data set.

    Attributes
    ----------
    title : str
        One line for people.
    licence : str
        As the source states it.
    source : str
        Where the images come from.
    channels : int
        1 for gray, 3 for RGB.
    folder : str
        Where the set lies below ``LIMPID_DATA``.
    download : str or None
        Address that the files' names at the source are appended to, of a fixed revision; None where there is none.
    files : mapping of str to str
        SHA-256 of each file, by its path below the folder.
    source_names : mapping of str to str
        Names at the source of the files that are called otherwise there.
    paired : mapping of str to str
        For a set of real noise, the subfolders of the ``noisy`` and ``clean`` images; otherwise empty.
    """

    title: str
    licence: str
    source: str
    channels: int
    folder: str
    download: str | None
    files: Mapping[str, str]
    source_names: Mapping[str, str] = field(default_factory=dict)
    paired: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of images, a noisy one and its reference counted as one."""
        return len(self.files) // (2 if self.paired else 1)


@dataclass(frozen=True)
class Dataset:
    """Images to measure on; a file is opened when its turn comes, so memory doesn't grow with their number.

    Attributes
    ----------
    name : str
        Registry id, or the folder as the user named it.
    clean : tuple of Path
        The clean images, in the order they are measured.
    noisy : tuple of Path or None
        For real noise, the noisy images in the same order; None where noise is to be added.
    value_range : (float, float) or None
        Values of black and white, for files that don't state them; None takes each file at its word.
    """

    name: str
    clean: tuple[Path, ...]
    noisy: tuple[Path, ...] | None = None
    value_range: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.clean)

    def images(self) -> Iterator[Image]:
        """Yield the clean images."""
        for path in self.clean:
            yield self._read(path)

    def pairs(self) -> Iterator[tuple[Image, Image]]:
        """Yield the noisy images, each with its clean one.

        Raises
        ------
        DataError
            If the set has no noisy images.
        """
        if self.noisy is None:
            raise DataError(
                f"{self.name} holds clean images only, for noise to be added to; name a noisy folder too.",
                source=self.name,
            )
        for noisy, clean in zip(self.noisy, self.clean, strict=True):
            yield self._read(noisy), self._read(clean)

    def _read(self, path: Path) -> Image:
        return read_image(path, value_range=self.value_range)


@functools.cache
def registry() -> Mapping[str, DatasetEntry]:
    """Return the named data sets by id."""
    table = json.loads(resources.files("limpid.evaluation").joinpath("datasets.json").read_text(encoding="utf-8"))
    return {name: DatasetEntry(**entry) for name, entry in table.items()}


def resolve(
    data: str | Path,
    *,
    noisy: str | Path | None = None,
    value_range: tuple[float, float] | None = None,
    mirror: str | None = None,
) -> Dataset:
    """Find a data set, downloading it where it has to be.

    Parameters
    ----------
    data : str or Path
        An id of :func:`registry`, or a folder of clean images, taken with all its subfolders in the order of their
        paths. An id goes first: a folder of that name is ``./set12``.
    noisy : str or Path, optional
        A folder of noisy images for a folder of clean ones: same names but for the suffix, one to one.
    value_range : (float, float), optional
        Values of black and white in the files of a folder; float files that don't state them need it.
    mirror : str, optional
        Address to download the named set from instead of its source; the files are named as there.

    Raises
    ------
    DataError
        If there is no such set or folder, files are missing or have no counterpart, the source can't be reached, or a
        file's checksum is not the registry's.
    """
    entry = registry().get(data) if isinstance(data, str) else None
    if entry is None:
        return _of_folder(data, noisy, value_range)
    name = str(data)
    if noisy is not None or value_range is not None:
        what = "a noisy folder" if noisy is not None else "a value_range"
        raise DataError(f"{name} is a named data set; {what} goes with a folder of clean images.", source=name)
    root = sources.local_folder(entry.folder)
    if root is None:
        root = sources.download(
            name, files=entry.files, names=entry.source_names, address=mirror or entry.download, subfolder=entry.folder
        )
    else:
        sources.verify(root, entry.files, name=name)
    return _of_entry(name, entry, root)


def _of_entry(name: str, entry: DatasetEntry, root: Path) -> Dataset:
    if not entry.paired:
        return Dataset(name, tuple(root / file for file in entry.files))
    folders = entry.paired
    clean = [file for file in entry.files if file.startswith(folders["clean"] + "/")]
    noisy = [folders["noisy"] + file.removeprefix(folders["clean"]) for file in clean]
    return Dataset(name, tuple(root / file for file in clean), tuple(root / file for file in noisy))


def _of_folder(data: str | Path, noisy: str | Path | None, value_range: tuple[float, float] | None) -> Dataset:
    folder = Path(data).expanduser()
    if not is_folder(folder):
        raise _unknown(data)
    clean = _images_below(folder)
    if noisy is None:
        return Dataset(str(data), clean, value_range=value_range)
    clean_by_key = _by_key(folder, clean)
    noisy_folder = Path(noisy).expanduser()
    if not is_folder(noisy_folder):
        raise DataError(f"there is no folder {noisy}; name the folder of the noisy images.", source=str(noisy))
    noisy_by_key = _by_key(noisy_folder, _images_below(noisy_folder))
    alone = [p for k, p in noisy_by_key.items() if k not in clean_by_key]
    alone += [p for k, p in clean_by_key.items() if k not in noisy_by_key]
    if alone:
        shown = ", ".join(str(path) for path in alone[:3]) + (", ..." if len(alone) > 3 else "")
        raise DataError(
            f"{len(alone)} of the images in {noisy} and {data} have no counterpart: {shown}; noisy and clean images "
            "are matched by path below their folder, without the suffix.",
            source=str(alone[0]),
        )
    return Dataset(str(data), clean, tuple(noisy_by_key[key] for key in clean_by_key), value_range)


def _images_below(folder: Path) -> tuple[Path, ...]:
    found = tuple(sorted(p for p in folder.rglob("*") if is_image_path(p) and p.is_file()))
    if not found:
        raise DataError(f"{folder} holds no images, nor do its subfolders.", source=str(folder))
    return found


def _by_key(folder: Path, paths: tuple[Path, ...]) -> dict[Path, Path]:
    """Map each path below the folder, without its suffix, to the file."""
    keyed: dict[Path, Path] = {}
    for path in paths:
        other = keyed.setdefault(path.relative_to(folder).with_suffix(""), path)
        if other != path:
            raise DataError(
                f"{other} and {path} differ in their suffix only, so it is unclear which is meant; remove one of them.",
                source=str(path),
            )
    return keyed


def _unknown(data: str | Path) -> DataError:
    names = list(registry())
    near = get_close_matches(str(data).lower(), names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"named sets are {', '.join(names)}."
    return DataError(f"{data} is neither a named data set nor a folder; {hint}", source=str(data))
