"""Denoise one file of a plan: whatever is wrong with it is a row, never the end of the others."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from limpid.core.denoiser import Denoiser
from limpid.core.errors import LimpidError
from limpid.core.plain import plain
from limpid.io import SUFFIXES, ImageInfo, check_fits, is_image_path, probe, read_image, write_image
from limpid.jobs import Item, Row, Stamp
from limpid.jobs.names import path_of
from limpid.jobs.stamp import sha256_of
from limpid.workflows.denoise import Denoised, run_denoise
from limpid.workflows.models import load_model
from limpid.workflows.options import DenoiseOptions
from limpid.workflows.room import Room

if TYPE_CHECKING:
    from limpid.evaluation.reference_free.assessment import Assessment

__all__ = ["BASE_BYTES", "DenoiseTask", "FileResult", "names_of", "shown"]

_log = logging.getLogger(__name__)

#: Memory that does not depend on the image: interpreter, libraries and a compiled network.
BASE_BYTES: Final = 200_000_000
#: Tiles get this much however small the budget: below it, time grows and memory hardly falls.
_LEAST_TILE_BYTES: Final = 32_000_000
#: Pixels of the largest tile that an image is cut into where memory is not the limit, see :mod:`limpid.core.apply`.
_TILE_PIXELS: Final = 1024**2


@dataclass(frozen=True, slots=True)
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
    changed : bool
        Whether the input was another one when the work was planned.
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
    changed: bool = False
    assessment: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, row: Row, input: str, output: str | None, *, earlier: bool = False) -> Self:  # noqa: A002 (a column)
        """Return the result that a row of a receipt tells of; `earlier` if another run wrote it."""
        # An input in place that an earlier process was found to have replaced took this one no time.
        if row["status"] == "ok" and (earlier or row["seconds"] is None):
            known = {name: row[name] for name in ("model", "sigma", "strength")}
            return cls(input=input, output=output, status="skipped", **known)
        known = {name: row[name] for name in cls.__slots__}
        per_channel = tuple(row["sigma_per_channel"])
        return cls(**known | {"input": input, "output": output, "sigma_per_channel": per_channel})


class DenoiseTask:
    """Denoise items of a plan, see :class:`limpid.jobs.work.Task`.

    Where it is pickled, the denoiser stays behind and is loaded again.

    Parameters
    ----------
    root : Path
        The folder that items name their files from.
    options : DenoiseOptions
        How.
    """

    def __init__(self, root: Path, options: DenoiseOptions) -> None:
        self.root = root
        self.options = options
        self._room = Room(None if options.memory is None else max(options.memory - BASE_BYTES, 0))
        self._loading = threading.Lock()

    def __reduce__(self) -> tuple[type[Self], tuple[Path, DenoiseOptions]]:
        return type(self), (self.root, self.options)

    @property
    def denoiser(self) -> Denoiser:
        """What removes the noise; loaded once, whichever thread comes first."""
        with self._loading:
            return self._loaded

    @cached_property
    def _loaded(self) -> Denoiser:
        return load_model(
            self.options.model,
            runtime=self.options.runtime,
            device=self.options.device,
            threads=self.options.threads,
            allow_pickle=self.options.allow_pickle,
        )

    def __call__(self, item: Item, *, begun: bool) -> Row:
        """Return the columns of a receipt's row; only an interrupt gets out of here."""
        if item.output is None:
            return _row("error", error=item.error)
        source, target = (shown(path_of(text, self.root)) for text in (item.input, item.output))
        before = Stamp.of(source)
        planned = None if item.size is None or item.mtime_ns is None else Stamp(item.size, item.mtime_ns)
        if self.options.in_place and begun and before is not None and before != planned:
            # The process that began this ended between replacing the file and saying so.
            known = {"model": self.denoiser.name, "strength": self.options.strength}
            return _row("ok", planned, before, output_sha256=sha256_of(target), **known)
        started = time.perf_counter()
        try:
            known = self._denoised(source, target)
        except LimpidError as error:
            reason = str(error)
        except MemoryError:
            reason = "not enough memory for it; give a budget with memory (--memory), or split the image."
        except OSError as error:
            reason = f"{error.filename or target}: {error.strerror or error}."
        except Exception as error:  # noqa: BLE001 (one file never ends the run)
            _log.debug("%s", source, exc_info=True)
            reason = f"an error in limpid ({type(error).__name__}: {error}); please report it with this file."
        else:
            changed = before != planned if item.sha256 is None else known["input_sha256"] != item.sha256
            if changed:
                _log.warning("%s: it is another file than when it was planned; denoised as it is now", source)
            return _row("ok", before, Stamp.of(target), seconds=_since(started), changed=changed, **known)
        # The row names the input, so the message need not.
        return _row("error", before, error=reason.removeprefix(f"{source}: "))

    def _denoised(self, source: Path, target: Path) -> dict[str, Any]:
        """Read, denoise and write; return what to record of it."""
        info = probe(source)
        check_fits(info, SUFFIXES.get(target.suffix.lower(), info.format))
        digest = sha256_of(source)
        with self._room.taken(_work_bytes(info, self.denoiser, self.options.memory)):
            done, found = self._in_memory(source, target, info)
        return {
            "model": done.model,
            "sigma": _rms(done.sigma),
            "sigma_per_channel": done.sigma,
            "blind": done.blind,
            "strength": done.strength,
            "input_sha256": digest,
            "output_sha256": sha256_of(target),
            "assessment": None if found is None else found.to_dict(),
        }

    def _in_memory(self, source: Path, target: Path, info: ImageInfo) -> tuple[Denoised, Assessment | None]:
        options = self.options
        image = read_image(source, value_range=options.value_range, max_pixels=options.max_pixels)
        done = run_denoise(
            image,
            self.denoiser,
            sigma=options.sigma,
            strength=options.strength,
            chroma_strength=options.chroma_strength,
            memory=None if options.memory is None else _tile_bytes(options.memory, _whole_bytes(info)),
        )
        found = None
        if options.assess:
            from limpid.workflows.assess import assess_image  # its libraries are slow to import

            found = assess_image(image, done.image, denoiser=self.denoiser, told=options.sigma)
        del image  # its memory serves the encoder
        # The suffix decides; a file without one that is replaced by its output keeps its format.
        kept = None if is_image_path(target) else info.format
        target.parent.mkdir(parents=True, exist_ok=True)
        write_image(done.image, target, format=kept, quality=options.quality, strip_metadata=options.strip_metadata)
        return done, found


