"""Apply a denoiser to an image of any axes, dtype, range and size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from limpid.core.arguments import check_number
from limpid.core.denoiser import Capabilities, Denoiser, StackDenoiser
from limpid.core.errors import ImageError, ModelError
from limpid.core.image import Array, FloatArray, Image, Provenance, to_unit
from limpid.core.preprocess import Preprocessed, preprocess
from limpid.core.tiling import Span, Tile, plane_tiles, read_length, round_up, tile_size, tile_spans

__all__ = ["Level", "check_strengths", "denoise_image", "level_removed", "tile_pixels", "tiles_of", "without_gaps"]

#: Noise level in units of the value range: per channel, shape (C,), or a function of a noisy tile, shape (Y, X, C) or
#: (D, Y, X, C), that gives the level at each of its values (it may look at neighbours in the plane, within the halo).
Level = FloatArray | Callable[[FloatArray], FloatArray]

#: Bytes that the work on a tile may take where no limit is told: enough for the networks that ship to read no more
#: than 8 % of a 24-megapixel photograph twice (halo 64 px).
_DEFAULT_BYTES: Final = 2_000_000_000

#: Pixels of the largest tile: what is read twice hardly falls any more.
_TILE_PIXELS_MOST: Final = 4_500_000

#: Values written at a time, so that they stay in the processor's cache, and take no memory worth speaking of.
_AT_ONCE: Final = 2**16

#: Parts of a plane that tell what a denoiser removes: their longest side in pixels, and how far down and to the right
#: they lie, as shares of the way.
_PART_PX: Final = 512
_PARTS: Final = ((0.0, 1 / 3), (1 / 3, 1.0), (2 / 3, 0.0), (1.0, 2 / 3))

#: Shortest side of a tile, in pixels and in halos.
_LEAST_SIDE_PX, _LEAST_HALOS = 64, 4


def denoise_image(
    image: Image,
    denoiser: Denoiser,
    *,
    level: Level,
    strength: float = 1.0,
    chroma_strength: float | None = None,
    memory: int | None = None,
    step: Provenance | None = None,
) -> Image:
    """Return the image without its noise: same shape, axes, dtype, range and metadata.

    Integers are rounded and clipped to their dtype, floats are not clipped. Alpha is untouched. Pixels that
    are not finite stay as they are; the denoiser sees their nearest finite neighbour instead. Where the denoiser
    asks for preprocessing, it is done to the whole image, not to tiles, and undone afterwards.

    Parameters
    ----------
    image : Image
        Any axes; every plane is denoised by itself, or every stack of planes where the denoiser is volumetric.
    denoiser : Denoiser
        What removes the noise.
    level : array, shape (C,), or callable
        Standard deviation of the noise as a share of the value range, see :data:`Level`.
    strength : float
        Scales the level, ``[0, 2]``: 0 is the identity to the bit, 1 removes what was measured.
    chroma_strength : float, optional
        The same for differences between the channels of an RGB image; `strength` where not given.
    memory : int, optional
        Bytes that the work on tiles may take, 2 GB where not told.
    step : Provenance, optional
        Appended to the metadata.

    Raises
    ------
    OptionError
        If a strength is outside ``[0, 2]``, or memory is not positive.
    ImageError
        If a plane holds no finite pixel.
    ModelError
        If the denoiser can't take the image's channels, neither together nor one by one.
    """
    check_strengths(strength, chroma_strength)
    if memory is not None:
        check_number("memory (in bytes)", memory, low=1, whole=True)
    chroma = strength if chroma_strength is None or image.channels != 3 else chroma_strength
    planes = image.planes()
    if strength == chroma == 0:
        return image.with_planes(planes, step=step)
    # Without noise nothing is to change, and a way through another size would change it.
    steps = denoiser.capabilities.preprocessing if callable(level) or level.any() else ()
    seen = preprocess(without_gaps(image) if steps else image, steps)
    out = seen.restored(_denoised_planes(seen.image, denoiser, _level_of(level, seen), strength, chroma, memory))
    for plane, target in zip(planes, out, strict=True):
        bad = _not_finite(plane, image)
        if bad is not None:
            target[bad] = plane[bad]
    return image.with_planes(out, step=step)


def level_removed(image: Image, denoiser: Denoiser, *, level: Level, side_px: int) -> tuple[FloatArray, FloatArray]:
    """Return root mean squares of what a denoiser removes from four parts of the middle plane, and of the level there.

    Parameters
    ----------
    image : Image
        Any axes.
    denoiser : Denoiser
        One for planes, that asks for no preprocessing.
    level : array, shape (C,), or callable
        What it is told, see :data:`Level`.
    side_px : int
        Longest side of a part.

    Returns
    -------
    removed, told : array, shape (C,)
        As shares of the value range.
    """
    planes = image.planes()
    plane = planes[len(planes) // 2]
    scaled = _Scaled(_without_gaps(plane, image), image.value_range)
    return _removed_of(scaled, denoiser, level, side_px)


def check_strengths(strength: float, chroma_strength: float | None) -> None:
    """Refuse what does not lie in ``[0, 2]``.

    Raises
    ------
    OptionError
        If a strength is anything else; `chroma_strength` may be None.
    """
    check_number("strength", strength, low=0, high=2)
    if chroma_strength is not None:
        check_number("chroma_strength", chroma_strength, low=0, high=2)


def without_gaps(image: Image) -> Image:
    """Return the image as a denoiser sees it: the nearest finite pixel stands for each that is not.

    Raises
    ------
    ImageError
        If a plane holds no finite pixel.
    """
    planes = image.planes()
    bad = [_not_finite(plane, image) for plane in planes]
    if all(one is None for one in bad):
        return image
    filled = [plane if one is None else _filled(plane, one) for plane, one in zip(planes, bad, strict=True)]
    return image.with_planes(np.stack(filled))


@dataclass(frozen=True)
class _Scaled:
    """A plane or stack whose tiles are read in units of the value range and written back in its own."""

    pixels: Array
    value_range: tuple[float, float]

    def read(self, tile: Tile) -> FloatArray:
        """Return a copy; in memory each channel is a plane, as networks take them, so that nobody copies it again."""
        planar = np.ascontiguousarray(np.moveaxis(self.pixels[tile.source], -1, 0))
        return np.moveaxis(to_unit(planar, self.value_range), 0, -1)

    def write(self, values: FloatArray, target: Array) -> None:
        """Integers are rounded and clipped, floats are not."""
        low, high = self.value_range
        rows = max(_AT_ONCE // values[0, ..., 0].size, 1)
        for channel, written in zip(np.moveaxis(values, -1, 0), np.moveaxis(target, -1, 0), strict=True):
            for top in range(0, len(channel), rows):
                part = channel[top : top + rows] * np.float32(high - low) + np.float32(low)
                if target.dtype.kind == "u":
                    np.rint(part, out=part)
                    np.clip(part, 0, np.iinfo(target.dtype).max, out=part)
                written[top : top + rows] = part


def _denoised_planes(
    image: Image, denoiser: Denoiser, level: Level, strength: float, chroma: float, memory: int | None
) -> Array:
    """Return the denoised planes, in the image's own units; what stands at pixels that are not finite is no result."""
    volumetric = denoiser.capabilities.volumetric
    parts = without_gaps(image).stacks() if volumetric else image.planes()
    out = np.empty_like(parts)
    for part, target in zip(parts, out, strict=True):
        scaled = _Scaled(part if volumetric else _without_gaps(part, image), image.value_range)
        tiles = list(tiles_of(part.shape, denoiser, memory))
        told = level
        if callable(level) and not denoiser.capabilities.level_map:
            told = _one_level(level, scaled, tiles)
        if denoiser.capabilities.level_again:
            told = _level_again(denoiser, scaled, told, memory)
        if not callable(told) and not told.any():
            target[...] = part  # exactly, without a way through the unit range
            continue

        def denoise(tile: Tile, scaled: _Scaled = scaled, told: Level = told, target: Array = target) -> None:
            clean = _at_strengths(denoiser, scaled.read(tile), told, strength, chroma)
            scaled.write(tile.kept(clean), target[tile.target])

        _each(tiles, denoise, at_once=denoiser.capabilities.tiles_at_once)
    return out.reshape(image.planes().shape)


