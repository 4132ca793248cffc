"""Tests of what was removed: is it as much as the noise, as white, and free of the picture?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from limpid.evaluation.reference_free.residual import Residual
from limpid.noise.correlation import Correlation

__all__ = ["Check", "Verdict", "check_all", "judge", "wrong_level"]

# Thresholds were chosen on 70 pictures of the training pool at sigma 8 to 50: at the right level, 98 % of the results
# of a network and of non-local means pass each test; what they reach at half of it, or half as much again, is in
# brackets.

#: Least share of what can be removed that must be, and the same where how much that is can't be known (half: 0.5 and
#: 0.15).
_REMOVED_LEAST: Final = 0.7
_ENERGY_LEAST: Final = 0.5

#: Energy beyond that of the noise, of the whole and of the most detailed tenth (half as much again: 1.05 and 1.0 to
#: 1.3), besides what chance and an unsure level may add.
_ENERGY_MOST: Final = 1.02
_IN_DETAIL_MOST: Final = 1.1
_CHANCES: Final = 3.0

#: Correlation between neighbours that what was removed may have beyond that of the noise (half: 0.25 to 0.36).
_CORRELATION_MOST: Final = 0.2

#: Spread of the means of regions, as a multiple of what noise has.
_DRIFT_MOST: Final = 1.5

#: Told and measured sigma may differ by this factor, besides what the measurement may be off by.
_LEVEL_FACTOR: Final = 1.25

#: From this factor on, nothing that needs the level can be said.
_LEVEL_WRONG: Final = 3.0


#: Tests that a level fails which was measured too low.
_AGAINST_TOO_MUCH: Final = frozenset({"excess", "structure", "bias"})


@dataclass(frozen=True)
class Check:
    """One test: its statistic, the threshold, whether it passed, and what it asks."""

    statistic: float
    threshold: float
    passed: bool
    asks: str


@dataclass(frozen=True)
class Verdict:
    """The verdict in a few words, and in a sentence with its reason."""

    code: str
    text: str


def check_all(
    channels: Sequence[Residual],
    *,
    correlation: Sequence[Correlation] | None,
    variance_error: float,
    level: tuple[float, float, float] | None = None,
) -> dict[str, Check]:
    """Return the tests by name.

    Parameters
    ----------
    channels : sequence of Residual
        What was removed.
    correlation : sequence of Correlation, or None
        Of the noise of each channel; None where it is white.
    variance_error : float
        How far the logarithm of the noise's variance may be off; infinite where it is not known at all, and then only
        tests are made that don't need it.
    level : (told, measured, error), optional
        Sigma that was told, that measured, and how far the logarithm of the latter may be off.
    """
    white = [(0.0, 0.0, 0.0)] * len(channels)
    expected = white if correlation is None else [one.neighbours for one in correlation]
    apart = [
        abs(found - noise)
        for one, lags in zip(channels, expected, strict=True)
        for found, noise in zip(one.neighbours, lags, strict=True)
    ]
    whiteness = _at_most(max(apart), _CORRELATION_MOST, "correlation between neighbours, beyond that of the noise")
    if math.isinf(variance_error):
        return {"whiteness": whiteness}
    energy = float(np.mean([one.energy for one in channels]))
    count = sum(one.pixels.count for one in channels)
    margin = _CHANCES * math.hypot(variance_error, math.sqrt(2 / count))
    least = _ENERGY_LEAST
    if all(one.response is not None for one in channels):
        least = _REMOVED_LEAST * max(1 - float(np.mean([one.divergence for one in channels])), 0.0)
    drift = max(one.drift for one in channels)
    in_detail = float(np.mean([one.in_detail for one in channels]))
    in_detail_margin = _CHANCES * math.hypot(variance_error, math.sqrt(20 / count))
    checks = {
        "removed": Check(energy, least, energy >= least, "energy removed, as a share of the noise's: enough?"),
        "excess": _at_most(energy, _ENERGY_MOST + margin, "the same: not too much?"),
        "whiteness": whiteness,
        "structure": _at_most(
            in_detail, _IN_DETAIL_MOST + in_detail_margin, "energy removed in the most detailed tenth, likewise"
        ),
        "bias": _at_most(drift, _DRIFT_MOST, "shift of region means, as a multiple of the noise's"),
    }
    if level is not None:
        told, measured, error = level
        factor = math.exp(abs(math.log(told / measured)))
        most = _LEVEL_FACTOR * math.exp(_CHANCES * error)
        checks["level"] = _at_most(factor, most, "factor between sigma told and sigma measured")
    return checks


def wrong_level(checks: Mapping[str, Check]) -> Check | None:
    """Return the test of the level where that is so far off that nothing that needs it can be said."""
    level = checks.get("level")
    return level if level is not None and not level.passed and level.statistic > _LEVEL_WRONG else None


def judge(checks: Mapping[str, Check], *, correlated: bool, unknown: str | None, doubt: str | None = None) -> Verdict:
    """Return what the tests come down to.

    Parameters
    ----------
    checks : mapping
        As returned by :func:`check_all`.
    correlated : bool
        Whether the noise is.
    unknown : str or None
        Why nothing can be said, where that is so.
    doubt : str or None
        Why there may be more noise than was measured, where that is so: too much is not told from enough then.
    """
    failed = {name for name, check in checks.items() if not check.passed}
    if unknown is not None:
        return Verdict("unknown", f"Whether the noise is gone can't be told: {unknown}.")
    level = wrong_level(checks)
    if level is not None:
        return Verdict(
            "level in doubt",
            f"The level told and the one measured differ by a factor of {level.statistic:.3g}: is sigma in the "
            "image's own units?",
        )
    if "removed" in failed:
        return Verdict(
            "too little removed",
            f"What was removed has {checks['removed'].statistic:.0%} of the energy of the noise: most of it is left. "
            "Denoise at a higher sigma.",
        )
    if doubt is not None and (much := sorted(failed & _AGAINST_TOO_MUCH)):
        return Verdict("unknown", f"Whether too much was removed can't be told ({', '.join(much)} failed): {doubt}.")
    if "whiteness" in failed and correlated:
        return Verdict(
            "too little removed",
            "The noise is correlated between neighbouring pixels, what was removed is not: its coarse part is left. "
            "Use a model trained for such noise, or start from the raw file.",
        )
    if "excess" in failed:
        return Verdict(
            "too much removed",
            f"What was removed has {checks['excess'].statistic:.0%} of the energy of the noise: part of it was "
            "picture. Denoise at a lower sigma or strength.",
        )
    if "structure" in failed:
        return Verdict(
            "structure removed",
            f"Where there is most detail, what was removed has {checks['structure'].statistic:.0%} of the energy of "
            "the noise: part of it was picture. Denoise at a lower sigma or strength.",
        )
    if "whiteness" in failed:
        return Verdict(
            "structure removed",
            f"Neighbouring pixels of what was removed are correlated ({checks['whiteness'].statistic:.2f}), those of "
            "the noise are not.",
        )
    if "bias" in failed:
        return Verdict(
            "intensities shifted",
            f"The means of regions moved {checks['bias'].statistic:.1f} times as far as noise would move them.",
        )
    if "level" in failed:
        return Verdict(
            "level in doubt",
            f"The level told and the one measured differ by a factor of {checks['level'].statistic:.2f}.",
        )
    return Verdict("good", "What was removed is as much as the noise, as white, and free of the picture.")


def _at_most(statistic: float, threshold: float, asks: str) -> Check:
    return Check(statistic, threshold, statistic <= threshold, asks)
