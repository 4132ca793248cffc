"""A proof sheet: before, after, what was removed and which pixels to trust, with the numbers, on one page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from limpid.core.image import Array, FloatArray, Image
from limpid.evaluation.figures import Panel, contact_sheet
from limpid.evaluation.reference_free.assessment import Assessment

__all__ = ["proof_sheet"]

#: Largest side of an overview, and of a crop before it is enlarged to as much.
_OVERVIEW_PX: Final = 400
_CROP_PX: Final = 200

#: Removed noise is drawn from black to white over this many sigma on either side.
_SIGMAS: Final = 3.0

#: Colours of confidence 0, 1/2 and 1.
_COLOURS: Final = np.array([[178, 24, 43], [247, 247, 247], [33, 102, 172]], np.float32)


def proof_sheet(noisy: Image, denoised: Image, found: Assessment, *, title: str) -> Array:
    """Return the sheet, uint8, shape (Y, X, 3).

    The upper row shows the first plane of the image reduced to 400 pixels at most, the lower one its least trusted part
    (or its middle) enlarged; a small image has the lower one only.

    Parameters
    ----------
    noisy, denoised : Image
        Before and after.
    found : Assessment
        Of the two.
    title : str
        Such as the name of the file.
    """
    before, after = (image.unit_planes()[0] for image in (noisy, denoised))
    sigma = max(found.sigma / noisy.span, 1e-6)
    removed = (before - after) / (2 * _SIGMAS * sigma) + 0.5
    pictures = [
        ("noisy", _shown(before)),
        ("denoised", _shown(after)),
        (f"removed, ±{_SIGMAS:g} sigma", _shown(removed)),
    ]
    trust = None if found.confidence is None else found.confidence.reshape(-1, *before.shape[:2])[0]
    if trust is not None:
        pictures.append(("confidence: red 0, white 0.5, blue 1", _coloured(trust)))
    height, width = before.shape[:2]
    y, x = _place(trust, height, width)
    crops = [picture[y : y + _CROP_PX, x : x + _CROP_PX] for _, picture in pictures]
    factor = max(_OVERVIEW_PX // max(crops[0].shape[:2]), 1)
    captions = [f"{name.split(',')[0].split(':')[0]}, {factor}00 %" for name, _ in pictures]
    rows = [[Panel(_enlarged(crop, factor), caption) for crop, caption in zip(crops, captions, strict=True)]]
    if max(height, width) > _CROP_PX:
        step = -(-max(height, width) // _OVERVIEW_PX)
        rows.insert(0, [Panel(_reduced(picture, step), name) for name, picture in pictures])
    return contact_sheet(rows, heading=[title, *_lines(found)])


def _lines(found: Assessment) -> Iterator[str]:
    yield f"Verdict: {found.verdict}. {found.explanation}"
    if found.psnr is not None and found.psnr_interval is not None:
        low, high = found.psnr_interval
        yield f"Estimated PSNR {found.psnr:.2f} dB (90 %: {low:.2f} to {high:.2f}), noise of sigma {found.sigma:.4g}"
    else:
        yield f"PSNR can't be estimated: {found.reason}"
    yield "; ".join(
        f"{name} {test.statistic:.2f} ({'passed' if test.passed else 'FAILED'}, threshold {test.threshold:.2f})"
        for name, test in found.tests.items()
    )
    if found.doubtful is not None:
        share = found.doubtful.mean()
        yield f"{share:.1%} of the pixels are doubtful: the error expected there is more than half of the noise"


def _shown(unit: FloatArray) -> Array:
    values = np.clip(np.rint(np.nan_to_num(unit) * 255), 0, 255).astype(np.uint8)
    return values if values.shape[-1] == 3 else np.repeat(values[..., :1], 3, axis=-1)


def _coloured(trust: FloatArray) -> Array:
    place = np.clip(trust, 0, 1)[..., None] * 2
    low, high = np.clip(1 - place, 0, 1), np.clip(place - 1, 0, 1)
    mixed = low * _COLOURS[0] + (1 - low - high) * _COLOURS[1] + high * _COLOURS[2]
    colours: Array = np.rint(mixed).astype(np.uint8)
    return colours


def _reduced(picture: Array, step: int) -> Array:
    if step == 1:
        return picture
    height, width = (length // step for length in picture.shape[:2])
    boxes = picture[: height * step, : width * step].reshape(height, step, width, step, 3)
    mean: Array = np.rint(boxes.mean(axis=(1, 3))).astype(np.uint8)
    return mean


def _enlarged(picture: Array, factor: int) -> Array:
    return np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)


def _place(trust: FloatArray | None, height: int, width: int) -> tuple[int, int]:
    """Return the corner of the crop: where trust is least, or in the middle."""
    most = max(height - _CROP_PX, 0), max(width - _CROP_PX, 0)
    if trust is None or not any(most):
        return most[0] // 2, most[1] // 2
    sums = np.pad(np.cumsum(np.cumsum(trust, axis=0, dtype=np.float64), axis=1), ((1, 0), (1, 0)))
    tall, wide = min(_CROP_PX, height), min(_CROP_PX, width)
    means = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    y, x = divmod(int(means.argmin()), means.shape[1])
    return y, x