def _each(tiles: Sequence[Tile], work: Callable[[Tile], None], *, at_once: int) -> None:
    """Do the tiles; several at a time where the denoiser gains by it. Where one fails, those not begun are given up."""
    if min(len(tiles), at_once) == 1:
        for tile in tiles:
            work(tile)
        return
    with ThreadPoolExecutor(at_once, thread_name_prefix="limpid-tile") as pool:
        begun = [pool.submit(work, tile) for tile in tiles]
        try:
            for one in begun:
                one.result()
        finally:
            for one in begun:
                one.cancel()


def _level_of(level: Level, seen: Preprocessed) -> Level:
    """Return the level of the image that a denoiser sees, in units of that image's range."""
    if not seen.steps:
        return level
    factor = np.float32(seen.level_factor)
    if not callable(level):
        return level * factor
    (low, _), span = seen.stages[0].value_range, seen.stages[0].span
    scale, shift = np.float32(seen.image.span / span), np.float32((seen.image.value_range[0] - low) / span)

    def told(tile: FloatArray) -> FloatArray:
        # The level follows from means of the signal, which no step changes but in its units.
        return level(tile * scale + shift) * factor

    return told


def _one_level(level: Callable[[FloatArray], FloatArray], scaled: _Scaled, tiles: Sequence[Tile]) -> FloatArray:
    """Return the root mean square of a level map over the plane or stack, for denoisers that take one level."""
    *lengths, _ = scaled.pixels.shape
    axes = tuple(range(len(lengths)))
    squares = sum(np.square(tile.kept(level(scaled.read(tile)))).sum(axis=axes, dtype=np.float64) for tile in tiles)
    mean: FloatArray = np.sqrt(np.asarray(squares) / math.prod(lengths)).astype(np.float32)
    return mean


