"""How good the results of a cohort are, on images that took no part in its race."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from limpid.catalog.cohorts import Cohort
from limpid.catalog.measure import Settings
from limpid.core.errors import LimpidError
from limpid.core.image import Image
from limpid.evaluation.reference_free.assessment import Assessment
from limpid.io.sources import item_of
from limpid.noise.result import NoiseEstimate
from limpid.workflows.assess import assess_image
from limpid.workflows.auto.decisions import Decision
from limpid.workflows.auto.sample import middle
from limpid.workflows.models import load_model

if TYPE_CHECKING:
    import duckdb

__all__ = ["Proof", "Proved", "prove"]

#: Results that are assessed, and the side of the part that is.
_RESULTS: Final = 4
_SIDE_PX: Final = 1024

#: Rows of the catalogue that are looked through for them.
_LOOKED_AT: Final = 200


@dataclass(frozen=True)
class Proved:
    """One result: the image, its part before and after, and what was found."""

    uri: str
    before: Image
    after: Image
    found: Assessment


@dataclass(frozen=True)
class Proof:
    """Some results of a cohort.

    Attributes
    ----------
    results : tuple of Proved
        At most four.
    """

    results: tuple[Proved, ...]

    @property
    def psnr(self) -> float | None:
        """Estimated PSNR in dB, mean over those that it could be told of."""
        known = [one.found.psnr for one in self.results if one.found.psnr is not None]
        return float(np.mean(known)) if known else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "images": len(self.results),
            "estimated_psnr": self.psnr,
            "verdicts": [one.found.verdict for one in self.results],
        }


def prove(
    connection: duckdb.DuckDBPyConnection,
    cohort: Cohort,
    decision: Decision,
    noise: NoiseEstimate,
    result_of: Callable[[str], str | None],
    settings: Settings,
) -> Proof:
    """Return how good some results are, of images that took no part in the race.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Holds the table ``catalogue``.
    cohort : Cohort
        Of it.
    decision : Decision
        How it was denoised.
    noise : NoiseEstimate
        What its images have in common.
    result_of : callable
        Returns the path of the result of an image, by its URI; None where it has none.
    settings : Settings
        What images are read with.
    """
    rows = connection.execute(
        "select uri from catalogue where cohort = ? and not list_contains(?::varchar[], uri) "
        "order by sha256, uri limit ?",
        [cohort.id, list(decision.raced_uris), _LOOKED_AT],
    ).fetchall()
    results: list[Proved] = []
    denoiser = load_model(decision.winner.model)
    for (uri,) in rows:
        if len(results) == _RESULTS:
            break
        if (result := result_of(uri)) is None:
            continue
        try:
            before = middle(item_of(uri).read(), _SIDE_PX, settings)
            after = middle(result, _SIDE_PX, settings)
            found = assess_image(before, after, denoiser=denoiser, told=noise)
        except LimpidError:
            continue  # gone or changed since; the row of the job says what became of it
        results.append(Proved(uri, before, after, found))
    return Proof(tuple(results))
