"""Where each output of a call goes, decided and checked before any work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path, PurePath

from limpid.core.errors import OptionError, WriteError
from limpid.io import SUFFIXES, is_folder, is_image_path, output_suffix_for
from limpid.io.paths import file_identity
from limpid.jobs import JobFolder
from limpid.workflows.expand import Found, find_images, folder_above, replaced_input

__all__ = ["Job", "Plan", "plan_outputs"]


@dataclass(frozen=True)
class Job:
    """One input and its output; or why it has none, and then `output` is of no meaning."""

    input: Path
    output: Path
    error: str | None = None


@dataclass(frozen=True)
class Plan:
    """All jobs of a call.

    Attributes
    ----------
    jobs : tuple of Job
        In the order they are done.
    root : Path or None
        The folder that outputs are below, and the record in; None where outputs in place have no such folder.
    single : bool
        Whether the user named the one output file.
    """

    jobs: tuple[Job, ...]
    root: Path | None
    single: bool

    @property
    def recorded(self) -> bool:
        """Whether a record is kept; a single named file has none."""
        return not self.single and self.root is not None

    def ready_root(self) -> None:
        """Create the output folder, and make sure that files can be created in it.

        Raises
        ------
        WriteError
            If not.
        """
        if self.root is None:
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root, prefix=".limpid-"):
                pass
        except OSError as error:
            raise WriteError(
                f"nothing can be written in {self.root} ({error.strerror or error}); choose another output.",
                source=str(self.root),
            ) from error


def plan_outputs(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str] | None,
    *,
    in_place: bool = False,
    format: str | None = None,  # noqa: A002 (the public word for it)
) -> Plan:
    """Return the jobs of a call; nothing is created yet.

    Parameters
    ----------
    inputs : sequence of str or path
        As in :func:`~limpid.workflows.expand.find_images`.
    output : str or path, optional
        A folder that the trees of the inputs are mirrored in, or a file where there is one input and the name has the
        suffix of an image.
    in_place : bool
        Outputs replace their inputs, instead of `output`.
    format : str, optional
        Of the outputs; default: the input's.

    Raises
    ------
    OptionError
        If the arguments contradict each other, or an output would replace an input.
    """
    if output is not None and not os.fspath(output):
        raise OptionError("the name of the output (-o) is empty; name a folder or a file.")
    if (output is None) != in_place:
        both = "give an output (-o) or in_place (--in-place), not both"
        raise OptionError(f"{both}." if in_place else "no output; name a folder or a file with -o, or use --in-place.")
    if in_place and format is not None:
        raise OptionError("in_place keeps each file's format; leave format out, or name an output.")
    found = find_images(inputs, outside=None if output is None else Path(output).expanduser())
    if output is None:
        jobs = [Job(hit.path, hit.path if hit.error else hit.path.resolve(), hit.error) for hit in found]
        return Plan(_without_collisions(jobs), folder_above(inputs), single=False)
    target = Path(output).expanduser()
    if _names_file(str(output), target, inputs, format):
        if len(found) != 1 or (len(inputs) == 1 and is_folder(Path(inputs[0]).expanduser())):
            raise OptionError(f"-o {output} names a file, which is for one input file; name a folder instead.")
        plan = Plan((Job(found[0].path, target, found[0].error),), target.parent, single=True)
    else:
        jobs = [
            Job(hit.path, target / (hit.relative if hit.error else _renamed(hit.relative, format)), hit.error)
            for hit in found
        ]
        _check_none_left_out(inputs, found, target)
        plan = Plan(_without_collisions(jobs), target, single=False)
    _check_not_inputs(plan.jobs)
    return plan


def _names_file(spelled: str, target: Path, inputs: Sequence[str | PathLike[str]], format_: str | None) -> bool:
    """Return whether `-o` names a file; refuse names that leave it open which is meant."""
    if is_folder(target) or spelled.endswith(("/", os.sep)):
        return False
    if is_image_path(target):
        if format_ is not None and SUFFIXES[target.suffix.lower()] != format_:
            raise OptionError(f"-o {spelled} and --format {format_} contradict each other; leave the format out.")
        return True
    # Not Path.is_file, which fails where a name is too long.
    if target.suffix and len(inputs) == 1 and os.path.isfile(Path(inputs[0]).expanduser()):  # noqa: PTH113
        raise OptionError(
            f"-o {spelled}: {target.suffix} is no image format that can be written; use one of {', '.join(SUFFIXES)}, "
            f"or write {spelled}/ if a folder is meant."
        )
    return False


def _renamed(relative: PurePath, format_: str | None) -> PurePath:
    if format_ is None and is_image_path(relative):
        return relative
    suffix = output_suffix_for(relative, format=format_)
    return relative.with_suffix(suffix) if is_image_path(relative) else relative.with_name(relative.name + suffix)


def _check_none_left_out(inputs: Sequence[str | PathLike[str]], found: Sequence[Found], target: Path) -> None:
    """Refuse an output folder with images that an input names too, unless they are the outputs of an earlier run."""
    if not is_folder(target) or JobFolder.exists_in(target):
        return
    taken = {hit.path for hit in found}
    left = next((hit.path for hit in find_images(inputs) if hit.error is None and hit.path not in taken), None)
    if left is not None:
        raise OptionError(
            f"the output folder {target} lies in an input and holds images that limpid has no record of writing, such "
            f"as {left}; they would be left out, and might be replaced. Choose another output folder.",
            source=str(left),
        )


def _check_not_inputs(jobs: Sequence[Job]) -> None:
    """Refuse outputs that are inputs."""
    clash = replaced_input((job.output for job in jobs if not job.error), (job.input for job in jobs))
    if clash is not None:
        output, taken = clash
        raise OptionError(
            f"{output} would be written, but it is the input {taken}; choose another output, or --in-place to "
            "replace inputs.",
            source=str(taken),
        )


def _without_collisions(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Return the jobs, each once, with an error on all those that share an output with another input."""
    spelled = _spelling([job.output for job in jobs if job.error is None])
    once: dict[object, Job] = {}
    sharing: dict[str, list[Job]] = {}
    for job in jobs:
        if job.error is not None:
            once[job] = job
            continue
        output = spelled(job.output)
        # Links to a file, and on some disks other letter case, are names of the same input.
        if once.setdefault((file_identity(job.input) or job.input, output), job) is job:
            sharing.setdefault(output, []).append(job)
    checked = []
    for job in once.values():
        others = [] if job.error else [other.input for other in sharing[spelled(job.output)] if other is not job]
        if others:
            reason = f"{others[0]} would write the same output {job.output}"
            job = replace(job, error=f"{reason}; rename one, or denoise them into different folders.")
        checked.append(job)
    return tuple(checked)


def _spelling(outputs: Sequence[Path]) -> Callable[[Path], str]:
    """Return what tells outputs apart: their letters, without the case where the disk does not keep it apart."""
    exact, folded = ({spell(output) for output in outputs} for spell in (str, _folded))
    return _folded if len(folded) < len(exact) and _ignores_case(outputs[0].parent) else str


def _folded(path: Path) -> str:
    return str(path).casefold()


def _ignores_case(folder: Path) -> bool:
    """Return whether a folder's disk takes `a` and `A` for the same name; asked of the folder it will be made in."""
    there = next((path for path in (folder.absolute(), *folder.absolute().parents) if is_folder(path)), folder)
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".limpid-a") as file:
            path = Path(file.name)
            return path.with_name(path.name.replace(".limpid-a", ".LIMPID-A", 1)).exists()
    except OSError:
        return False  # where nothing can be written, nothing is overwritten