def _level_again(denoiser: Denoiser, scaled: _Scaled, level: Level, memory: int | None) -> FloatArray:
    """Return the level that a denoiser is to be told, which it found when it was told `level`."""
    longest = math.isqrt(tile_pixels(denoiser.capabilities, memory))
    removed, _ = _removed_of(scaled, denoiser, level, min(_PART_PX, max(longest, _LEAST_SIDE_PX)))
    return removed


def _removed_of(scaled: _Scaled, denoiser: Denoiser, level: Level, side_px: int) -> tuple[FloatArray, FloatArray]:
    """Return root mean squares of what a denoiser removes from parts of a plane, and of the level, for each channel."""
    align = denoiser.capabilities.align_px
    squares = []
    for part in _parts(scaled.pixels.shape, side=round_up(side_px, align), align=align):
        noisy = scaled.read(part)
        told = level(noisy) if callable(level) else level
        removed = noisy - _denoised(denoiser, noisy, told)
        each = (removed, np.broadcast_to(told, noisy.shape))
        squares.append([np.square(values).mean(axis=(0, 1), dtype=np.float64) for values in each])
    removed_rms, told_rms = np.sqrt(np.mean(squares, axis=0)).astype(np.float32)
    return removed_rms, told_rms


def _parts(shape: tuple[int, ...], *, side: int, align: int) -> set[Tile]:
    """Return parts of a plane, spread over it: one, where it is no larger."""

    def span(length: int, share: float) -> Span:
        start = int(share * max(length - side, 0)) // align * align
        stop = min(start + side, length)
        return Span(start, stop, start, stop)

    return {Tile((span(shape[0], down), span(shape[1], right))) for down, right in _PARTS}


def _at_strengths(denoiser: Denoiser, unit: FloatArray, level: Level, strength: float, chroma: float) -> FloatArray:
    """Denoise one tile; where the strengths differ, luma and chroma come from two runs."""
    told = level(unit) if callable(level) else level
    clean = _at_strength(denoiser, unit, told, strength)
    if strength == chroma:
        return clean
    other = _at_strength(denoiser, unit, told, chroma)
    # Luma is the mean of the channels, chroma what is left of them.
    mixed: FloatArray = other + (clean - other).mean(axis=-1, keepdims=True)
    return mixed


def _at_strength(denoiser: Denoiser, unit: FloatArray, level: FloatArray, strength: float) -> FloatArray:
    if not denoiser.capabilities.blind:
        return _denoised(denoiser, unit, level * np.float32(strength))
    if strength == 0:
        return unit
    clean = _denoised(denoiser, unit, level)
    return clean if strength >= 1 else unit + np.float32(strength) * (clean - unit)


def _denoised(denoiser: Denoiser, unit: FloatArray, level: FloatArray) -> FloatArray:
    caps = denoiser.capabilities
    if not level.any():
        return unit
    level = np.asarray(np.minimum(level, caps.sigma_max), dtype=np.float32)
    if unit.shape[-1] in caps.channels:
        told = np.broadcast_to(level, (*level.shape[:-1], unit.shape[-1]))
        if caps.volumetric:
            return cast(StackDenoiser, denoiser).denoise_stack(unit, told)
        return denoiser.denoise_plane(unit, told)
    if 1 not in caps.channels:
        takes = " or ".join(str(c) for c in caps.channels)
        raise ModelError(
            f"{denoiser.name!r} takes images of {takes} channels, this one has {unit.shape[-1]}; choose another model, "
            "such as auto."
        )
    single = [_denoised(denoiser, unit[..., c : c + 1], level[..., c : c + 1]) for c in range(unit.shape[-1])]
    return np.concatenate(single, axis=-1)


