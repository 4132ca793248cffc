from math import isqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from limpid.core.tiling import read_length, round_up, tile_size, tile_spans


@st.composite
def geometries(draw):
    align = draw(st.sampled_from([1, 2, 8, 16]))
    halo = align * draw(st.integers(0, 6))
    tile = 2 * halo + align * draw(st.integers(1, 12))
    return draw(st.integers(1, 3000)), tile, halo, align


@given(geometries())
def test_what_tiles_keep_covers_the_axis_once(geometry):
    length, tile, halo, align = geometry
    kept = [i for s in tile_spans(length, tile=tile, halo=halo, align=align) for i in range(s.keep_start, s.keep_stop)]
    assert kept == list(range(length))


@given(geometries())
def test_every_kept_pixel_has_its_halo_or_the_border_of_the_image(geometry):
    length, tile, halo, align = geometry
    for span in tile_spans(length, tile=tile, halo=halo, align=align):
        assert span.start == 0 or span.keep_start - span.start >= halo
        assert span.stop == length or span.stop - span.keep_stop >= halo


@given(geometries())
def test_tiles_start_on_the_grid_and_are_equally_long(geometry):
    length, tile, halo, align = geometry
    spans = list(tile_spans(length, tile=tile, halo=halo, align=align))
    assert all(span.start % align == 0 for span in spans)
    if len(spans) > 1:
        assert all(span.stop - span.start == tile for span in spans[:-1])
        assert tile - align < spans[-1].stop - spans[-1].start <= tile


@given(geometries())
def test_the_pixels_read_are_those_of_all_tiles_but_what_the_last_may_lack(geometry):
    length, tile, halo, align = geometry
    spans = list(tile_spans(length, tile=tile, halo=halo, align=align))
    read = sum(span.stop - span.start for span in spans)
    assert 0 <= read_length(length, tile=tile, halo=halo) - read < align


def test_a_hand_sized_example():
    spans = list(tile_spans(10, tile=6, halo=1))
    assert [tuple(s) for s in spans] == [(0, 6, 0, 5), (4, 10, 5, 10)]


@pytest.mark.parametrize(
    ("length", "tile", "halo", "align"), [(0, 8, 0, 1), (9, 8, 4, 1), (9, 7, 1, 2), (9, 8, 1, 2), (9, 8, -1, 1)]
)
def test_numbers_that_leave_no_room_or_are_off_the_grid_are_refused(length, tile, halo, align):
    with pytest.raises(ValueError, match="must be"):
        list(tile_spans(length, tile=tile, halo=halo, align=align))


@st.composite
def planes(draw):
    align = draw(st.sampled_from([1, 2, 8, 16]))
    halo = align * draw(st.integers(0, 6))
    least = 2 * halo + align * draw(st.integers(1, 12))
    height, width = draw(st.integers(1, 3000)), draw(st.integers(1, 3000))
    return height, width, draw(st.integers(1, 4_000_000)), least, halo, align


@given(planes())
def test_tiles_have_no_more_pixels_than_they_may_unless_that_is_less_than_the_least(plane):
    height, width, pixels, least, halo, align = plane
    tall, wide = tile_size(height, width, pixels=pixels, least=least, halo=halo, align=align)
    smallest = min(round_up(height, align), least) * min(round_up(width, align), least)
    assert tall * wide <= max(pixels, smallest)
    for length, tile in ((height, tall), (width, wide)):
        assert list(tile_spans(length, tile=tile, halo=halo, align=align))


@given(planes())
def test_no_square_reads_less_of_a_plane_than_the_tile_chosen(plane):
    height, width, pixels, least, halo, align = plane
    side = isqrt(pixels) // align * align
    assume(least <= side)
    tile = tile_size(height, width, pixels=pixels, least=least, halo=halo, align=align)

    def read(tall, wide):
        return read_length(height, tile=tall, halo=halo) * read_length(width, tile=wide, halo=halo)

    # Fewer tiles may each be rounded up to the grid.
    assert read(*tile) <= read(side, side) * (1 + align / tile[1])


def test_a_photograph_of_24_megapixel_is_read_twice_by_less_than_8_per_cent():
    tall, wide = tile_size(4000, 6000, pixels=4_464_285, least=256, halo=64, align=8)
    read = read_length(4000, tile=tall, halo=64) * read_length(6000, tile=wide, halo=64)
    assert (tall, wide) == (2064, 2088)
    assert read < 1.08 * 4000 * 6000
