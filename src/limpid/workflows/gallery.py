"""Pictures for reports: parts of images pixel for pixel, before, after, and what was removed."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from limpid.catalog.measure import Settings
from limpid.catalog.report import Picture, Section, Triplet, address, element, join, number, paragraph, triplets
from limpid.catalog.report.choice import Chosen
from limpid.core.denoiser import Denoiser
from limpid.core.errors import LimpidError
from limpid.core.image import Array, FloatArray, Image, to_unit
from limpid.io import read_image
from limpid.io.formats import codec_for
from limpid.io.sources import item_of
from limpid.noise.estimate import estimate_noise
from limpid.workflows.denoise import run_denoise, without_impulses
from limpid.workflows.level import measured_sigma

__all__ = ["compared", "gallery"]

#: Side of what is shown, and what is denoised around it, so that it is as it would be in the whole image.
_SIDE_PX: Final = 224
_MARGIN_PX: Final = 64

#: Side of the blocks whose means tell structure from flat parts, whatever the noise.
_BLOCK_PX: Final = 16

#: When no further image is begun, and when no further picture fits into a page of 10 MB beside all else in it.
_LIMIT_S: Final = 20.0
_LIMIT_BYTES: Final = 5_500_000

#: An image of more pixels takes too long to be read again for a picture.
_LARGEST_PX: Final = 100_000_000

#: What was removed is drawn from black to white over so many sigma on either side of gray.
_SIGMAS: Final = 3.0

#: Percentiles that become black and white where a picture is stretched; it is where less than this share of the range
#: lies between them, and where pixels have more than 8 bits, which screens do not show.
_PERCENTILES: Final = (0.5, 99.5)
_NARROW: Final = 0.35

_KINDS: Final = {
    "typical": ("Typical images", "Those nearest to the median noise and signal-to-noise ratio of their cohort."),
    "outlier": ("Unusual noise", "Noisier than is usual for the same camera and ISO, or for the same folder."),
    "worst": ("Lowest signal to noise", "The images that noise harms most."),
    "clean": (
        "Clean already",
        "The noisiest of the images that are better left alone: where what was removed shows the picture, denoising "
        "would cost detail.",
    ),
}


def gallery(chosen: Sequence[Chosen], denoiser: Denoiser, settings: Settings) -> Section | None:
    """Return a section of pictures, or None where there is no image to show.

    Parameters
    ----------
    chosen : sequence of Chosen
        Images; each is read again, and denoised at the level that is measured in it. One that is gone says so in its
        place. The last ones are left out where it takes more than 20 seconds.
    denoiser : Denoiser
        What denoises them.
    settings : Settings
        As they were surveyed with.
    """
    if not chosen:
        return None
    started, size = time.monotonic(), 0
    shown: dict[str, list[Triplet]] = {}
    for one in chosen:
        if time.monotonic() - started > _LIMIT_S or size > _LIMIT_BYTES:
            break
        made = _triplet(one, denoiser, settings)
        size += sum(len(picture.content) for picture in made.pictures)
        shown.setdefault(one.kind, []).append(made)
    left = len(chosen) - sum(map(len, shown.values()))
    parts = [
        join([element("h3", heading), paragraph(sentence), triplets(shown[kind])])
        for kind, (heading, sentence) in _KINDS.items()
        if kind in shown
    ]
    if left:
        parts.append(paragraph(f"{left} more were chosen, and left out to save time and space.", quiet=True))
    lead = (
        f"Parts of {_SIDE_PX} x {_SIDE_PX} pixels, pixel for pixel: before, denoised with {denoiser.name} at the "
        "measured level, and what was removed. That should look like noise and nothing else."
    )
    return Section("pictures", "Pictures", join(parts), lead)


def compared(before: Image, after: Image, *, sigma: float) -> tuple[Picture, ...]:
    """Return the same part of two images, and what was removed, as three pictures.

    Parameters
    ----------
    before, after : Image
        Of equal shape; of stacks, the first plane is shown.
    sigma : float
        Of the noise, in the images' own units: the scale of what was removed.
    """
    top, left = _place(before)
    one, other = (_unit(image, top, left, 0) for image in (before, after))
    return _pictures(one, other, sigma / before.span, deep=before.values.dtype != np.uint8)


def _triplet(chosen: Chosen, denoiser: Denoiser, settings: Settings) -> Triplet:
    row = chosen.row
    tags = {"cohort": "none" if row["cohort"] is None else str(row["cohort"])}
    tags |= {} if row["camera"] is None else {"camera": row["camera"]}
    reason = ""
    pictures: tuple[Picture, ...] = ()
    try:
        pictures = _denoised(row, denoiser, settings)
    except LimpidError as error:
        reason = f"It can't be shown: {str(error).removeprefix('image bytes: ')}"
    except MemoryError:
        reason = "It can't be shown: there is not enough memory for it."
    folder, _, name = row["uri"].rpartition("/")
    facts = [*_facts(row), ("Note", reason)] if reason else _facts(row)
    return Triplet(name, facts, pictures, address(folder), tags)


def _facts(row: Any) -> list[tuple[str, str]]:
    taken = [row["camera"], None if row["iso"] is None else f"ISO {row['iso']:g}"]
    facts = {
        "Cohort": "none" if row["cohort"] is None else str(row["cohort"]),
        "Sigma": f"{number(row['sigma'])} ({number(row['low'])} to {number(row['high'])})",
        "SNR": "" if row["snr_db"] is None else f"{row['snr_db']:.1f} dB",
        "Camera": ", ".join(part for part in taken if part),
        "Pixels": f"{row['width']} x {row['height']}, {row['dtype']}",
    }
    return [(label, value) for label, value in facts.items() if value]


def _denoised(row: Any, denoiser: Denoiser, settings: Settings) -> tuple[Picture, ...]:
    """Return the pictures of an image, of which no more is denoised than is shown."""
    if row["width"] * row["height"] > _LARGEST_PX:
        raise LimpidError(f"it has more than {_LARGEST_PX // 1_000_000} megapixels.")
    content = item_of(row["uri"]).read()
    image = read_image(content, value_range=settings.value_range, max_pixels=settings.max_pixels)
    found = estimate_noise(image)
    top, left = _place(image)
    around = _part(image, top, left, _MARGIN_PX)
    if found.has_impulses:
        around = without_impulses(around, found)
    clean = run_denoise(around, denoiser, sigma=measured_sigma(found)).image
    inner = min(top, _MARGIN_PX), min(left, _MARGIN_PX)
    after = to_unit(clean.planes()[0], clean.value_range)[inner[0] :, inner[1] :][:_SIDE_PX, :_SIDE_PX]
    before = _unit(image, top, left, 0)
    return _pictures(before, after, found.sigma / image.span, deep=image.values.dtype != np.uint8)


def _part(image: Image, top: int, left: int, margin: int) -> Image:
    """Return what is shown of an image, and so many pixels around it."""
    plane = image.planes()[0]
    rows, columns = (slice(max(at - margin, 0), at + _SIDE_PX + margin) for at in (top, left))
    part = plane[rows, columns]
    return Image(np.ascontiguousarray(part), "YXC", image.value_range, source=image.source)


def _unit(image: Image, top: int, left: int, margin: int) -> FloatArray:
    part = _part(image, top, left, margin)
    return to_unit(part.values, part.value_range)


def _pictures(before: FloatArray, after: FloatArray, sigma: float, *, deep: bool) -> tuple[Picture, ...]:
    finite = before[np.isfinite(before)]
    black, white = (float(end) for end in np.percentile(finite, _PERCENTILES)) if finite.size else (0.0, 1.0)
    stretched = white > black and (deep or white - black < _NARROW)
    if not stretched:
        black, white = 0.0, 1.0
    # What is no number is black, and nothing was removed from it.
    before, after = (np.where(np.isfinite(values), values, np.float32(black)) for values in (before, after))
    removed = (before - after) / (2 * _SIGMAS * max(sigma, 1e-9)) + 0.5
    how = ", stretched" if stretched else ""
    shown = ((before, f"before{how}"), (after, f"after{how}"))
    pictures = [_picture((values - black) / (white - black), caption) for values, caption in shown]
    return *pictures, _picture(removed, f"removed, \N{PLUS-MINUS SIGN}{_SIGMAS:g} sigma around gray")


def _picture(unit: FloatArray, caption: str) -> Picture:
    values = np.clip(np.rint(unit * 255), 0, 255).astype(np.uint8)
    pixels = values if values.shape[-1] == 3 else values[..., 0]
    return Picture(_encoded(pixels), pixels.shape[1], pixels.shape[0], caption)


def _encoded(pixels: Array) -> bytes:
    """Return a PNG file: lossless WebP is 6 % smaller, and takes ten times as long."""
    buffer = io.BytesIO()
    codec_for("png").write(Image.from_array(pixels), buffer, quality=None)
    return buffer.getvalue()


def _place(image: Image) -> tuple[int, int]:
    """Return the corner of the part that has most of both, structure and flat parts."""
    plane = image.planes()[0]
    height, width = plane.shape[:2]
    tall, wide = height // _BLOCK_PX, width // _BLOCK_PX
    span = _SIDE_PX // _BLOCK_PX
    if max(tall, wide) <= span or min(tall, wide) < 2:
        return max(height - _SIDE_PX, 0) // 2, max(width - _SIDE_PX, 0) // 2
    blocks = plane[: tall * _BLOCK_PX, : wide * _BLOCK_PX].reshape(tall, _BLOCK_PX, wide, _BLOCK_PX, -1)
    means = np.nan_to_num(blocks.mean(axis=(1, 3, 4), dtype=np.float64), posinf=0.0, neginf=0.0)
    slopes = np.log1p(np.hypot(*np.gradient(means)) / image.span)
    spread = _box_mean(slopes**2, span) - _box_mean(slopes, span) ** 2
    row, column = divmod(int(spread.argmax()), spread.shape[1])
    return min(row * _BLOCK_PX, max(height - _SIDE_PX, 0)), min(column * _BLOCK_PX, max(width - _SIDE_PX, 0))


def _box_mean(values: Array, span: int) -> Array:
    """Return the means over all boxes of blocks that lie within."""
    tall, wide = (min(span, length) for length in values.shape)
    sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    boxes = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    means: Array = boxes / (tall * wide)
    return means
