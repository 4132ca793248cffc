"""Images of a cohort that candidates race on, and those that networks are trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from limpid.catalog.measure import Settings
from limpid.core.errors import LimpidError
from limpid.core.image import Image
from limpid.io import read_image
from limpid.io.sources import item_of
from limpid.noise.result import NoiseEstimate
from limpid.noise.shared import estimate_shared_noise

if TYPE_CHECKING:
    import duckdb

    from limpid.catalog.cohorts import Cohort

__all__ = ["Sample", "draw", "middle"]

#: Images that the noise of a cohort is measured in, and those of them that candidates race on.
_MEASURED: Final = 16
_RACED: Final = 8

#: Side of the parts that are looked at, and the least: the estimate of an error needs 16 blocks of 8 pixels.
_SIDE_PX: Final = 384
_LEAST_PX: Final = 32

#: Images that a network is trained on at most.
_TRAINED_ON: Final = 1000


@dataclass(frozen=True)
class Sample:
    """What is known of a cohort before the race.

    Attributes
    ----------
    noise : NoiseEstimate
        What its images have in common.
    raced : Image
        Parts of some of them as a stack, axes ``IYXC``.
    raced_uris : tuple of str
        Names of these images.
    others : tuple of str
        Names of images that take no part in the race: those to train on, 1000 at most.
    """

    noise: NoiseEstimate
    raced: Image
    raced_uris: tuple[str, ...]
    others: tuple[str, ...]


def draw(connection: duckdb.DuckDBPyConnection, cohort: Cohort, settings: Settings) -> Sample | None:
    """Return some images of a cohort, the same whenever its images are; None if none of them can be used.

    At most half of them race, so that there are others to train on. An image of several planes takes part with the one
    in the middle.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Holds the table ``catalogue``.
    cohort : Cohort
        Of it.
    settings : Settings
        What its images are read with.
    """
    rows = connection.execute(
        "select uri, least(width, height) from catalogue where cohort = ? order by sha256, uri limit ?",
        [cohort.id, _TRAINED_ON + _MEASURED],
    ).fetchall()
    side = min(_SIDE_PX, int(np.median([least for _, least in rows])) // 8 * 8)
    if side < _LEAST_PX:
        return None
    parts: dict[str, Image] = {}
    for uri, part in _parts([uri for uri, least in rows if least >= side], side, settings):
        parts[uri] = part
        if len(parts) == _MEASURED:
            break
    if not parts:
        return None
    raced = list(parts)[: max(min(_RACED, len(rows) // 2), 1)]
    return Sample(
        noise=estimate_shared_noise(_stack(list(parts.values()))),
        raced=_stack([parts[uri] for uri in raced]),
        raced_uris=tuple(raced),
        others=tuple(uri for uri, _ in rows if uri not in raced)[:_TRAINED_ON],
    )


def _parts(uris: Sequence[str], side: int, settings: Settings) -> Iterator[tuple[str, Image]]:
    """Yield the middle of images; those that can't be read any more are left out."""
    for uri in uris:
        try:
            part = middle(item_of(uri).read(), side, settings)
        except LimpidError:
            continue
        yield uri, part


def middle(source: bytes | str, side: int, settings: Settings) -> Image:
    """Return the middle of an image as one plane, axes ``YXC``; of several planes, of the one in the middle.

    Parameters
    ----------
    source : bytes or str
        Content or path of an image file.
    side : int
        Height and width in pixels, or less where the image has less. It begins where a block of a JPEG file would.
    settings : Settings
        What the image is read with.
    """
    image = read_image(source, value_range=settings.value_range, max_pixels=settings.max_pixels)
    planes = image.planes()
    plane = planes[len(planes) // 2]
    top, left = (max(length - side, 0) // 2 // 8 * 8 for length in plane.shape[:2])
    values = np.ascontiguousarray(plane[top : top + side, left : left + side])
    return dataclasses.replace(image, values=values, axes="YXC", alpha=None)


def _stack(parts: Sequence[Image]) -> Image:
    """Return planes of one size and value range as one image; where their dtypes differ, in float32."""
    dtypes = {part.values.dtype for part in parts}
    values = np.stack([part.values if len(dtypes) == 1 else part.values.astype(np.float32) for part in parts])
    return Image(values, "IYXC", parts[0].value_range)
