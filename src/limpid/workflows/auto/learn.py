"""Networks that learn from a cohort: the shipped one adapted to it, and one of its own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from limpid.catalog.measure import Settings
from limpid.core.errors import LimpidError, OptionError
from limpid.io.atomic import replacing
from limpid.io.sources import item_of
from limpid.io.sources.item import address_of
from limpid.workflows.auto.candidates import Candidate
from limpid.workflows.train import RUN, train

__all__ = ["LEAST_MINUTES", "LESSONS", "Lesson", "forget_copies", "learn"]

#: Less time than this for a network trains nothing.
LEAST_MINUTES: Final = 1.0

#: Folder of copies of images that are no files, beside the networks that learn from them.
_COPIES: Final = "images"


@dataclass(frozen=True)
class Lesson:
    """A way to learn.

    Attributes
    ----------
    name : str
        Of the candidate that comes of it.
    strategy : str
        As :func:`limpid.train` takes it.
    architecture : str or None
        Likewise.
    share : float
        Of the time that there is for a cohort.
    """

    name: str
    strategy: str
    architecture: str | None
    share: float


#: A network that begins at nothing takes longer than one that goes on from shipped weights.
LESSONS: Final = (Lesson("adapted", "adapt", None, 0.4), Lesson("trained", "auto", "small", 0.6))


def learn(
    lesson: Lesson,
    uris: Sequence[str],
    folder: Path,
    *,
    minutes: float,
    seed: int,
    settings: Settings,
    watcher: Callable[[int, int, float], None] | None,
) -> tuple[Candidate | None, str]:
    """Train a network on images of a cohort.

    Parameters
    ----------
    lesson : Lesson
        How.
    uris : sequence of str
        Names of the images.
    folder : Path
        For the model; a run in it that was interrupted goes on.
    minutes : float
        For the training.
    seed, settings, watcher
        As in :func:`limpid.train`.

    Returns
    -------
    (Candidate or None, str)
        None where none can be trained; and why, or how it was.
    """
    resume = (folder / RUN).is_dir()
    try:
        files = _files(uris, folder.parent / _COPIES)
        for again in (resume, False):
            try:
                trained = train(
                    files,
                    folder,
                    strategy=lesson.strategy,
                    architecture=lesson.architecture,
                    minutes=minutes,
                    seed=seed,
                    value_range=settings.value_range,
                    max_pixels=settings.max_pixels,
                    resume=again,
                    watcher=watcher,
                )
                break
            except OptionError:
                if not again:
                    raise
                shutil.rmtree(folder)  # of other images or settings, or stopped before its first checkpoint
    except LimpidError as error:
        return None, f"no network was {lesson.name}: {str(error).removesuffix('.')}"
    how = f"{lesson.name}: {trained.strategy}, {trained.steps} steps; {trained.reason}"
    return Candidate(lesson.name, str(folder.resolve())), how


def forget_copies(folder: Path) -> None:
    """Remove what :func:`learn` copied for the networks in a folder."""
    shutil.rmtree(folder / _COPIES, ignore_errors=True)


def _files(uris: Sequence[str], folder: Path) -> list[Path]:
    """Return images as files: those that are none, such as members of shards, are written into a folder.

    Those that can't be read any more are left out.
    """
    files = []
    for uri in uris:
        path = Path(address_of(uri))
        if "#" in uri or not path.is_file():
            name = hashlib.sha256(uri.encode("utf-8")).hexdigest()[:16]
            path = folder / f"{name}{PurePosixPath(uri.partition('#')[2] or uri).suffix}"
            if not path.exists():
                _copy(uri, path)
        if path.exists():
            files.append(path)
    return files


def _copy(uri: str, path: Path) -> None:
    try:
        content = item_of(uri).read()
    except LimpidError:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)
