"""Denoise files: every input has a row in the end, and what one of them suffers is no other's trouble."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from limpid.core.denoiser import Denoiser
from limpid.core.errors import LimpidError, OptionError, WriteError
from limpid.core.image import Image
from limpid.io import SUFFIXES, check_fits, is_image_path, probe, read_image, write_image
from limpid.jobs import Manifest
from limpid.workflows.denoise import Denoised, run_denoise
from limpid.workflows.models import load_model
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.plan import Job, Plan, plan_outputs
from limpid.workflows.record import Record
from limpid.workflows.watcher import Watcher

if TYPE_CHECKING:
    from limpid.evaluation.reference_free.assessment import Assessment

__all__ = ["FileResult", "FilesSummary", "denoise_files"]

_log = logging.getLogger(__name__)

#: Memory that does not depend on the image: interpreter, libraries and a compiled network.
_BASE_BYTES: Final = 200_000_000
#: Tiles get this much however small the budget: below it, time grows and memory hardly falls.
_LEAST_TILE_BYTES: Final = 32_000_000


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What happened to one input.

    Attributes
    ----------
    input : str
        Path as it was found.
    output : str or None
        Path; None for an input that no work was begun for.
    status : str
        ``skipped`` was done by an earlier run; ``planned`` is all that a dry run says.
    error : str or None
        What is wrong with the input, and what to do.
    model : str or None
        Name of the model.
    sigma : float or None
        Noise level in the file's own units: root mean square over the channels.
    sigma_per_channel : tuple of float
        The same for each channel.
    blind : bool or None
        Whether sigma was measured, not told.
    strength : float or None
        As asked for.
    seconds : float or None
        Reading, measuring, denoising and writing.
    assessment : mapping or None
        How good the result is, where that was asked for: :meth:`Assessment.to_dict`.
    """

    input: str
    output: str | None
    status: Literal["ok", "error", "skipped", "planned"]
    error: str | None = None
    model: str | None = None
    sigma: float | None = None
    sigma_per_channel: tuple[float, ...] = ()
    blind: bool | None = None
    strength: float | None = None
    seconds: float | None = None
    assessment: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FilesSummary:
    """All rows of a call, the folder or file they went to, and how long it took."""

    results: tuple[FileResult, ...]
    output: Path | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "results": [asdict(result) for result in self.results],
            "done": self.count("ok"),
            "failed": self.count("error"),
            "skipped": self.count("skipped"),
            "output": None if self.output is None else str(self.output),
            "seconds": round(self.seconds, 3),
        }

    def count(self, status: str) -> int:
        """Return the number of rows of a status."""
        return sum(result.status == status for result in self.results)


def denoise_files(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str] | None = None,
    *,
    options: DenoiseOptions | None = None,
    watcher: Watcher[FileResult] | None = None,
) -> FilesSummary:
    """Denoise files, folders and globs into a folder, a file, or in place.

    What goes wrong with one file is a row with an error; the others are done. Each output appears whole or not at
    all, and is on record in the manifest when it does, so that an interrupted call can be resumed.

    Parameters
    ----------
    inputs, output
        As in :func:`~limpid.workflows.plan.plan_outputs`.
    options : DenoiseOptions, optional
        Default: all defaults.
    watcher : Watcher, optional
        Told of each row.

    Raises
    ------
    OptionError, ModelError, MissingExtraError
        If the call can't be meant so; nothing was done.
    WriteError
        If nothing can be written where the outputs should go; nothing was done.
    """
    options = options or DenoiseOptions()
    started = time.perf_counter()
    plan = plan_outputs(inputs, output, in_place=options.in_place, format=options.format)
    if options.resume and plan.manifest is None:
        without = "one named file has" if plan.single else "inputs in place that only the root folder holds have"
        raise OptionError(f"resume needs an output folder: {without} no manifest.")
    denoiser = load_model(
        options.model,
        runtime=options.runtime,
        device=options.device,
        threads=options.threads,
        allow_pickle=options.allow_pickle,
    )
    if options.memory is not None and denoiser.capabilities.halo_px is None:
        _log.warning(
            "%s needs whole planes at once, about %d bytes for each pixel; memory will be exceeded where that is more",
            denoiser.name,
            denoiser.capabilities.bytes_per_pixel,
        )
    if watcher is not None:
        watcher.planned(len(plan.jobs))
    results = []
    for result in _dry(plan) if options.dry_run else _run(plan, denoiser, options):
        results.append(result)
        if watcher is not None:
            watcher.finished(result)
    return FilesSummary(tuple(results), None if output is None else Path(output), time.perf_counter() - started)


def _dry(plan: Plan) -> Iterator[FileResult]:
    for job in plan.jobs:
        yield _failed(job, job.error) if job.error else _result(job, "planned")


