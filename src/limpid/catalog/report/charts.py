"""Charts as SVG that needs no script: places across are shares of the width, so that they fit any window.

Each chart is a figure with a heading, one sentence on what it shows, and the numbers behind it as a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Final

from limpid.catalog.report.content import Column, Row, Tags, details, table, tagged
from limpid.catalog.report.markup import Html, element, join
from limpid.catalog.report.numbers import Axis, count, number

__all__ = ["COLOURS", "Dot", "Line", "Point", "Series", "Share", "dots", "histogram", "lines", "shares"]

#: Height of a plot, in pixels.
_HEIGHT: Final = 190

#: Colours that can be told apart; what comes after them is gray.
COLOURS: Final = 8

#: Width that curves are drawn on before they are stretched to that of the page.
_ACROSS: Final = 1000


@dataclass(frozen=True)
class Series:
    """Part of a histogram: a count for each bin.

    Attributes
    ----------
    label : str
        Of the part; empty where there is only one.
    counts : sequence of int
        One for each bin.
    colour : int
        Below 8, else gray.
    tags : mapping
        What the images belong to.
    """

    label: str
    counts: Sequence[int]
    colour: int = 0
    tags: Tags = field(default_factory=dict)


def histogram(heading: str, sentence: str, axis: Axis, edges: Sequence[float], series: Sequence[Series]) -> Html:
    """Return how many images lie between edges, parts stacked.

    Parameters
    ----------
    heading, sentence : str
        What it is, and what it shows.
    axis : Axis
        Of the quantity.
    edges : sequence of float
        One more than there are bins.
    series : sequence of Series
        From below.
    """
    totals = [sum(counts) for counts in zip(*(one.counts for one in series), strict=True)]
    upwards = Axis("images", 0, max(*totals, 1), whole=True)
    bars = []
    for place, (low, high) in enumerate(pairwise(edges)):
        below = 0
        left, right = axis.place(low), axis.place(high)
        for one in series:
            if not one.counts[place]:
                continue
            top = _down(upwards, below + one.counts[place])
            label = f"{one.label}, " if one.label else ""
            bars.append(
                element(
                    "rect",
                    element("title", f"{label}{number(low)} to {number(high)}: {count(one.counts[place])}"),
                    x=_percent(left),
                    y=f"{top:.1f}",
                    width=_percent(right - left),
                    height=f"{_down(upwards, below) - top:.1f}",
                    class_=_colour(one.colour),
                    **tagged(one.tags),
                )
            )
            below += one.counts[place]
    columns = [Column(axis.label), *(Column(one.label or "images", numeric=True) for one in series)]
    rows = [
        Row([f"{number(low)} to {number(high)}", *(one.counts[place] for one in series)])
        for place, (low, high) in enumerate(pairwise(edges))
        if totals[place]
    ]
    return _figure(heading, sentence, _plot(axis, upwards, join(bars), heading), _numbers(columns, rows, heading))


@dataclass(frozen=True)
class Point:
    """A point of a line: its place across, its height, and the ends of what surrounds it, where there are any."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A line with its name, its colour (below 8, else gray) and what it belongs to."""

    label: str
    points: Sequence[Point]
    colour: int = 0
    tags: Tags = field(default_factory=dict)
    marked: bool = True


def lines(heading: str, sentence: str, across: Axis, upwards: Axis, items: Sequence[Line]) -> Html:
    """Return lines, each within a band where its points have ends.

    Parameters
    ----------
    heading, sentence : str
        What it is, and what it shows.
    across, upwards : Axis
        Of the two quantities.
    items : sequence of Line
        A legend names them where there are several; those with tags can be chosen there.
    """
    curves = element(
        "svg",
        *(part for item in items for part in _curve(across, upwards, item)),
        viewBox=f"0 0 {_ACROSS} {_HEIGHT}",
        preserveAspectRatio="none",
        width="100%",
        height=_HEIGHT,
    )
    marks = (
        element(
            "circle",
            element("title", f"{item.label}: {point.note or number(point.y)}"),
            cx=_percent(across.place(point.x)),
            cy=f"{_down(upwards, point.y):.1f}",
            r=3.5,
            class_=_colour(item.colour),
            **tagged(item.tags),
        )
        for item in items
        if item.marked
        for point in item.points
    )
    plot = _plot(across, upwards, join([curves, *marks]), heading)
    columns = [Column("line"), Column(across.label, numeric=True), Column(upwards.label, numeric=True), Column("range")]
    rows = [
        Row([item.label, point.x, point.y, "" if point.low is None else f"{number(point.low)} to {number(point.high)}"])
        for item in items
        for point in item.points
    ]
    return _figure(heading, sentence, _legend(items), plot, _numbers(columns, rows, heading))


def _curve(across: Axis, upwards: Axis, item: Line) -> Iterator[Html]:
    def places(heights: Sequence[tuple[float, float]]) -> list[str]:
        return [f"{_ACROSS * across.place(x):.1f} {_down(upwards, y):.1f}" for x, y in heights]

    for known, run in groupby(item.points, key=lambda p: p.low is not None):
        band = [(p.x, p.low or 0.0, p.high or 0.0) for p in run]
        if not known or len(band) < 2:
            continue
        outline = places([(x, low) for x, low, _ in band]) + places([(x, high) for x, _, high in band])[::-1]
        yield element("path", d=f"M{'L'.join(outline)}Z", class_=f"band {_colour(item.colour)}", **tagged(item.tags))
    if len(item.points) > 1:
        path = "L".join(places([(p.x, p.y) for p in item.points]))
        yield element("path", d=f"M{path}", class_=f"line {_colour(item.colour)}", **tagged(item.tags))


