"""Single pixels far off their surroundings: hot and dead pixels, salt and pepper."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from limpid.core.image import Array, FloatArray

__all__ = ["find", "impulse_share", "repair"]

_Mask = npt.NDArray[np.bool_]
_Places = npt.NDArray[np.intp]

#: The eight neighbours, and the sixteen pixels around them.
_NEAR: Final = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
_AROUND: Final = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if max(abs(y), abs(x)) == 2]

#: How far a pixel must be off the median of its neighbours: `_LEAST` sigma, and `_FACTOR_NEAR` and `_FACTOR_AROUND`
#: times what the range of the near and the far ones exceeds `_BY_NOISE` sigma by, which is what noise alone rarely
#: spans. Chosen on pictures of the training pool with noise of sigma 2 to 25: of a million pixels, 1 to 7 are found
#: though nothing was added (up to 36 where the pictures were reduced by three, many of them stars of one pixel).
_LEAST: Final = 6.5
_BY_NOISE: Final = 4.0
_FACTOR_NEAR: Final = 5.0
_FACTOR_AROUND: Final = 3.0
#: Neighbours there must be: those of a corner.
_LEAST_NEAR: Final = 3
#: Where more than this share of a plane was found, most of it with the lowest or highest value among them, pixels of
#: these values need less: this times what the range of the near ones, less one at each end, exceeds noise by.
_SALT_SHARE: Final = 1e-3
_FACTOR_SALT: Final = 1.0
#: A pixel that isn't this many sigma above, or below, three of the four neighbours beside it needs no closer look.
_WORTH_A_LOOK: Final = 4.0
#: Pixels looked at together, so that all about them stays in the processor's cache.
_AT_ONCE_PX: Final = 2**15
#: Least sigma of integers: with less, rounding would be taken for noise-free truth.
_LEAST_SIGMA: Final = 1.0

#: Values of all channels that :func:`impulse_share` looks at, in bands of this many rows.
_BUDGET: Final = 2**19
_BAND_PX: Final = 64


def find(values: Array, sigma: npt.ArrayLike) -> _Mask:
    """Find single pixels that neither noise nor texture explains.

    Such a pixel is off the median of its eight neighbours by more than 6.5 sigma, and by more than a multiple of what
    their range, and that of the sixteen pixels around them, have beyond noise (of the sixteen, one at each end may be
    an impulse too). Two impulses side by side are found where each of the two stands alone but for the other; three are
    not. Where impulses of the lowest and highest value abound (salt and pepper), pixels of these values are found amid
    texture too. Stars aren't: their neighbours, with a fifth of their height or more, give them away (of those 10 sigma
    high and 2 pixels wide, one in a hundred is found). A real point of one pixel can't be told from an impulse.

    Parameters
    ----------
    values : array, shape (Y, X), (N, Y, X) or (N, Y, X, C)
        uint8, uint16 or float32.
    sigma : float or array
        Standard deviation of the noise in the values' unit; any shape that broadcasts to that of `values`. Integers
        are taken to have 1 at least. Told less than there is, noise and texture are taken for impulses.

    Returns
    -------
    array of bool, shape of `values`
        True at impulses. Pixels that aren't finite are not impulses, nor neighbours.
    """
    least = _LEAST_SIGMA if values.dtype.kind == "u" else 0
    level = np.broadcast_to(np.maximum(np.asarray(sigma, np.float32), np.float32(least)), values.shape)
    mask = np.zeros(values.shape, np.bool_)
    for plane, noise, found in zip(*(_planes(array) for array in (values, level, mask)), strict=True):
        found |= _find(np.ascontiguousarray(plane, np.float32), noise)
    return mask


def repair(planes: Array, mask: _Mask) -> Array:
    """Replace masked pixels by the median of their neighbours that aren't.

    Parameters
    ----------
    planes : array, shape (Y, X), (N, Y, X) or (N, Y, X, C)
        uint8, uint16 or float32.
    mask : array of bool, same shape
        True where a pixel is to be replaced. Any size of hole is filled, from its rim inwards.

    Returns
    -------
    array, shape and dtype of `planes`
        All other pixels are as they were; so is a plane that is masked throughout.
    """
    repaired = planes.copy()
    for plane, bad in zip(_planes(repaired), _planes(mask.copy()), strict=True):
        y, x = np.nonzero(bad)
        while len(y):
            middle = _median(_values_at(plane, y, x, _NEAR, without=bad))
            known = np.isfinite(middle)
            if not known.any():
                break
            here = y[known], x[known]
            plane[here] = np.rint(middle[known]) if plane.dtype.kind == "u" else middle[known]
            bad[here] = False
            y, x = y[~known], x[~known]
    return repaired


def impulse_share(values: Array, sigma: npt.ArrayLike) -> float:
    """Return the share of pixels that are impulses, by :func:`find`.

    Parameters
    ----------
    values : array, shape (Y, X), (N, Y, X) or (N, Y, X, C)
        uint8, uint16 or float32. Above half a megapixel (all channels together), bands of 64 rows spread evenly are
        looked at.
    sigma : float or array
        As for :func:`find`.

    Returns
    -------
    float
        0 to 1.
    """
    level = np.broadcast_to(np.asarray(sigma, np.float32), values.shape)
    stacks = [_planes(array) for array in (values, level)]
    count, (height, width) = len(stacks[0]), stacks[0][0].shape
    per_plane = max(-(-height // _BAND_PX), 1)
    wanted = max(_BUDGET // (_BAND_PX * width), 1)
    total = count * per_plane
    bands = range(total) if total <= wanted else np.linspace(0, total - 1, wanted).astype(int)
    found = looked_at = 0
    for band in bands:
        n, top = int(band) // per_plane, int(band) % per_plane * _BAND_PX
        plane, noise = (stack[n][top : top + _BAND_PX] for stack in stacks)
        found += int(find(plane, noise).sum())
        looked_at += plane.size
    return found / looked_at


def _planes(values: Array) -> list[Array]:
    """Return views of the planes, each (Y, X)."""
    if values.ndim == 2:
        return [values]
    if values.ndim == 3:
        return list(values)
    return [plane[..., c] for plane in values for c in range(values.shape[-1])]


def _find(plane: FloatArray, sigma: FloatArray) -> _Mask:
    """Find impulses in one plane, shape (Y, X)."""
    found = np.zeros(plane.shape, np.bool_)
    y, x = _worth_a_look(plane, sigma)
    near = _values_at(plane, y, x, _NEAR)
    middle = _median(near)
    height = plane[y, x] - middle
    noise = sigma[y, x]
    enough = np.isfinite(near).sum(axis=0) >= _LEAST_NEAR
    worth = enough & np.isfinite(height) & (np.abs(height) > _LEAST * noise)
    if not worth.any():
        return found
    y, x, near, middle = y[worth], x[worth], near[:, worth], middle[worth]
    excess = np.abs(height[worth]) - _LEAST * noise[worth]
    noise = _BY_NOISE * noise[worth]

    around = np.sort(_relative(_values_at(plane, y, x, _AROUND), middle), axis=0)
    lonely = excess - _FACTOR_AROUND * np.maximum(around[-2] - around[1] - noise, 0)
    near = _relative(near, middle)
    alone = lonely > _FACTOR_NEAR * np.maximum(np.ptp(near, axis=0) - noise, 0)
    found[y[alone], x[alone]] = True

    other = np.abs(near).argmax(axis=0)
    rest = near.copy()
    rest[other, np.arange(len(y))] = 0
    pair = np.flatnonzero(~alone & (lonely > _FACTOR_NEAR * np.maximum(np.ptp(rest, axis=0) - noise, 0)))
    towards = np.full(plane.shape, -1, np.int8)
    towards[y[pair], x[pair]] = other[pair]
    step_y, step_x = np.array(_NEAR).T[:, other[pair]]
    # The neighbours are numbered so that the opposite one of the k-th is the k-th from the end.
    mutual = pair[towards[y[pair] + step_y, x[pair] + step_x] == len(_NEAR) - 1 - other[pair]]
    found[y[mutual], x[mutual]] = True

    if found.sum() > _SALT_SHARE * found.size:
        at_end = (plane[y, x] == plane[found].min()) | (plane[y, x] == plane[found].max())
        if 2 * (found[y, x] & at_end).sum() > found.sum():
            near = np.sort(near, axis=0)
            salt = at_end & (excess > _FACTOR_SALT * np.maximum(near[-2] - near[1] - noise, 0))
            found[y[salt], x[salt]] = True
    return found


def _worth_a_look(plane: FloatArray, sigma: FloatArray) -> tuple[_Places, _Places]:
    """Return the places of pixels clearly above, or clearly below, at least three of the four beside them."""
    rows = max(_AT_ONCE_PX // plane.shape[1], 1)
    found = []
    for top in range(0, len(plane), rows):
        # Without the row before and the one after, a few more stand out.
        part, margin = plane[top : top + rows], _WORTH_A_LOOK * sigma[top : top + rows]
        with np.errstate(invalid="ignore"):  # infinity less infinity
            found.append(np.flatnonzero(_stands_out(part, margin)) + top * plane.shape[1])
    y, x = np.divmod(np.concatenate(found), plane.shape[1])
    return y, x


def _stands_out(plane: FloatArray, margin: FloatArray) -> _Mask:
    """Tell where a pixel is more than a margin above, or below, at least three of the four beside it."""
    height, width = plane.shape
    # Whether the step from a pixel to the next is not one up, or not one down. Over the edge, and where a value isn't
    # finite, it may be either.
    not_up_y, not_down_y = np.zeros((2, height + 1, width), np.bool_)
    not_up_x, not_down_x = np.zeros((2, height, width + 1), np.bool_)
    step = np.diff(plane, axis=0)
    np.less_equal(step, margin[1:], out=not_up_y[1:-1])
    np.greater_equal(step, -margin[1:], out=not_down_y[1:-1])
    step = np.diff(plane, axis=1)
    np.less_equal(step, margin[:, 1:], out=not_up_x[:, 1:-1])
    np.greater_equal(step, -margin[:, 1:], out=not_down_x[:, 1:-1])
    above = _at_most_one(not_up_y[:-1], not_down_y[1:], not_up_x[:, :-1], not_down_x[:, 1:])
    below = _at_most_one(not_down_y[:-1], not_up_y[1:], not_down_x[:, :-1], not_up_x[:, 1:])
    return above | below


def _at_most_one(a: _Mask, b: _Mask, c: _Mask, d: _Mask) -> _Mask:
    two: _Mask = (a & b) | (c & d) | ((a | b) & (c | d))
    return ~two


def _values_at(
    plane: Array, y: _Places, x: _Places, offsets: list[tuple[int, int]], *, without: _Mask | None = None
) -> FloatArray:
    """Return the values beside each place, shape (offsets, places); NaN where there is none, or none that counts."""
    steps = np.array(offsets)[:, :, None]
    rows, columns = y + steps[:, 0], x + steps[:, 1]
    height, width = plane.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    values = plane[rows, columns].astype(np.float32)
    if without is not None:
        inside &= ~without[rows, columns]
    return np.where(inside & np.isfinite(values), values, np.float32(np.nan))


def _median(values: FloatArray) -> FloatArray:
    """Return the median along the first axis of what isn't NaN; NaN where nothing is."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(ordered).sum(axis=0)
    place = np.arange(ordered.shape[1])
    lower, upper = ordered[np.maximum(count - 1, 0) // 2, place], ordered[count // 2, place]
    return np.asarray((lower + upper) / 2, np.float32)


def _relative(values: FloatArray, middle: FloatArray) -> FloatArray:
    """Return the values less their median; 0 where there is none."""
    return np.asarray(np.nan_to_num(values - middle, nan=0.0), np.float32)
