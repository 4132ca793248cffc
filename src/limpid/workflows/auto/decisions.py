"""What was decided for each cohort, on record: a run that goes on does not decide again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from limpid.core.plain import plain
from limpid.core.version import __version__
from limpid.io.atomic import replacing
from limpid.workflows.auto.candidates import Candidate
from limpid.workflows.auto.race import Score

__all__ = ["Decision", "Record", "key_of"]

_FILE: Final = "decisions.json"


@dataclass(frozen=True)
class Decision:
    """How a cohort is denoised.

    Attributes
    ----------
    winner : Candidate
        By what.
    reason : str
        Why.
    scores : tuple of Score
        All that raced.
    notes : tuple of str
        What was trained and how, and what was left out and why.
    seconds : float
        That it took.
    raced_uris : tuple of str
        Names of the images that they raced on.
    """

    winner: Candidate
    reason: str
    scores: tuple[Score, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    raced_uris: tuple[str, ...] = ()

    @property
    def psnr(self) -> float | None:
        """That of the winner, as it was estimated."""
        return next((one.psnr for one in self.scores if one.candidate == self.winner), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "candidates": [one.to_dict() for one in self.scores],
            "winner": self.winner.name,
            "model": self.winner.model,
            "strength": self.winner.strength,
            "reason": self.reason,
            "notes": list(self.notes),
            "seconds": self.seconds,
            "raced": list(self.raced_uris),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """Return what :meth:`to_dict` gave."""
        return cls(
            Candidate(document["winner"], document["model"], document["strength"]),
            document["reason"],
            tuple(Score.from_dict(one) for one in document["candidates"]),
            tuple(document["notes"]),
            document["seconds"],
            tuple(document["raced"]),
        )


def key_of(images: Sequence[tuple[str, str]], **settings: Any) -> str:
    """Return what a decision follows from, as a hash: the images of a cohort, by name and hash, and what was asked for.

    The fit of the cohort is no part of it: it changes a little with every image of the others, and its place too.
    """
    known = [__version__, list(images), settings]
    return hashlib.sha256(json.dumps(plain(known), sort_keys=True).encode("ascii")).hexdigest()[:16]


class Record:
    """The decisions of a folder by their keys; each is written as it is made.

    Parameters
    ----------
    folder : Path
        It is there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):  # none yet, or none to go by
            found = {}
        self._known: dict[str, dict[str, Any]] = found if isinstance(found, dict) else {}

    def get(self, key: str) -> Decision | None:
        """Return a decision that was made, if its model is still there."""
        try:
            found = Decision.from_dict(self._known[key])
            model = Path(found.winner.model)
        except (KeyError, TypeError):
            return None
        return None if model.is_absolute() and not model.exists() else found

    def keep(self, key: str, decision: Decision) -> None:
        """Write a decision down.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        self._known[key] = decision.to_dict()
        with replacing(self._path) as file:
            file.write(json.dumps(plain(self._known), indent=1, allow_nan=False).encode("ascii"))
