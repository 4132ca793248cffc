"""Denoise one file of a plan: whatever is wrong with it is a row, never the end of the others."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from limpid.core.apply import tile_pixels
from limpid.core.denoiser import Denoiser
from limpid.core.errors import LimpidError
from limpid.core.plain import plain
from limpid.io import SUFFIXES, ImageInfo, check_fits, is_image_path, probe, read_image
from limpid.io.sources import Item as Source
from limpid.io.sources import item_of
from limpid.io.sources.item import address_of
from limpid.io.stores import Stamp, store_at
from limpid.io.write import about_file, encoder
from limpid.jobs import Item, Row
from limpid.jobs.names import uri_in
from limpid.workflows.denoise import Denoised, run_denoise
from limpid.workflows.models import load_model
from limpid.workflows.options import DenoiseOptions, Way
from limpid.workflows.planned import shown, shown_below
from limpid.workflows.room import Room

if TYPE_CHECKING:
    from limpid.evaluation.reference_free.assessment import Assessment

__all__ = ["BASE_BYTES", "DenoiseTask", "FileResult", "names_of", "sha256_of"]

_log = logging.getLogger(__name__)

#: Memory that does not depend on the image: interpreter, libraries and a compiled network.
BASE_BYTES: Final = 200_000_000
#: Tiles get this much however small the budget: below it, time grows and memory hardly falls.
_LEAST_TILE_BYTES: Final = 32_000_000


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
        Name of the model; of ``auto``, that of the network that was chosen.
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
    chosen_for : str or None
        As in :class:`~limpid.workflows.denoise.Denoised`.
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
    chosen_for: str | None = None

    @classmethod
    def of(cls, row: Row, input: str, output: str | None, *, earlier: bool = False) -> Self:  # noqa: A002 (a column)
        """Return the result that a row of a receipt tells of; `earlier` if another run wrote it."""
        # An input in place that an earlier process was found to have replaced took this one no time.
        known: dict[str, Any]
        if row["status"] == "ok" and (earlier or row["seconds"] is None):
            known = {name: row.get(name) for name in ("model", "sigma", "strength", "chosen_for")}
            return cls(input=input, output=output, status="skipped", **known)
        known = {name: row.get(name) for name in cls.__slots__}
        per_channel = tuple(row["sigma_per_channel"])
        return cls(**known | {"input": input, "output": output, "sigma_per_channel": per_channel})


class DenoiseTask:
    """Denoise items of a plan, see :class:`limpid.jobs.work.Task`.

    Where it is pickled, the denoiser stays behind and is loaded again.

    Parameters
    ----------
    root : str
        Address of the folder that items name their files from.
    options : DenoiseOptions
        How.
    ways : sequence of Way
        How else, for items that say which.
    """

    def __init__(self, root: str, options: DenoiseOptions, ways: Sequence[Way] = ()) -> None:
        self.root = root
        self._store = store_at(root)
        self.options = options
        self.ways = tuple(ways)
        self._room = Room(None if options.memory is None else max(options.memory - BASE_BYTES, 0))
        self._loading = threading.Lock()
        self._loaded: dict[str, Denoiser] = {}

    def __reduce__(self) -> tuple[type[Self], tuple[str, DenoiseOptions, tuple[Way, ...]]]:
        return type(self), (self.root, self.options, self.ways)

    @property
    def denoiser(self) -> Denoiser:
        """What removes the noise."""
        return self.denoiser_of(self.options.model)

    def denoiser_of(self, model: str) -> Denoiser:
        """Return a model; each is loaded once, whichever thread comes first."""
        with self._loading:
            if model not in self._loaded:
                self._loaded[model] = load_model(
                    model,
                    runtime=self.options.runtime,
                    device=self.options.device,
                    precision=self.options.precision,
                    threads=self.options.threads,
                    allow_pickle=self.options.allow_pickle,
                )
            return self._loaded[model]

    def with_options(self, **changes: Any) -> Self:
        """Return the task with other options."""
        return type(self)(self.root, replace(self.options, **changes), self.ways)

    def _options_of(self, item: Item) -> DenoiseOptions:
        if item.way is None:
            return self.options
        return replace(self.options, model=self.ways[item.way].model, strength=self.ways[item.way].strength)

    def __call__(self, item: Item, *, begun: bool) -> Row:
        """Return the columns of a receipt's row; only an interrupt gets out of here."""
        if item.output is None:
            return _row("error", error=item.error)
        uri, name = uri_in(item.input, self.root), address_of(item.output)
        planned, before = Stamp(item.size, item.version), None
        options = self._options_of(item)
        started = time.perf_counter()
        try:
            source = item_of(uri)
            if source.error is not None:
                return _row("error", error=source.error)
            before = Stamp(source.size, source.version)
            if options.in_place and begun and before != planned:
                # The process that began this ended between replacing the file and saying so.
                known = {"model": self.denoiser_of(options.model).name, "strength": options.strength}
                return _row("ok", planned, before, output_sha256=sha256_of(Path(source.path or name)), **known)
            known = self._denoised(source, name, options, kept=item.way is not None and options.strength == 0)
            after = self._store.stamp(name)
        except LimpidError as error:
            reason = str(error)
        except MemoryError:
            reason = "not enough memory for it; give a budget with memory (--memory), or split the image."
        except OSError as error:
            reason = f"{error.filename or shown_below(self.root, name)}: {error.strerror or error}."
        except Exception as error:  # noqa: BLE001 (one file never ends the run)
            _log.debug("%s", uri, exc_info=True)
            reason = f"an error in limpid ({type(error).__name__}: {error}); please report it with this file."
        else:
            changed = before != planned if item.sha256 is None else known["input_sha256"] != item.sha256
            if changed:
                where = _shown_uri(uri)
                _log.warning("%s: it is another file than when it was planned; denoised as it is now", where)
            return _row("ok", before, after, seconds=_since(started), changed=changed, **known)
        # The row names the input, so the message need not.
        for label in (f"{_shown_uri(uri)}: ", f"{uri}: ", "image bytes: "):
            reason = reason.removeprefix(label)
        return _row("error", before, error=reason)

    def _denoised(self, source: Source, name: str, options: DenoiseOptions, *, kept: bool) -> dict[str, Any]:
        """Read, denoise and write; return what to record of it.

        What is kept as it is is copied, unless it changes its format: to encode a lossy file again would cost quality.
        """
        content = source.read() if source.path is None else Path(shown(source.path))
        info = probe(content)
        format_ = SUFFIXES.get(PurePosixPath(name).suffix.lower(), info.format)
        check_fits(info, format_)
        digest = sha256_of(content)
        if kept and format_ == info.format:
            written = self._copied(content, name)
            known = {"model": self.denoiser_of(options.model).name, "strength": options.strength}
            return {**known, "input_sha256": digest, "output_sha256": written}
        with self._room.taken(_work_bytes(info, self.denoiser_of(options.model), options.memory)):
            done, written, found = self._in_memory(content, name, info, options)
        return {
            "model": done.model,
            "chosen_for": done.chosen_for,
            "sigma": _rms(done.sigma),
            "sigma_per_channel": done.sigma,
            "blind": done.blind,
            "strength": done.strength,
            "input_sha256": digest,
            "output_sha256": written,
            "assessment": None if found is None else found.to_dict(),
        }

    def _copied(self, content: bytes | Path, name: str) -> str:
        """Write a file as it is; return its hash."""
        whole = content if isinstance(content, bytes) else content.read_bytes()
        with self._store.replacing(name) as file:
            file.write(whole)
        return sha256_of(whole)

    def _in_memory(
        self, content: bytes | Path, name: str, info: ImageInfo, options: DenoiseOptions
    ) -> tuple[Denoised, str, Assessment | None]:
        denoiser = self.denoiser_of(options.model)
        image = read_image(content, value_range=options.value_range, max_pixels=options.max_pixels)
        done = run_denoise(
            image,
            denoiser,
            sigma=options.sigma,
            strength=options.strength,
            chroma_strength=options.chroma_strength,
            memory=None if options.memory is None else _tile_bytes(options.memory, _whole_bytes(info)),
        )
        found = None
        if options.assess:
            from limpid.workflows.assess import assess_image  # its libraries are slow to import

            found = assess_image(image, done.image, denoiser=denoiser, told=options.sigma)
        del image, content  # their memory serves the encoder
        # The suffix decides; a file without one that is replaced by its output keeps its format.
        kept = None if is_image_path(name) else info.format
        target = shown(shown_below(self.root, name))
        with about_file(target):
            encode = encoder(
                done.image, target, format=kept, quality=options.quality, strip_metadata=options.strip_metadata
            )
            with self._store.replacing(name) as file:
                encode(file)
                file.seek(0)
                written = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # which asks for little
        return done, written, found


def names_of(row: Row, root: str) -> tuple[str, str | None]:
    """Return the names of a row's image and output as a user would write them."""
    output = None if row["output"] is None else shown(shown_below(root, address_of(row["output"])))
    return _shown_uri(uri_in(row["input"], root)), output


def _shown_uri(uri: str) -> str:
    container, sign, member = uri.partition("#")
    return shown(address_of(container)) + sign + address_of(member)


def sha256_of(content: bytes | Path) -> str:
    """Return the hash of a file, of which the content is at hand or the path."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        "chosen_for": None,
        "sigma": None,
        "sigma_per_channel": (),
        "blind": None,
        "strength": None,
        "seconds": None,
        "input_size": input_stamp and input_stamp.size,
        "input_version": input_stamp and input_stamp.version,
        "input_sha256": None,
        "output_size": output_stamp and output_stamp.size,
        "output_version": output_stamp and output_stamp.version,
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
    pixels = height * width if capabilities.halo_px is None else min(info.pixels, tile_pixels(capabilities, None))
    tile = capabilities.bytes_per_pixel * pixels
    return 2 * whole + (tile if memory is None else min(tile, _tile_bytes(memory, whole)))