def _run(plan: Plan, denoiser: Denoiser, options: DenoiseOptions) -> Iterator[FileResult]:
    """Yield a row per job as it is done."""
    plan = _ready(plan, options)
    with ExitStack() as stack:
        manifest = None
        if plan.manifest is not None:
            header = {"model": dict(denoiser.identity), "options": options.deciding(denoiser)}
            manifest = stack.enter_context(
                (Manifest.resume if options.resume else Manifest.create)(plan.manifest, header)
            )
        for job in plan.jobs:
            record = None if manifest is None else Record(manifest, job, in_place=options.in_place)
            if job.error is not None:
                result = _failed(job, job.error)
                if record is not None:
                    record.end(**{key: getattr(result, key) for key in Record.COLUMNS})
                yield result
                continue
            entry = None if record is None else record.done()
            if entry is not None:
                yield _result(job, "skipped", model=entry.model, sigma=entry.sigma, strength=entry.strength)
                continue
            if record is not None:
                record.begin()
            result = _denoise_file(job, denoiser, options)
            if record is not None:
                record.end(**{key: getattr(result, key) for key in Record.COLUMNS})
            yield result


def _ready(plan: Plan, options: DenoiseOptions) -> Plan:
    """Make the output folder ready; in place, the folder of the manifest is not worth failing for."""
    try:
        plan.ready_root()
    except WriteError:
        if not options.in_place or options.resume:
            raise
        _log.warning("no manifest can be written in %s; this run can't be resumed", plan.root)
        return replace(plan, root=None)
    return plan


def _denoise_file(job: Job, denoiser: Denoiser, options: DenoiseOptions) -> FileResult:
    """Return the row of one file; only an interrupt gets out of here."""
    started = time.perf_counter()
    try:
        done, found = _read_denoise_write(job, denoiser, options)
    except LimpidError as error:
        return _failed(job, str(error))
    except MemoryError:
        return _failed(job, "not enough memory for it; give a budget with memory (--memory), or split the image.")
    except OSError as error:
        return _failed(job, f"{error.filename or job.output}: {error.strerror or error}.")
    except Exception as error:  # noqa: BLE001 (one file never ends the run)
        _log.debug("%s", job.input, exc_info=True)
        return _failed(job, f"an error in limpid ({type(error).__name__}: {error}); please report it with this file.")
    return _result(
        job,
        "ok",
        model=done.model,
        sigma=_rms(done.sigma),
        sigma_per_channel=done.sigma,
        blind=done.blind,
        strength=done.strength,
        seconds=round(time.perf_counter() - started, 3),
        assessment=None if found is None else found.to_dict(),
    )


def _read_denoise_write(job: Job, denoiser: Denoiser, options: DenoiseOptions) -> tuple[Denoised, Assessment | None]:
    info = probe(job.input)
    check_fits(info, SUFFIXES.get(job.output.suffix.lower(), info.format))
    image = read_image(job.input, value_range=options.value_range, max_pixels=options.max_pixels)
    done = run_denoise(
        image,
        denoiser,
        sigma=options.sigma,
        strength=options.strength,
        chroma_strength=options.chroma_strength,
        memory=None if options.memory is None else _tile_bytes(options.memory, image),
    )
    found = None
    if options.assess:
        from limpid.workflows.assess import assess_image  # its libraries are slow to import

        found = assess_image(image, done.image, denoiser=denoiser, told=options.sigma)
    del image  # its memory serves the encoder
    # The suffix decides; a file without one that is replaced by its output keeps its format.
    kept = None if is_image_path(job.output) else info.format
    job.output.parent.mkdir(parents=True, exist_ok=True)
    write_image(done.image, job.output, format=kept, quality=options.quality, strip_metadata=options.strip_metadata)
    return done, found


def _tile_bytes(memory: int, image: Image) -> int:
    """Return what a budget for the process leaves to the work on a tile."""
    whole = image.values.nbytes + (0 if image.alpha is None else image.alpha.nbytes)
    return max(memory - 2 * whole - _BASE_BYTES, _LEAST_TILE_BYTES)


def _rms(sigma: Sequence[float]) -> float:
    return sigma[0] if len(set(sigma)) == 1 else math.sqrt(math.fsum(s * s for s in sigma) / len(sigma))


def _result(job: Job, status: Literal["ok", "error", "skipped", "planned"], **known: Any) -> FileResult:
    return FileResult(input=str(job.input), output=str(job.output), status=status, **known)


def _failed(job: Job, error: str) -> FileResult:
    """Return a row with an error; the row names the input, so the message need not."""
    output = None if job.error else str(job.output)
    return FileResult(input=str(job.input), output=output, status="error", error=error.removeprefix(f"{job.input}: "))
