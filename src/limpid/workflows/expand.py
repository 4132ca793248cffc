"""From what the user names, files, folders and globs, to image files."""

from __future__ import annotations

import glob
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePath

from limpid.core.errors import OptionError
from limpid.io.paths import ANY_DEPTH, Identity, file_identity, is_folder, is_image_path, matches_glob
from limpid.io.sources.wanted import is_foreign, left_out
from limpid.jobs import JOB_FOLDER

__all__ = ["Found", "find_images", "folder_above"]

_log = logging.getLogger(__name__)


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
    fence = None if outside is None else file_identity(outside)
    here = os.getcwd()  # noqa: PTH109 (joined to a million names; paths take much longer)
    found: dict[tuple[str, PurePath], Found] = {}
    for given in inputs:
        if not os.fspath(given):
            raise OptionError("the name of an input is empty; name image files, folders or globs.")
        path = Path(given).expanduser()
        for hit in list(_of_input(path, fence)) or [Found(path, PurePath(path.name), _nothing(path))]:
            found.setdefault((os.path.join(here, hit.path), hit.relative), hit)  # noqa: PTH118
    hits = [hit for hit in found.values() if hit.path.name != JOB_FOLDER]
    if not hits:
        raise OptionError("no input; name image files, folders or globs.")
    return hits


def folder_above(inputs: Iterable[str | PathLike[str]]) -> Path | None:
    """Return the lowest folder that holds all inputs, whatever is found in them.

    None if there is none but the root of the file system, or not even that, as between two drives.
    """
    folders = []
    for given in inputs:
        path = Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100 (a parent by .. is no folder below)
        folders.append(path if is_folder(path) else _fixed(path)[0] if _is_glob(path) else path.parent)
    try:
        common = Path(os.path.commonpath(folders))
    except ValueError:
        return None
    return None if common == Path(common.anchor) else common


def _of_input(path: Path, fence: Identity | None) -> Iterator[Found]:
    if is_folder(path):
        yield from _of_folder(path, fence)
    elif _is_glob(path):
        yield from _of_glob(path, fence)
    else:
        yield _of_file(path, PurePath(path.name))


def _is_glob(path: Path) -> bool:
    return not os.path.lexists(path) and glob.has_magic(str(path))


def _of_glob(pattern: Path, fence: Identity | None) -> Iterator[Found]:
    """Yield what a glob matches; `**` is not left to the glob module, which runs round in loops of links."""
    root, wanted = _fixed(pattern)
    if ".." in wanted:
        # What it finds may lie outside its root, and its output outside the output folder.
        reason = "a pattern can't have .. after a wildcard; write it from the folder that holds the files."
        yield Found(pattern, PurePath(pattern.name), reason)
        return
    if ANY_DEPTH in wanted:
        yield from (hit for hit in _walk(root, fence, Counter()) if matches_glob(hit.relative.parts, wanted))
        return
    for name in sorted(glob.glob("/".join(wanted), root_dir=root)):  # noqa: PTH207 (pathlib finds hidden files too)
        path = root / name
        if is_folder(path):
            if fence is None or file_identity(path) != fence:
                yield from (Found(hit.path, name / hit.relative, hit.error) for hit in _of_folder(path, fence))
        elif is_image_path(path):
            yield _of_file(path, PurePath(name))


def _fixed(pattern: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the folder that a glob begins at, and its parts from the first wildcard on."""
    count = next(i for i, part in enumerate(pattern.parts) if glob.has_magic(part))
    return Path(*pattern.parts[:count]), pattern.parts[count:]


def _of_folder(root: Path, fence: Identity | None) -> Iterator[Found]:
    """Yield the image files below a folder, and count in a warning those that can't be read."""
    foreign: Counter[str] = Counter()
    yield from _walk(root, fence, foreign)
    if foreign:
        _log.warning("%s: %s", root, left_out(foreign))


def _walk(root: Path, fence: Identity | None, foreign: Counter[str]) -> Iterator[Found]:
    """Yield the image files below a folder, those of a folder before those of its subfolders."""
    pending: list[tuple[Path, frozenset[Identity | None]]] = [(root, frozenset())]
    while pending:
        folder, above = pending.pop()
        here = above | {file_identity(folder)}
        try:
            inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            relative = folder.relative_to(root)
            yield Found(folder, relative, f"the folder can't be read: {error.strerror}; check its permissions.")
            continue
        below = []
        for path in inside:
            if is_folder(path):
                if path.is_symlink() and file_identity(path) in here:
                    _log.warning("%s: a link to a folder that it lies in; not followed", path)
                elif fence is None or file_identity(path) != fence:
                    below.append((path, here))
            elif is_image_path(path):
                yield _of_file(path, path.relative_to(root))
            elif is_foreign(path.name):
                foreign[path.suffix.lower()] += 1
        pending.extend(reversed(below))


def _of_file(path: Path, relative: PurePath) -> Found:
    """Return a file, with an error where opening it would fail, or wait for ever as a named pipe does."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        broken = path.is_symlink()
        return Found(path, relative, "the file that this link names is gone." if broken else _nothing(path))
    except OSError as error:
        return Found(path, relative, f"it can't be read: {error.strerror}.")
    return Found(path, relative, None if regular else "this is no regular file; name an image file or a folder.")


def _nothing(path: Path) -> str:
    if is_folder(path):
        return "no images in this folder; limpid reads PNG, JPEG, TIFF, WebP and AVIF files, by their suffix."
    if glob.has_magic(str(path)):
        return "no image file matches this pattern; check it."
    return "no such file or folder; check the path."


def replaced_input(outputs: Iterable[Path], inputs: Iterable[Path]) -> tuple[Path, Path] | None:
    """Return an output that is an input by whatever name, links and letter case included, and that input."""
    known = {identity: path for path in inputs if (identity := file_identity(path)) is not None}
    for output in outputs:
        identity = file_identity(output)
        if identity in known:
            return output, known[identity]
    return None
