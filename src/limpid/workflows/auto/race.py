"""A race: candidates denoise the same images of a cohort, and how good each is is told without clean ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from limpid.core.errors import LimpidError
from limpid.models.store import shipped_names
from limpid.noise.result import Interval
from limpid.workflows.assess import assess_image
from limpid.workflows.auto.candidates import SHIPPED, UNCHANGED, Candidate
from limpid.workflows.auto.sample import Sample
from limpid.workflows.denoise import run_denoise
from limpid.workflows.level import measured_sigma
from limpid.workflows.models import load_model

__all__ = ["Score", "choose", "score", "unbeaten"]

#: 90 % of a Student's t of 4 degrees of freedom, which the errors of measured levels follow, lies within this.
_T4_REACH: Final = 2.132

#: Candidates that are so near to the best, in dB, are as good: the fastest of them wins.
_AS_GOOD_DB: Final = 0.03


@dataclass(frozen=True)
class Score:
    """How a candidate did.

    Attributes
    ----------
    candidate : Candidate
        Which.
    psnr : float or None
        Estimated, in dB, of all images that raced; None where it can't be told.
    interval : (float, float) or None
        It lies in there with a probability of 90 %.
    verdict : str
        As in :class:`~limpid.evaluation.reference_free.assessment.Assessment`.
    reason : str or None
        Why `psnr` is None.
    megapixels_per_s : float or None
        How fast it is here; None where nothing is to be done.
    """

    candidate: Candidate
    psnr: float | None
    interval: Interval | None
    verdict: str
    reason: str | None
    megapixels_per_s: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.candidate.name,
            "model": self.candidate.model,
            "strength": self.candidate.strength,
            "estimated_psnr": self.psnr,
            "interval": None if self.interval is None else list(self.interval),
            "verdict": self.verdict,
            "reason": self.reason,
            "megapixels_per_s": self.megapixels_per_s,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_dict` gave."""
        interval = document["interval"]
        return cls(
            Candidate(document["name"], document["model"], document["strength"]),
            document["estimated_psnr"],
            None if interval is None else (interval[0], interval[1]),
            document["verdict"],
            document["reason"],
            document["megapixels_per_s"],
        )


def score(candidate: Candidate, sample: Sample) -> Score:
    """Return how a candidate does on a sample, told the noise that its images share."""
    if candidate == UNCHANGED:
        return _unchanged(sample)
    noisy, noise = sample.raced, sample.noise
    try:
        denoiser = load_model(candidate.model)
        one = dataclasses.replace(noisy, values=noisy.values[:1])
        run_denoise(one, denoiser, sigma=measured_sigma(noise), strength=candidate.strength)  # compiles
        done = run_denoise(noisy, denoiser, sigma=measured_sigma(noise), strength=candidate.strength)
        found = assess_image(noisy, done.image, denoiser=denoiser, told=noise)
    except LimpidError as error:
        return Score(candidate, None, None, "unknown", str(error).removesuffix("."), None)
    speed = noisy.planes()[..., 0].size / 1e6 / max(done.seconds, 1e-9)
    return Score(candidate, found.psnr, found.psnr_interval, found.verdict, found.reason, speed)


def _unchanged(sample: Sample) -> Score:
    """Return how good the images are as they are: all that is wrong with them is the noise."""
    noise, span = sample.noise, sample.raced.span
    if noise.sigma <= 0 or math.isinf(noise.variance_error):  # as where one channel holds nothing
        return Score(UNCHANGED, None, None, "unknown", "no noise was found that could be told from none", None)
    psnr = 20 * math.log10(span / noise.sigma)
    reach = 10 / math.log(10) * _T4_REACH * noise.variance_error
    return Score(UNCHANGED, psnr, (psnr - reach, psnr + reach), "too little removed", None, None)


def unbeaten(scores: Sequence[Score]) -> str | None:
    """Return why nothing can be shown to be better than the shipped model; None where it can.

    That its error can't be told is no word against it: errors too small for how well the noise is known can't be.
    """
    if not [one for one in scores if one.psnr is not None and one.candidate != UNCHANGED]:
        reasons = "; ".join(dict.fromkeys(one.reason for one in scores if one.reason))
        return f"none could be scored: {reasons or 'no image could be used'}"
    untold = next((one for one in scores if one.candidate.name in shipped_names() and one.psnr is None), None)
    return None if untold is None else f"nothing can be compared with {untold.candidate.name}: {untold.reason}"


def choose(scores: Sequence[Score]) -> tuple[Candidate, str]:
    """Return the winner, and why: the best by estimated PSNR; of those as good, the fastest.

    Where nothing can be shown to be better, it is the shipped model.
    """
    if (why := unbeaten(scores)) is not None:
        return SHIPPED, f"the shipped model, since {why}"
    ranked = sorted((one for one in scores if one.psnr is not None), key=lambda one: -_psnr(one))
    best = ranked[0]
    near = [one for one in ranked if _psnr(best) - _psnr(one) <= _AS_GOOD_DB]
    winner = max(near, key=lambda one: one.megapixels_per_s or math.inf)
    after = next((one for one in ranked if one not in near), None)
    ahead = "" if after is None else f", {_psnr(winner) - _psnr(after):.2f} dB ahead of {after.candidate.name}"
    as_good = [one.candidate.name for one in near if one != winner]
    faster = f"; {', '.join(as_good)} {'is' if len(as_good) == 1 else 'are'} as good and slower" if as_good else ""
    return winner.candidate, f"estimated {_psnr(winner):.2f} dB{ahead}{faster}"


def _psnr(one: Score) -> float:
    assert one.psnr is not None
    return one.psnr
