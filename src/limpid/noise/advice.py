"""What to do about the noise of an image, in words, with the numbers that say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from limpid.noise.result import NoiseEstimate

__all__ = ["IMPULSES_LEAST", "Advice", "advise"]

#: Noise below this share of the value range is hard to see, and about what "clean" photographs carry.
_CLEAN: Final = 2.0 / 255
#: Share of clipped pixels worth a word.
_CLIPPED: Final = 0.01

#: Share of impulses from which on they are repaired.
IMPULSES_LEAST: Final = 5e-4

#: Banding worth a word, as a multiple of sigma, and channels that differ, as a ratio.
_BANDING: Final = 0.25
#: Fixed pattern worth a word, as a multiple of sigma; fine texture of a scene that stands still is below.
_PATTERN: Final = 0.4
_DIFFERENT: Final = 1.5


@dataclass(frozen=True)
class Advice:
    """One piece of advice.

    Attributes
    ----------
    code : str
        For programs: ``unmeasured``, ``clean``, ``level``, ``signal-dependent``, ``correlated``, ``jpeg``, ``white``,
        ``banding``, ``fixed-pattern``, ``impulses``, ``clipped``, ``channels-differ``.
    text : str
        For people.
    """

    code: str
    text: str


def advise(noise: NoiseEstimate) -> tuple[Advice, ...]:
    """Return the advice that an estimate gives rise to, the most important first."""
    return tuple(Advice(code, text) for code, text in _advice(noise))


def _advice(noise: NoiseEstimate) -> Iterator[tuple[str, str]]:
    if not noise.measured:
        yield (
            "unmeasured",
            "The noise can't be estimated: no block of 8 x 8 pixels is free of clipped, missing or constant pixels. "
            "Give the level yourself (--sigma) if you know it.",
        )
        return
    low, high = noise.sigma_interval
    if noise.sigma < _CLEAN * noise.span:
        hidden = (
            " If you see noise all the same, JPEG took away what it is measured by: limpid denoise takes camera for "
            "such images in colour, which looks for it by itself."
        )
        yield (
            "clean",
            f"Leave it alone: sigma {noise.sigma:.3g} is {noise.sigma / noise.span:.1%} of the range, which can't be "
            f"seen and may be fine texture; denoising would cost detail.{hidden if noise.jpeg else ''}",
        )
    else:
        yield "level", f"Denoise at sigma {noise.sigma:.4g} (95 %: {low:.4g} to {high:.4g}); limpid denoise does so."
    if noise.signal_dependent:
        yield (
            "signal-dependent",
            f"The noise grows with the signal (variance = {noise.gain:.4g} * signal {noise.floor:+.4g}): one level for "
            "all pixels would blur the dark ones or leave noise in the bright ones. limpid denoise uses a level per "
            "pixel; train with Poisson-Gaussian noise.",
        )
    yield from _structure(noise)
    if noise.has_impulses:
        yield (
            "impulses",
            f"{noise.impulse_share:.2%} of the pixels are hot, dead or impulses; limpid denoise repairs them first.",
        )
    if max(noise.clipped_share) > _CLIPPED:
        dark, bright = noise.clipped_share
        yield (
            "clipped",
            f"{dark:.1%} of the pixels are clipped at the dark end, {bright:.1%} at the bright end: their noise is "
            "cut off and their mean is wrong. Expose for it, or keep values below black.",
        )
    levels = noise.sigma_per_channel
    if min(levels) > 0 and max(levels) > _DIFFERENT * min(levels):
        yield (
            "channels-differ",
            f"The channels differ ({', '.join(f'{s:.3g}' for s in levels)}): denoise each at its own level, as limpid "
            "denoise does.",
        )


def _structure(noise: NoiseEstimate) -> Iterator[tuple[str, str]]:
    correlation = noise.correlation if noise.sigma >= _CLEAN * noise.span else None
    if noise.white and correlation is not None:
        yield (
            "white",
            f"The noise is white (correlation between neighbours {correlation['x']:+.2f} and {correlation['y']:+.2f}): "
            "all training strategies are valid for it, Noise2Void and Neighbor2Neighbor among them.",
        )
    elif noise.white is False and correlation is not None:
        lag = max(abs(correlation["x"]), abs(correlation["y"]))
        yield (
            "correlated",
            f"The noise is correlated (up to {lag:.2f} between neighbours), as after demosaicking, resizing or JPEG: "
            "Noise2Void and Neighbor2Neighbor are invalid for it, they would learn to keep it. Valid are clean "
            "targets, Noise2Noise on two exposures, synthetic noise of the same correlation, or Noise2Void with a mask "
            "over the pixels that are correlated. Networks made for white noise leave part of it; limpid denoise "
            "takes camera in colour, where that removes more.",
        )
    if noise.jpeg:
        yield (
            "jpeg",
            f"The image was a JPEG file (blocking {noise.jpeg_blocking:.2f}): part of the noise was quantised away. "
            "Start from the raw file or the original if there is one.",
        )
    rows, columns = noise.banding
    if correlation is not None and max(rows, columns) > _BANDING:
        what = "rows" if rows >= columns else "columns"
        yield (
            "banding",
            f"Whole {what} are shifted by {max(rows, columns):.2f} sigma (banding); subtract dark frames first.",
        )
    pattern = noise.fixed_pattern or 0.0
    if pattern > _PATTERN * noise.sigma and noise.sigma > _CLEAN * noise.span:
        yield (
            "fixed-pattern",
            f"A pattern of {pattern:.3g} repeats in all planes: averaging them does not remove it, and a network that "
            "is trained on pairs of them (Noise2Noise) would learn to keep it. Subtract a dark frame, or divide by a "
            "flat one, first.",
        )
