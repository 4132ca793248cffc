"""Assess files: pairs of noisy and denoised ones, or noisy ones and a model; what is wrong with one is a row."""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePath
from typing import Any

from limpid.core.denoiser import Denoiser
from limpid.core.errors import LimpidError, OptionError
from limpid.core.image import Image
from limpid.evaluation.reference_free.assessment import Assessment
from limpid.evaluation.reference_free.sheet import proof_sheet
from limpid.io import DEFAULT_MAX_PIXELS, is_folder, is_image_path, read_image, write_image
from limpid.noise.result import NoiseEstimate
from limpid.workflows.assess import assess_image
from limpid.workflows.expand import Found, find_images, replaced_input
from limpid.workflows.level import Told
from limpid.workflows.models import load_model
from limpid.workflows.watcher import Watcher

__all__ = ["FileAssessment", "assess_files", "read_noise_file", "write_sheet"]


@dataclass(frozen=True)
class FileAssessment:
    """The assessment of one file, or why there is none."""

    input: str
    denoised: str | None
    found: Assessment | None
    error: str | None = None

    @property
    def status(self) -> str:
        """``ok`` or ``error``."""
        return "error" if self.found is None else "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON: the same keys whatever the status."""
        known = dict.fromkeys(Assessment.keys()) if self.found is None else self.found.to_dict()
        return {"input": self.input, "denoised": self.denoised, "status": self.status, "error": self.error, **known}


@dataclass(frozen=True)
class _Settings:
    denoiser: Denoiser | None
    told: Told | NoiseEstimate | None
    repeats: tuple[Image, ...]
    value_range: tuple[float, float] | None
    max_pixels: int


def assess_files(
    noisy: str | PathLike[str],
    denoised: str | PathLike[str] | None = None,
    *,
    model: str | None = None,
    allow_pickle: bool = False,
    sigma: float | None = None,
    noise: Path | None = None,
    repeats: Sequence[Path] = (),
    value_range: tuple[float, float] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    sheet: Path | None = None,
    watcher: Watcher[FileAssessment] | None = None,
) -> list[FileAssessment]:
    """Return the assessment of each file.

    Parameters
    ----------
    noisy : str or path
        A file, folder or glob.
    denoised : str or path, optional
        A file where `noisy` is one; else the folder whose tree mirrors that of `noisy`.
    model, allow_pickle
        As in :func:`limpid.assess`.
    sigma : float, optional
        Noise level in the files' own units.
    noise : path, optional
        What ``limpid noise --json`` printed of an image with the same noise.
    repeats : sequence of path
        Other exposures of the same scene, for one input.
    value_range : (float, float), optional
        Values of black and white, for float files that state none.
    max_pixels : int
        Files that announce more are refused.
    sheet : path, optional
        Proof sheet, a PNG file for one input, else a folder.
    watcher : Watcher, optional
        Told of each row.

    Raises
    ------
    OptionError, ModelError, ReadError
        If the call can't be meant so; nothing was done.
    """
    if denoised is None and model is None:
        raise OptionError("name the denoised file or folder, or --model, a model to denoise with.")
    if sigma is not None and noise is not None:
        raise OptionError("sigma and noise both say what the noise is; give one of them.")
    hits = find_images([noisy])
    if repeats and len(hits) != 1:
        raise OptionError(f"repeats show the scene of one image, got {len(hits)} inputs; name one.")
    single = len(hits) == 1 and (sheet is None or sheet.suffix.lower() == ".png")
    if sheet is not None and not single and sheet.suffix:
        raise OptionError(f"sheets of {len(hits)} images need a folder, got {sheet.name!r}.")
    settings = _Settings(
        denoiser=None if model is None else load_model(model, allow_pickle=allow_pickle),
        told=sigma if noise is None else read_noise_file(noise),
        repeats=tuple(read_image(path, value_range=value_range, max_pixels=max_pixels) for path in repeats),
        value_range=value_range,
        max_pixels=max_pixels,
    )
    partners = None if denoised is None else _Partners(Path(denoised))
    pages = [None if sheet is None else sheet if single else sheet / _page_name(hit, hits) for hit in hits]
    _check_pages(pages, [*(hit.path for hit in hits), *(partners.of(hit) for hit in hits if partners), *repeats])
    if watcher is not None:
        watcher.planned(len(hits))
    rows = []
    for hit, page in zip(hits, pages, strict=True):
        rows.append(_assess(hit, partners, settings, page))
        if watcher is not None:
            watcher.finished(rows[-1])
    return rows


def _page_name(hit: Found, hits: Sequence[Found]) -> PurePath:
    """Return the name of a sheet: that of the image, with its suffix where another image differs in that alone."""
    alone = sum(other.relative.with_suffix("") == hit.relative.with_suffix("") for other in hits) == 1
    return hit.relative.with_suffix(".png") if alone else hit.relative.with_name(f"{hit.relative.name}.png")


def _check_pages(pages: Sequence[Path | None], images: Sequence[Path]) -> None:
    """Refuse sheets that would replace an image that is looked at."""
    clash = replaced_input((page for page in pages if page is not None), images)
    if clash is not None:
        page, taken = clash
        raise OptionError(
            f"the sheet {page} would replace the image {taken}; give it another name or folder.", source=str(taken)
        )


def read_noise_file(path: Path) -> NoiseEstimate:
    """Return the noise that ``limpid noise --json`` measured in one image, from what it printed.

    Raises
    ------
    OptionError
        If the file holds no such thing.
    """
    try:
        (row,) = json.loads(path.read_text(encoding="utf-8"))["results"]
        return NoiseEstimate.from_dict(row)
    except OSError as error:
        raise OptionError(f"{path} can't be read ({error.strerror}).", source=str(path)) from error
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise OptionError(
            f"{path} does not hold the noise of one image; make it by: limpid noise IMAGE --json > {path.name}",
            source=str(path),
        ) from error


def write_sheet(noisy: Image, found: Assessment, path: Path, *, title: str) -> None:
    """Write the proof sheet of an image.

    Raises
    ------
    WriteError
        If it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(Image.from_array(proof_sheet(noisy, found.denoised, found, title=title)), path)


class _Partners:
    """Finds the denoised file that belongs to a noisy one."""

    def __init__(self, given: Path) -> None:
        self._given = given

    def of(self, hit: Found) -> Path:
        if not is_folder(self._given):
            return self._given
        exact = self._given / hit.relative
        if exact.exists():
            return exact
        others = [p for p in sorted(exact.parent.glob(f"{glob.escape(exact.stem)}.*")) if is_image_path(p)]
        return others[0] if others else exact


def _assess(hit: Found, partners: _Partners | None, settings: _Settings, sheet: Path | None) -> FileAssessment:
    partner = None if partners is None or hit.error else partners.of(hit)
    row = str(hit.path), None if partner is None else str(partner)
    if hit.error is not None:
        return FileAssessment(*row, None, hit.error)
    try:
        noisy, after = (
            None if path is None else read_image(path, value_range=settings.value_range, max_pixels=settings.max_pixels)
            for path in (hit.path, partner)
        )
        assert noisy is not None
        found = assess_image(noisy, after, denoiser=settings.denoiser, told=settings.told, repeats=settings.repeats)
        if sheet is not None:
            write_sheet(noisy, found, sheet, title=hit.path.name)
    except LimpidError as error:
        return FileAssessment(*row, None, str(error).removeprefix(f"{hit.path}: "))
    except MemoryError:
        return FileAssessment(*row, None, "not enough memory for it; free some, or split the image.")
    return FileAssessment(*row, found)
