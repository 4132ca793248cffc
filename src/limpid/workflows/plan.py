"""Where each output of a call goes, decided and checked before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from os import PathLike
from pathlib import Path, PurePath

from limpid.core.errors import LimpidError, OptionError
from limpid.io import SUFFIXES, is_folder, is_image_path, output_suffix_for, probe
from limpid.io.formats import FORMATS
from limpid.io.sources import Item, find_items
from limpid.io.sources.local import walk
from limpid.io.stores import Store, is_url, store_at
from limpid.jobs import JobFolder
from limpid.workflows.collisions import check_not_inputs, without_collisions
from limpid.workflows.expand import folder_above, named
from limpid.workflows.planned import Plan, Planned
from limpid.workflows.spool import Spool

__all__ = ["plan_outputs", "store_of"]


def plan_outputs(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str] | None,
    *,
    in_place: bool = False,
    format: str | None = None,  # noqa: A002 (the public word for it)
) -> Plan:
    """Return what a call is to do; nothing is created yet.

    Parameters
    ----------
    inputs : sequence of str or path
        As in :func:`~limpid.io.sources.find_items`.
    output : str or path, optional
        A folder that the trees of the inputs are mirrored in, here or in a store (``s3://bucket/prefix``); or a file
        where there is one input and the name has the suffix of an image.
    in_place : bool
        Outputs replace their inputs, instead of `output`.
    format : str, optional
        Of the outputs; default: the input's.

    Raises
    ------
    OptionError
        If the arguments contradict each other, or an output would replace an input.
    MissingExtraError
        If an address needs a package that is not installed.
    """
    if output is not None and not os.fspath(output):
        raise OptionError("the name of the output (-o) is empty; name a folder or a file.")
    if (output is None) != in_place:
        both = "give an output (-o) or in_place (--in-place), not both"
        raise OptionError(f"{both}." if in_place else "no output; name a folder or a file with -o, or use --in-place.")
    if in_place and format is not None:
        raise OptionError("in_place keeps each file's format; leave format out, or name an output.")
    names = named(inputs)
    if output is None:
        return _in_place(names)
    target = os.fspath(output)
    if is_url(target):
        return _checked(_below(target.rstrip("/"), names, format))
    target = str(Path(target).expanduser())
    if _names_file(os.fspath(output), Path(target), names, format):
        return _checked(_one_file(Path(target), names))
    _check_none_left_out(names, Path(target))
    return _checked(_below(target, names, format))


def _below(target: str, names: Sequence[str], format_: str | None) -> Plan:
    """Plan outputs in a folder that mirrors what is found."""
    if is_url(target) and any(sign in target for sign in "*?["):
        raise OptionError(f"-o {target}: the address of an output can't hold *, ? or [; name another one.")
    if is_url(target) and is_image_path(target):
        raise OptionError(f"-o {target}: in a store, -o names what outputs are below, not an image; leave it out.")
    images = _planned(find_items(names, outside=target), _Naming(format_).output_of)
    return Plan(images, store_of(target), target, recorded=True)


def _one_file(target: Path, names: Sequence[str]) -> Plan:
    items = find_items(names)
    found = [item for item, _ in zip(items, range(2), strict=False)]
    if len(found) != 1 or (len(names) == 1 and is_folder(Path(names[0]).expanduser())):
        raise OptionError(f"-o {target} names a file, which is for one input file; name a folder instead.")
    images = _planned(found, lambda _: target.name)
    return Plan(images, store_of(str(target.parent)), str(target.parent), recorded=False, single=True)


def _in_place(names: Sequence[str]) -> Plan:
    if elsewhere := next(filter(is_url, names), None):
        raise OptionError(f"in_place replaces files on this machine, got {elsewhere}; name an output (-o).")
    above = folder_above(names)
    root = (Path.cwd() if above is None else above).resolve()

    def output_of(item: Item) -> str:
        if item.path is None:
            raise OptionError("it lies in another file, and can't be replaced there; name an output (-o).")
        return PurePath(os.path.relpath(os.path.realpath(item.path), root)).as_posix()

    images = _planned(find_items(names), output_of)
    return without_collisions(Plan(images, store_at(root), str(root), recorded=above is not None))


def _planned(items: Iterable[Item], output_of: Callable[[Item], str]) -> Spool[Planned]:
    """Return what is to be done with items; an error is said once, however often its input is named."""
    images = Spool[Planned]()
    said: set[tuple[str, str]] = set()
    for item in items:
        error, output = item.error, ""
        if error is None:
            try:
                output = output_of(item)
            except OptionError as refused:
                error = str(refused)
        if error is not None:
            if (item.uri, error) in said:
                continue
            said.add((item.uri, error))
        images.append(Planned(item.name, item.uri, output, error, item.size, item.version))
    return images


def store_of(target: str) -> Store:
    """Return the store of outputs, without links on the way to it."""
    return store_at(target if is_url(target) else Path(target).resolve())


def _checked(plan: Plan) -> Plan:
    checked = without_collisions(plan)
    check_not_inputs(checked)
    return checked


class _Naming:
    """What outputs are called.

    Of an image whose format can't be told by its name (a row of a table), it is that of the first of its file that can
    be read: one format for all, so that no other has to be read now.
    """

    def __init__(self, format_: str | None) -> None:
        self._format = format_
        self._suffixes: dict[str, str] = {}

    def output_of(self, item: Item) -> str:
        """Return the way down from the output folder."""
        path = PurePath(item.below)
        if is_image_path(path):
            suffix = path.suffix if self._format is None else output_suffix_for(path, format=self._format)
            return path.with_suffix(suffix).as_posix()
        container, sign, _ = item.uri.partition("#")
        if not sign or self._format is not None:
            return f"{path.as_posix()}{output_suffix_for(path, format=self._format)}"
        if container not in self._suffixes and (read := _format_of(item)) is not None:
            self._suffixes[container] = FORMATS[read].suffixes[0]
        return f"{path.as_posix()}{self._suffixes.get(container, '.png')}"


def _format_of(item: Item) -> str | None:
    try:
        return probe(item.read()).format
    except LimpidError:
        return None


def _names_file(spelled: str, target: Path, names: Sequence[str], format_: str | None) -> bool:
    """Return whether `-o` names a file; refuse names that leave it open which is meant."""
    if is_folder(target) or spelled.endswith(("/", os.sep)):
        return False
    if is_image_path(target):
        if format_ is not None and SUFFIXES[target.suffix.lower()] != format_:
            raise OptionError(f"-o {spelled} and --format {format_} contradict each other; leave the format out.")
        return True
    # Not Path.is_file, which fails where a name is too long.
    if target.suffix and len(names) == 1 and os.path.isfile(Path(names[0]).expanduser()):  # noqa: PTH113
        raise OptionError(
            f"-o {spelled}: {target.suffix} is no image format that can be written; use one of {', '.join(SUFFIXES)}, "
            f"or write {spelled}/ if a folder is meant."
        )
    return False


def _check_none_left_out(names: Sequence[str], target: Path) -> None:
    """Refuse an output folder with images that an input names too, unless they are the outputs of an earlier run."""
    if not is_folder(target) or JobFolder.exists_in(store_at(target)):
        return
    here = [name for name in names if not is_url(name)]
    taken = chain.from_iterable(walk(name, outside=str(target), quiet=True) for name in here)
    following = next(taken, None)
    for entry in chain.from_iterable(walk(name, outside=None, quiet=True) for name in here):
        if entry == following:
            following = next(taken, None)
        elif entry.error is None:
            raise OptionError(
                f"the output folder {target} lies in an input and holds images that limpid has no record of writing, "
                f"such as {entry.name}; they would be left out, and might be replaced. Choose another output folder.",
                source=entry.name,
            )
