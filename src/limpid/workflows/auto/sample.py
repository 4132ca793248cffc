"""Images of a cohort that candidates race on, and those that networks are trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from limpid.catalog.measure import Settings
from limpid.core.errors import LimpidError
from limpid.core.image import Array, Image
from limpid.io import read_image
from limpid.io.sources import item_of
from limpid.noise.result import NoiseEstimate
from limpid.noise.shared import estimate_shared_noise

if TYPE_CHECKING:
    import duckdb

    from limpid.catalog.cohorts import Cohort

__all__ = ["Sample", "draw"]

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
        Parts of some of them as a stack, axes ``IYX`` or ``IYXC``.
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
    """Yield the middle of images as one plane; those that can't be read any more are left out."""
    for uri in uris:
        try:
            content = item_of(uri).read()
            image = read_image(content, value_range=settings.value_range, max_pixels=settings.max_pixels)
        except LimpidError:
            continue
        planes = image.planes()
        middle = _middle(planes[len(planes) // 2], side)
        yield uri, dataclasses.replace(image, values=middle[None], axes="IYXC", alpha=None)


def _middle(plane: Array, side: int) -> Array:
    """Return the middle of a plane, shape (Y, X, C), which begins where a block of a JPEG file would."""
    top, left = ((length - side) // 2 // 8 * 8 for length in plane.shape[:2])
    return plane[top : top + side, left : left + side]


def _stack(parts: Sequence[Image]) -> Image:
    """Return images of one plane, size and value range as one; where their dtypes differ, in float32."""
    dtypes = {part.values.dtype for part in parts}
    values = np.concatenate([part.values if len(dtypes) == 1 else part.values.astype(np.float32) for part in parts])
    return Image(values, "IYXC", parts[0].value_range)
