"""How good a denoised image is: its estimated error, tests of what was removed, and which pixels to trust."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from limpid.core.image import Array, FloatArray, Image
from limpid.evaluation.reference_free.checks import Check, Verdict, check_all, judge, wrong_level
from limpid.evaluation.reference_free.clipping import Clipping
from limpid.evaluation.reference_free.confidence import DOUBTFUL, confidence, expected_error, first_order
from limpid.evaluation.reference_free.pixels import split_channels
from limpid.evaluation.reference_free.repeats import held_out_risk
from limpid.evaluation.reference_free.residual import BLOCK_PX, Residual
from limpid.evaluation.reference_free.response import Rerun, correlated_probe, respond, white_probe
from limpid.evaluation.reference_free.risk import Risk, measure, posterior, prior
from limpid.noise.correlation import Correlation
from limpid.noise.models import NoiseModel

__all__ = ["Assessment", "NoiseKnown", "assess_planes"]

#: Fewest usable pixels, and blocks of them, of a channel that anything is said of, and the least share of all.
_LEAST_PX: Final = 1024
_LEAST_BLOCKS: Final = 16
_LEAST_SHARE: Final = 0.25

#: Factor by which the squared error that clipping adds may be wrong.
_CLIPPING_UNSURE: Final = 1.5

#: Widest interval, in dB, that is worth a number.
_WIDEST_DB: Final = 6.0


@dataclass(frozen=True)
class NoiseKnown:
    """What is known of the noise of an image, in units of the value range.

    Attributes
    ----------
    models : tuple of NoiseModel
        Of each channel.
    variance_error : float
        How far the logarithm of the variance may be off, the scale of a Student's t of 4 degrees of freedom: 0 where it
        was told, infinite where nothing is known.
    correlation : tuple of Correlation, or None
        Of each channel; None for white noise.
    level : (told, measured, error), optional
        See :func:`~limpid.evaluation.reference_free.checks.check_all`.
    refusal : str, optional
        Why the noise is none that an error could be estimated from.
    doubt : str, optional
        Why there may be more noise than that.
    """

    models: tuple[NoiseModel, ...]
    variance_error: float = 0.0
    correlation: tuple[Correlation, ...] | None = None
    level: tuple[float, float, float] | None = None
    refusal: str | None = None
    doubt: str | None = None


@dataclass(frozen=True)
class Assessment:
    """What :func:`limpid.assess` found.

    Attributes
    ----------
    psnr : float or None
        Estimated peak signal-to-noise ratio in dB, over all channels; None where it can't be estimated, see `reason`.
    psnr_interval : (float, float) or None
        It lies in there with a probability of 90 %.
    mse : float or None
        Estimated mean squared error, in the image's own units squared.
    mse_interval : (float, float) or None
        As for `psnr`.
    psnr_per_channel : tuple of float or None
        The same for each channel.
    reason : str or None
        Why `psnr` is None.
    tests : mapping from str to Check
        ``whiteness`` and, where the level of the noise is known, ``removed``, ``excess``, ``structure``, ``bias`` and
        ``level`` (only where sigma was told).
    verdict : str
        ``good``, ``too little removed``, ``too much removed``, ``structure removed``, ``intensities shifted``,
        ``level in doubt``, or ``unknown``.
    explanation : str
        The verdict in a sentence, with its numbers.
    sigma : float
        Root mean square of the noise that was assumed, in the image's own units.
    denoised : Image
        What was assessed.
    confidence : float32 array or None
        Shape of the image without its channel axis: 1 where no error is expected, 0 where as much as the noise was.
        None where the denoiser could not be run.
    expected_error : float32 array or None
        Root mean square error expected at each pixel, in the image's own units, same shape.
    """

    psnr: float | None
    psnr_interval: tuple[float, float] | None
    mse: float | None
    mse_interval: tuple[float, float] | None
    psnr_per_channel: tuple[float | None, ...]
    reason: str | None
    tests: Mapping[str, Check]
    verdict: str
    explanation: str
    sigma: float
    denoised: Image = field(repr=False)
    confidence: FloatArray | None = field(default=None, repr=False)
    expected_error: FloatArray | None = field(default=None, repr=False)

    @property
    def doubtful(self) -> Array | None:
        """Pixels not to be trusted: the error expected is more than half of what the noise was."""
        return None if self.confidence is None else self.confidence < DOUBTFUL

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the keys of :meth:`to_dict`."""
        return (
            *("psnr", "psnr_interval", "mse", "mse_interval", "psnr_per_channel", "reason"),
            *("tests", "verdict", "explanation", "sigma", "doubtful_share"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; maps are left out."""
        return {
            "psnr": self.psnr,
            "psnr_interval": None if self.psnr_interval is None else list(self.psnr_interval),
            "mse": self.mse,
            "mse_interval": None if self.mse_interval is None else list(self.mse_interval),
            "psnr_per_channel": list(self.psnr_per_channel),
            "reason": self.reason,
            "tests": {
                name: {"statistic": test.statistic, "threshold": test.threshold, "passed": test.passed}
                for name, test in self.tests.items()
            },
            "verdict": self.verdict,
            "explanation": self.explanation,
            "sigma": self.sigma,
            "doubtful_share": None if self.doubtful is None else float(self.doubtful.mean()),
        }


def assess_planes(
    noisy: Image,
    denoised: Image,
    *,
    noise: NoiseKnown,
    usable: Array,
    clipping: Clipping | None = None,
    rerun: Rerun | None,
    no_rerun: str = "",
    repeats: Sequence[FloatArray] = (),
    rng: np.random.Generator,
) -> Assessment:
    """Assess a denoised image.

    Parameters
    ----------
    noisy, denoised : Image
        Of equal shape and value range; all of `noisy` is finite.
    noise : NoiseKnown
        What is known of the noise.
    usable : bool array, shape (N, Y, X, C)
        Pixels whose noise follows the model.
    clipping : Clipping, optional
        What clipping did to each pixel, same shape.
    rerun : callable or None
        The denoiser, as it was applied.
    no_rerun : str
        Why there is none.
    repeats : sequence of float32 array, shape (N, Y, X, C)
        Other exposures of the same scene, in units of the value range.
    rng : numpy.random.Generator
        For the probe.
    """
    before, after = noisy.unit_planes(), denoised.unit_planes()
    after = np.where(np.isfinite(after), after, before)
    too_little = _too_little(usable)
    channels = split_channels(before, after, np.ones_like(usable) if too_little else usable, noise.models)
    variance = np.stack([one.variance for one in channels], axis=-1)
    refusal = too_little or noise.refusal
    response = local = None
    if rerun is not None and too_little is None and math.isfinite(noise.variance_error):
        response = respond(rerun, before, rerun(before), np.sqrt(variance), _probe(before.shape, noise, rng))
        local = first_order(response, variance, clipping)
    residuals = [Residual(one, None if response is None else response.channel(c)) for c, one in enumerate(channels)]
    risks: list[Risk | None] = [None] * (1 + len(channels))
    if repeats and too_little is None:
        refusal = None
        groups = [usable, *(_only(usable, c) for c in range(len(channels)))]
        risks = [held_out_risk(before, after, repeats, group) for group in groups]
    elif refusal is None and rerun is None:
        refusal = no_rerun
    elif refusal is None and local is not None:
        risks = _risks(residuals, noise, usable, clipping, local)
    whole, *single = risks
    if whole is not None and _width(whole) > _WIDEST_DB:
        refusal = f"the noise is not known well enough: the estimate would be {_spoken(whole)} dB wide"
        whole, single = None, [None] * len(single)
    elif whole is not None and whole.interval[1] <= 0:
        refusal = "the other exposures have less noise than the image"
        whole, single = None, [None] * len(single)
    tests: dict[str, Check] = {}
    if too_little is None:
        tests = check_all(
            residuals, correlation=noise.correlation, variance_error=noise.variance_error, level=noise.level
        )
    level = wrong_level(tests)
    if not repeats and level is not None:
        refusal = f"the level told and the one measured differ by a factor of {level.statistic:.3g}; check its units"
        whole, single = None, [None] * len(single)
    unknown = too_little or (None if math.isfinite(noise.variance_error) else noise.refusal)
    verdict = judge(tests, correlated=noise.correlation is not None, unknown=unknown, doubt=noise.doubt)
    error = None if local is None else expected_error(local, clipping, None if whole is None else whole.mse)
    return _assessment(denoised, whole, single, refusal, tests, verdict, error, variance)


def _assessment(
    image: Image,
    whole: Risk | None,
    single: Sequence[Risk | None],
    reason: str | None,
    tests: Mapping[str, Check],
    verdict: Verdict,
    error: FloatArray | None,
    variance: FloatArray,
) -> Assessment:
    span = image.span
    trust = None
    if error is not None:
        shape = image.values.shape[: len(image.axes.removesuffix("C"))]
        trust = confidence(error, variance).reshape(shape)
        error = (error * np.float32(span)).reshape(shape)
    return Assessment(
        psnr=None if whole is None else _db(whole.mse),
        psnr_interval=None if whole is None else (_db(whole.interval[1]), _db(whole.interval[0])),
        mse=None if whole is None else whole.mse * span**2,
        mse_interval=None if whole is None else (whole.interval[0] * span**2, whole.interval[1] * span**2),
        psnr_per_channel=tuple(None if one is None else _db(one.mse) for one in single),
        reason=None if whole is not None else reason,
        tests=tests,
        verdict=verdict.code,
        explanation=verdict.text,
        sigma=math.sqrt(float(variance.mean(dtype=np.float64))) * span,
        denoised=image,
        confidence=trust,
        expected_error=error,
    )


def _risks(
    residuals: Sequence[Residual], noise: NoiseKnown, usable: Array, clipping: Clipping | None, local: FloatArray
) -> list[Risk | None]:
    """Return the error of all channels together, then of each."""
    moved = np.zeros_like(local) if clipping is None else np.square(clipping.bias)
    whole = _beyond(_risk(residuals, noise), local, usable, moved)
    if len(residuals) == 1:
        return [whole, whole]
    each = [
        _beyond(_risk([one], noise), local[..., c], usable[..., c], moved[..., c]) for c, one in enumerate(residuals)
    ]
    return [whole, *each]


def _risk(residuals: Sequence[Residual], noise: NoiseKnown) -> Risk:
    found = measure(residuals)
    expected = prior(found, correlated=noise.correlation is not None)
    return posterior(found, prior=expected, variance_error=noise.variance_error)


def _beyond(risk: Risk, local: FloatArray, usable: Array, moved: FloatArray) -> Risk:
    """Return the error of all pixels from that of the usable ones.

    Parameters
    ----------
    risk : Risk
        Of the usable pixels.
    local : float32 array
        Squared error expected at each pixel, up to a factor.
    usable : bool array, same shape
        Pixels that `risk` is of.
    moved : float32 array
        Squared error that clipping adds to each.
    """
    times = float(local.mean(dtype=np.float64)) / float(local.mean(dtype=np.float64, where=usable))
    more = float(moved.mean(dtype=np.float64))
    unsure = math.exp(abs(math.log(times)) / 2)
    low, high = risk.interval
    return Risk(
        risk.mse * times + more,
        (low * times / unsure + more / _CLIPPING_UNSURE, high * times * unsure + more * _CLIPPING_UNSURE),
    )


def _probe(shape: tuple[int, ...], noise: NoiseKnown, rng: np.random.Generator) -> FloatArray:
    if noise.correlation is None:
        return white_probe(shape, rng)
    return np.concatenate([correlated_probe((*shape[:-1], 1), rng, one) for one in noise.correlation], axis=-1)


def _too_little(usable: Array) -> str | None:
    """Return why nothing can be said of so few pixels, or None."""
    height, width = usable.shape[1:3]
    blocks = len(usable) * (height // BLOCK_PX) * (width // BLOCK_PX)
    counts = usable.sum(axis=(0, 1, 2))
    if counts.min() < _LEAST_PX or blocks < _LEAST_BLOCKS:
        return f"too few pixels: {int(counts.min())} of a channel can be used, {_LEAST_PX} are needed"
    if counts.min() < _LEAST_SHARE * usable[..., 0].size:
        return f"only {counts.min() / usable[..., 0].size:.0%} of the pixels can be used; the others are clipped or bad"
    return None


def _only(usable: Array, channel: int) -> Array:
    kept = np.zeros_like(usable)
    kept[..., channel] = usable[..., channel]
    return kept


def _db(mse: float) -> float:
    return -10 * math.log10(max(mse, 1e-30))


def _width(risk: Risk) -> float:
    return _db(risk.interval[0]) - _db(risk.interval[1])


def _spoken(risk: Risk) -> str:
    width = _width(risk)
    return f"{width:.0f}" if width < 100 else "over 100"