@dataclass(frozen=True)
class Share:
    """A bar with its name."""

    label: str
    images: int
    tags: Tags = field(default_factory=dict)


def shares(heading: str, sentence: str, items: Sequence[Share], *, total: int) -> Html:
    """Return a bar for each item, as a share of all images.

    Parameters
    ----------
    heading, sentence : str
        What it is, and what it shows.
    items : sequence of Share
        From above.
    total : int
        Images that the full width stands for.
    """
    rows = (
        element(
            "li",
            element("span", item.label, class_="name"),
            element("span", _bar(item.images / max(total, 1)), class_="bar"),
            element("span", f"{item.images:,}", class_="value"),
            element("span", f"{item.images / max(total, 1):.1%}", class_="value"),
            **tagged(item.tags),
        )
        for item in items
    )
    return _figure(heading, sentence, element("ul", *rows, class_="shares"))


@dataclass(frozen=True)
class Dot:
    """A value with the interval it lies in, on a line with its name; `note` follows."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    colour: int = 0
    tags: Tags = field(default_factory=dict)


def dots(heading: str, sentence: str, axis: Axis, items: Sequence[Dot]) -> Html:
    """Return a line for each item with its value and interval on a common axis.

    Parameters
    ----------
    heading, sentence : str
        What it is, and what it shows.
    axis : Axis
        Of the values.
    items : sequence of Dot
        From above.
    """
    rows = (
        element(
            "li",
            element("span", item.label, class_="name"),
            element("span", _dot(axis, item), class_="bar"),
            element("span", item.note or number(item.value), class_="value"),
            **tagged(item.tags),
        )
        for item in items
    )
    ticks = (element("text", text, x=_percent(place), y=12, class_="x") for place, text in axis.ticks)
    scale = element(
        "li",
        element("span", axis.label, class_="name"),
        element("span", element("svg", *ticks, width="100%", height=16), class_="bar"),
        element("span", class_="value"),
        class_="scale",
    )
    return _figure(heading, sentence, element("ul", *rows, scale, class_="shares dots"))


def _dot(axis: Axis, item: Dot) -> Html:
    grid = (
        element("line", x1=_percent(place), x2=_percent(place), y1=0, y2=20, class_="grid") for place, _ in axis.ticks
    )
    interval: object = ""
    if item.low is not None and item.high is not None:
        ends = {"x1": _percent(axis.place(item.low)), "x2": _percent(axis.place(item.high))}
        interval = element("line", **ends, y1=10, y2=10, class_=f"interval {_colour(item.colour)}")
    within = "" if item.low is None else f" ({number(item.low)} to {number(item.high)})"
    title = element("title", f"{item.label}: {number(item.value, 4)}{within}")
    place = _percent(axis.place(item.value))
    mark = element("circle", title, cx=place, cy=10, r=5, class_=_colour(item.colour))
    return element("svg", *grid, interval, mark, width="100%", height=20)


def _bar(share: float) -> Html:
    return element("svg", element("rect", width=_percent(share), height=12, rx=2), width="100%", height=12)


def _plot(across: Axis, upwards: Axis, content: Html, name: str) -> Html:
    """Return axes with what lies between them."""
    level = (
        join(
            [
                element("line", x1=0, x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"),
                element("text", text, x=-8, y=f"{y + 4:.1f}", class_="y"),
            ]
        )
        for y, text in ((_HEIGHT * (1 - place), text) for place, text in upwards.ticks)
    )
    upright = (
        join(
            [
                element("line", x1=_percent(place), x2=_percent(place), y1=_HEIGHT, y2=_HEIGHT + 4, class_="tick"),
                element("text", text, x=_percent(place), y=_HEIGHT + 18, class_="x"),
            ]
        )
        for place, text in across.ticks
    )
    base = element("line", x1=0, x2="100%", y1=_HEIGHT, y2=_HEIGHT, class_="tick")
    drawing = element("svg", *level, content, base, *upright, width="100%", height=_HEIGHT, role="img", aria_label=name)
    labels = element("span", upwards.label, class_="upwards"), element("span", across.label, class_="across")
    return element("div", labels[0], drawing, labels[1], class_="plot")


def _legend(items: Sequence[Line]) -> Html:
    if len(items) < 2:
        return Html("")
    keys = (
        element(
            "button" if item.tags else "span",
            element("i", class_=_colour(item.colour)),
            item.label,
            type="button" if item.tags else None,
            class_="key",
            **tagged(item.tags),
        )
        for item in items
    )
    return element("div", *keys, class_="legend")


def _numbers(columns: Sequence[Column], rows: Sequence[Row], heading: str) -> Html:
    return details("Numbers", table(columns, rows, caption=heading))


def _figure(heading: str, sentence: str, *parts: object) -> Html:
    caption = element("figcaption", element("h3", heading), element("p", sentence))
    return element("figure", caption, *parts, class_="chart")


def _down(upwards: Axis, value: float) -> float:
    """Return the distance of a height from the top, in pixels."""
    return _HEIGHT * (1 - upwards.place(value))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _colour(place: int) -> str:
    return f"k{place}" if place < COLOURS else "kx"