def tile_pixels(caps: Capabilities, memory: int | None) -> int:
    """Return the pixels, or voxels, that a tile may have; `memory` as in :func:`denoise_image`."""
    return min((_DEFAULT_BYTES if memory is None else memory) // caps.bytes_per_pixel, _TILE_PIXELS_MOST)


def tiles_of(shape: tuple[int, ...], denoiser: Denoiser, memory: int | None) -> Iterator[Tile]:
    """Yield the tiles of a plane or stack; a denoiser without a halo gets the whole of it as one."""
    caps, lengths = denoiser.capabilities, shape[:-1]
    if caps.halo_px is None:
        yield Tile(tuple(Span(0, length, 0, length) for length in lengths))
        return
    pixels = tile_pixels(caps, memory)
    if caps.halo_planes is None:
        size = _tile_size((lengths[0], lengths[1]), caps, caps.halo_px, pixels)
        yield from plane_tiles(*lengths, tile=size, halo=caps.halo_px, align=caps.align_px)
        return
    planes, size = _slab_size(lengths, caps, caps.halo_px, caps.halo_planes, pixels)
    parts = list(plane_tiles(*lengths[1:], tile=size, halo=caps.halo_px, align=caps.align_px))
    for slab in tile_spans(lengths[0], tile=planes, halo=caps.halo_planes):
        yield from (Tile((slab, *part.spans)) for part in parts)


def _tile_size(plane: tuple[int, int], caps: Capabilities, halo: int, pixels: int) -> tuple[int, int]:
    """Return height and width of the tiles of a plane."""
    # Below four halos a side, most of the work is thrown away; memory is then exceeded rather than time.
    least = round_up(max(_LEAST_HALOS * halo, _LEAST_SIDE_PX), caps.align_px)
    return tile_size(*plane, pixels=max(pixels, 1), least=least, halo=halo, align=caps.align_px)


def _slab_size(
    lengths: tuple[int, ...], caps: Capabilities, halo_px: int, halo_planes: int, pixels: int
) -> tuple[int, tuple[int, int]]:
    """Return planes, and height and width, of the tiles that read the least of a stack more than once."""
    depth, *plane = lengths
    smallest = _tile_size((plane[0], plane[1]), caps, halo_px, 1)
    least = max(_LEAST_HALOS * halo_planes, 1)
    most = max(least, min(depth, pixels // math.prod(smallest)))

    def size_of(planes: int) -> tuple[int, int]:
        return _tile_size((plane[0], plane[1]), caps, halo_px, pixels // min(planes, depth))

    def read(planes: int) -> int:
        sides = (read_length(n, tile=side, halo=halo_px) for n, side in zip(plane, size_of(planes), strict=True))
        return read_length(depth, tile=planes, halo=halo_planes) * math.prod(sides)

    planes = min(range(least, most + 1), key=read)
    return planes, size_of(planes)


def _not_finite(plane: Array, image: Image) -> Array | None:
    if plane.dtype.kind != "f":
        return None
    bad = ~np.isfinite(plane)
    if not bad.any():
        return None
    if bad.all():
        where = f"{image.source}: " if image.source else ""
        raise ImageError(
            f"{where}a plane holds no finite pixel (all NaN or infinite); there is nothing to denoise.",
            source=image.source,
        )
    return bad


def _without_gaps(plane: Array, image: Image) -> Array:
    bad = _not_finite(plane, image)
    return plane if bad is None else _filled(plane, bad)


def _filled(plane: Array, bad: Array) -> Array:
    """Return a copy whose bad values are those of the nearest good pixel of the same channel."""
    from scipy import ndimage  # slow to import, rarely needed

    filled = plane.copy()
    for c in range(plane.shape[-1]):
        holes = bad[..., c]
        if holes.all():
            filled[..., c] = np.float32(np.median(plane[~bad]))
        elif holes.any():
            nearest = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
            filled[..., c] = plane[..., c][tuple(nearest)]
    return filled
