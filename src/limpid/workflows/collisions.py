"""Outputs that several images would have, or that are inputs themselves: found among any number of them."""

from __future__ import annotations

import tempfile
from array import array
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path

import numpy as np

from limpid.core.errors import OptionError
from limpid.io.paths import file_identity, is_folder
from limpid.io.sources.item import address_of
from limpid.io.stores import is_url
from limpid.workflows.planned import Plan, Planned
from limpid.workflows.spool import Spool

__all__ = ["check_not_inputs", "without_collisions"]


def without_collisions(plan: Plan) -> Plan:
    """Return a plan with each image once, and an error on all those that share an output with another image."""
    twice = _repeated(array("q", (hash(one.output.casefold()) for one in plan.images if one.error is None)))
    if not twice:
        return plan
    suspects = {
        place: one
        for place, one in enumerate(plan.images)
        if one.error is None and hash(one.output.casefold()) in twice
    }
    spelled = _spelling(plan, [one.output for one in suspects.values()])
    sharing: dict[str, dict[Hashable, int]] = defaultdict(dict)
    for place, one in suspects.items():
        # Links to a file, and on some disks other letter case, are names of the same image.
        sharing[spelled(one.output)].setdefault(_identity(one), place)
    checked = Spool[Planned]()
    for place, one in enumerate(plan.images):
        same = sharing[spelled(one.output)].values() if place in suspects else [place]
        if place not in same:
            continue
        other = next((suspects[another].name for another in same if another != place), None)
        if other is not None:
            reason = f"{other} would write the same output {plan.output_of(one)}"
            one = one._replace(error=f"{reason}; rename one, or denoise them into different folders.")
        checked.append(one)
    return replace(plan, images=checked)


def check_not_inputs(plan: Plan) -> None:
    """Refuse a plan with outputs that are inputs, by whatever name, links and letter case included.

    Raises
    ------
    OptionError
        If there is one.
    """
    if not is_url(plan.store.address) and not is_folder(Path(plan.store.address)):
        return  # no output is there yet
    inputs = array("q", (hash(_identity(one)) for one in plan.images))
    outputs = array("q", (hash(_output_identity(plan, one)) for one in plan.images if one.error is None))
    common = set(np.intersect1d(_values(inputs), _values(outputs)).tolist())
    if not common:
        return
    known = {identity: one.name for one in plan.images if hash(identity := _identity(one)) in common}
    for one in plan.images:
        taken = None if one.error is not None else known.get(_output_identity(plan, one))
        if taken is not None:
            raise OptionError(
                f"{plan.output_of(one)} would be written, but it is the input {taken}; choose another output, or "
                "--in-place to replace inputs.",
                source=taken,
            )


def _identity(one: Planned) -> Hashable:
    """Return what all names of an image share."""
    address, inside, _ = one.uri.partition("#")
    return one.uri if inside else _file_identity(address_of(address))


def _output_identity(plan: Plan, one: Planned) -> Hashable:
    return _file_identity(f"{plan.store.address}/{one.output}")


def _file_identity(address: str) -> Hashable:
    return address if is_url(address) else file_identity(address) or address


def _repeated(hashes: array[int]) -> set[int]:
    ordered = np.sort(_values(hashes))
    return set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


def _values(hashes: array[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.frombuffer(hashes, np.int64) if hashes else np.empty(0, np.int64)


def _spelling(plan: Plan, outputs: list[str]) -> Callable[[str], str]:
    """Return what tells outputs apart: their letters, without the case where the disk does not keep it apart."""
    folded = len(set(map(str.casefold, outputs))) < len(set(outputs))
    return str.casefold if folded and _ignores_case(plan.store.address) else str


def _ignores_case(folder: str) -> bool:
    """Return whether a folder's disk takes `a` and `A` for the same name; asked of the folder it will be made in."""
    if is_url(folder):
        return False
    path = Path(folder).absolute()
    there = next((one for one in (path, *path.parents) if is_folder(one)), path)
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".limpid-a") as file:
            name = Path(file.name)
            return name.with_name(name.name.replace(".limpid-a", ".LIMPID-A", 1)).exists()
    except OSError:
        return False  # where nothing can be written, nothing is overwritten
