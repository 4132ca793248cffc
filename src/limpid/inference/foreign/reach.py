"""What a network from elsewhere does not say of itself, found by running it: how far it sees, which sizes it takes."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np

from limpid.core.errors import ModelError
from limpid.core.plain import error_text
from limpid.core.tiling import round_up
from limpid.inference.calibrate import measure_halo
from limpid.inference.precision import made_picture
from limpid.inference.remembered import remembered
from limpid.inference.runtimes import Network

__all__ = ["check_size", "found_halo", "found_multiple", "odd_multiple"]

_log = logging.getLogger(__name__)

#: Networks that see farther than this are not cut into tiles.
_LIMIT_PX: Final = 96

#: Networks are tried on the largest level that published ones are trained on.
_SIGMA: Final = 50 / 255

#: Most halvings that are tried: images must then be multiples of 64.
_HALVINGS: Final = 6


def found_halo(network: Network, *, channels: int, multiple: int, key: str) -> int | None:
    """Return how many pixels around a tile the network must see, or None where that is too many.

    Parameters
    ----------
    network : Network
        It is run on a picture of 288 pixels a side or a little more, the first time only.
    channels : int
        Of the picture.
    multiple : int
        What its sizes are multiples of.
    key : str
        What the answer is remembered by in the cache folder: the network's digest and all that decides besides.
    """
    limit = round_up(_LIMIT_PX, multiple)

    def find() -> int | None:
        _log.info("finding out how far the network sees; this is done once")
        picture = made_picture(channels, 3 * limit)
        reach = measure_halo(network, [picture], sigma=_SIGMA, multiple=multiple, limit=limit)
        return reach if reach < limit else None

    def parse(plain: Any) -> int | None:
        known = plain["halo_px"]
        if known is None or (isinstance(known, int) and 0 <= known < limit):
            return known
        raise ValueError(known)

    return remembered(
        f"{key} {channels} {multiple}",
        find=find,
        plain=lambda halo: {"halo_px": halo},
        parse=parse,
        what="how far the network sees",
        prefix="halo-",
    )


#: About the side of the squares that sizes are tried with: padding by reflection needs more than a few pixels.
_TRIED_PX: Final = 64

#: As runtimes raise at sizes that don't fit.
_MISFITS: Final = (ModelError, RuntimeError, ValueError, TypeError)


def check_size(network: Network, *, channels: int, side: int) -> None:
    """Refuse a network that does not return an image of the size it is given, a square of so many pixels a side.

    Raises
    ------
    ModelError
        If it returns another, or none.
    """
    plane = np.zeros((1, channels, side, side), np.float32)
    try:
        got = network(plane, plane).shape
    except _MISFITS as error:
        raise ModelError(f"it takes no image of {side} x {side} pixels: {error_text(error, 200)}") from error
    if got != plane.shape:
        raise ModelError(f"it returns an array of shape {got} for an image of {plane.shape} (channels second)")


def odd_multiple(multiple: int) -> int:
    """Return an odd multiple: the side of a square that a network with such sizes takes, and none with twice these."""
    return (_TRIED_PX // multiple | 1) * multiple


def found_multiple(network: Network, *, channels: int) -> int:
    """Return the smallest power of two whose odd multiples the network takes and returns as sizes.

    Raises
    ------
    ModelError
        If it takes none of them.
    """
    problem: Exception | None = None
    for multiple in (1 << n for n in range(_HALVINGS + 1)):
        side = odd_multiple(multiple)  # no multiple of the next power
        plane = np.zeros((1, channels, side, side), np.float32)
        try:
            if network(plane, plane).shape == plane.shape:
                return multiple
        except _MISFITS as error:
            problem = error
    why = f": {error_text(problem, 200)}" if problem else ""
    raise ModelError(f"the network returns no image of the size it is given, whatever that is{why}")
