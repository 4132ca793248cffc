"""From what the user names, files, folders and globs on this machine, to image files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePath

from limpid.core.errors import OptionError
from limpid.io.own import OWN_FOLDERS
from limpid.io.paths import file_identity, is_folder, is_image_path
from limpid.io.sources.item import Item
from limpid.io.sources.local import fixed_part, nothing_at, place, walk

__all__ = ["Found", "find_images", "folder_above", "named", "replaced_input"]


@dataclass(frozen=True)
class Found:
    """A file to work on, or an input that is none.

    Attributes
    ----------
    path : Path
        As the user would write it: what was named, and the way down from there.
    relative : PurePath
        Where it belongs below an output folder; of no meaning with an error.
    error : str or None
        Why nothing can be done with it.
    """

    path: Path
    relative: PurePath
    error: str | None = None


def find_images(inputs: Iterable[str | PathLike[str]], *, outside: Path | None = None) -> list[Found]:
    """Return the image files that inputs stand for, each once, in the order of the inputs and then of names.

    Parameters
    ----------
    inputs : iterable of str or path
        A file is taken whatever its suffix. A folder is searched with all its subfolders for files with the suffix
        of an image; hidden ones are left out, and so are images of other formats, which a warning counts; links to
        folders are followed but not round in circles. A glob (``*``, ``?``, ``[...]``, ``**``) that names no file
        finds the same files as a folder would; they belong below the part of it that has no such sign.
    outside : Path, optional
        A folder whose content is not looked at where it lies below an input: the outputs of an earlier run.

    Returns
    -------
    list of Found
        Never empty: an input that does not exist or holds no image has one entry with an error.

    Raises
    ------
    OptionError
        If there is no input, one without a name, or none but limpid's own record.
    """
    fence = None if outside is None else str(outside)
    found: dict[tuple[str, PurePath], Found] = {}
    for given in named(inputs):
        hits = [_checked(*entry) for entry in walk(given, outside=fence, wanted=is_image_path)]
        for hit in hits or [Found(Path(given), PurePath(Path(given).name), nothing_at(given))]:
            found.setdefault((os.path.abspath(hit.path), hit.relative), hit)  # noqa: PTH100 (links stay what they are)
    return list(found.values())


def named(inputs: Iterable[str | PathLike[str]]) -> list[str]:
    """Return what inputs are called, but for limpid's own record.

    Raises
    ------
    OptionError
        If there is none, or one without a name.
    """
    names = [os.fspath(given) for given in inputs]
    if not all(names):
        raise OptionError("the name of an input is empty; name image files, folders or globs.")
    kept = [name for name in names if PurePath(name).name not in OWN_FOLDERS]
    if not kept:
        raise OptionError("no input; name image files, folders or globs.")
    return kept


def folder_above(inputs: Iterable[str | PathLike[str]]) -> Path | None:
    """Return the lowest folder that holds all inputs, whatever is found in them.

    None if there is none but the root of the file system, or not even that, as between two drives.
    """
    folders = []
    for given in inputs:
        path = Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100 (a parent by .. is no folder below)
        is_glob = glob.has_magic(str(path)) and not os.path.lexists(path)
        folders.append(path if is_folder(path) else fixed_part(str(path))[0] if is_glob else path.parent)
    try:
        common = Path(os.path.commonpath(folders))
    except ValueError:
        return None
    return None if common == Path(common.anchor) else common


def replaced_input(outputs: Iterable[Path], inputs: Iterable[Path]) -> tuple[Path, Path] | None:
    """Return an output that is an input by whatever name, links and letter case included, and that input."""
    known = {identity: path for path in inputs if (identity := file_identity(path)) is not None}
    for output in outputs:
        identity = file_identity(output)
        if identity in known:
            return output, known[identity]
    return None


def _checked(name: str, below: str, error: str | None) -> Found:
    """Return a file, with an error where opening it would fail, or wait for ever as a named pipe does."""
    if error is None:
        there = place(os.path.abspath(name))  # noqa: PTH100
        error = there.error if isinstance(there, Item) else None
    return Found(Path(name), PurePath(below), error)