def names_of(row: Row, root: Path) -> tuple[str, str | None]:
    """Return the paths of a row as a user would write them."""
    output = None if row["output"] is None else str(shown(path_of(row["output"], root)))
    return str(shown(path_of(row["input"], root))), output


def shown(path: Path) -> Path:
    """Return an absolute path from the current folder where it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _row(
    status: Literal["ok", "error"],
    input_stamp: Stamp | None = None,
    output_stamp: Stamp | None = None,
    **known: Any,
) -> Row:
    """Return a row with all its columns."""
    columns = {
        "status": status,
        "error": None,
        "changed": False,
        "model": None,
        "sigma": None,
        "sigma_per_channel": (),
        "blind": None,
        "strength": None,
        "seconds": None,
        "input_size": input_stamp and input_stamp.size,
        "input_mtime_ns": input_stamp and input_stamp.mtime_ns,
        "input_sha256": None,
        "output_size": output_stamp and output_stamp.size,
        "output_mtime_ns": output_stamp and output_stamp.mtime_ns,
        "output_sha256": None,
        "assessment": None,
    }
    row: Row = plain(columns | known)
    return row


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)


def _rms(sigma: Sequence[float]) -> float:
    return sigma[0] if len(set(sigma)) == 1 else math.sqrt(math.fsum(s * s for s in sigma) / len(sigma))


def _whole_bytes(info: ImageInfo) -> int:
    """Return what a decoded image takes."""
    alpha = info.nbytes // info.channels if info.alpha else 0
    return info.nbytes + alpha


def _tile_bytes(memory: int, whole: int) -> int:
    """Return what a budget for the process leaves to the work on a tile, beside an image and its output."""
    return max(memory - 2 * whole - BASE_BYTES, _LEAST_TILE_BYTES)


def _work_bytes(info: ImageInfo, denoiser: Denoiser, memory: int | None) -> int:
    """Return what an image takes while it is in work: itself, its output, and the work on a tile."""
    whole = _whole_bytes(info)
    capabilities = denoiser.capabilities
    height, width = (info.shape[info.axes.index(axis)] for axis in "YX")
    pixels = height * width if capabilities.halo_px is None else min(info.pixels, _TILE_PIXELS)
    tile = capabilities.bytes_per_pixel * pixels
    return 2 * whole + (tile if memory is None else min(tile, _tile_bytes(memory, whole)))
