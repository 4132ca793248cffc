"""The plot of PSNR against speed and against arithmetic."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from limpid.evaluation.frontier import FrontierRow, Kind, undominated
from limpid.evaluation.labels import Box, place_labels
from limpid.evaluation.plots import new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["frontier_plot"]


class _Look(NamedTuple):
    colour: str
    marker: str
    size_pt: float
    name: str


#: Colours of Okabe and Ito (2008), which the colour-blind tell apart; the shapes tell the same. The last lie on top.
_LOOKS: Final[dict[Kind, _Look]] = {
    "classical": _Look("#666666", "^", 7, "classical method"),
    "published": _Look("#0072b2", "s", 6.5, "published network"),
    "limpid": _Look("#d55e00", "o", 9, "limpid"),
}

_FRONT: Final = "#b0b0b0"
_WIDTH_IN: Final = 10.5
_PANEL_IN: Final = 3.7
_MARGIN_IN: Final = 0.9

#: Of the letters of a label. The plot is shown at some 80 % of its size.
_LABEL_PT: Final = 10.0

#: From the middle of a point to its label.
_GAP_PT: Final = 6.5

#: A label further away is tied to its point by a line.
_TIED_PT: Final = 2 * _GAP_PT


#: Two numbers are so far apart at least where powers of ten are ticks enough.
_FEW_TICKS: Final = 200


@dataclass(frozen=True)
class _Cost:
    """What a panel sets PSNR against: a field of the rows, and whether more of it is better."""

    field: str
    title: str
    axis: str
    more_is_better: bool

    def points(self, rows: Sequence[FrontierRow]) -> list[tuple[FrontierRow, float]]:
        """Return the rows that have it, each with its value."""
        return [(row, float(value)) for row in rows if (value := getattr(row, self.field)) is not None]


_COSTS: Final = (
    _Cost("megapixels_per_s", "speed", "megapixel/s (right is faster)", True),
    _Cost("kmac_per_pixel", "arithmetic", "thousand multiply-accumulates per pixel (left is less)", False),
)


def frontier_plot(rows: Sequence[FrontierRow], *, sigma: float, below: str) -> dict[str, bytes]:
    """Return the plot as PNG and SVG, by these names: for each data set a panel for speed and one for arithmetic.

    Methods that no other one beats are joined by a line.

    Parameters
    ----------
    rows : sequence of FrontierRow
        Those of another sigma are left out.
    sigma : float
        The noise level that is drawn.
    below : str
        What is said below the panels, in small letters.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    shown = [row for row in rows if row.sigma == sigma]
    sets = list(dict.fromkeys(row.data for row in shown))
    figure = new_figure(_WIDTH_IN, _PANEL_IN * len(sets) + _MARGIN_IN)
    panels = figure.subplots(len(sets), len(_COSTS), squeeze=False)
    drawn = []
    for line, data in zip(panels, sets, strict=True):
        of_set = [row for row in shown if row.data == data]
        kind = "gray" if of_set[0].channels == 1 else "colour"
        for axes, cost in zip(line, _COSTS, strict=True):
            plain_axes(axes, f"{data} ({kind}), sigma {sigma:g}: {cost.title}")
            axes.set_xlabel(cost.axis, fontsize=9)
            drawn.append((axes, _draw(axes, cost, of_set)))
        line[0].set_ylabel("PSNR, dB", fontsize=9)
    _draw_legend(figure, {row.kind for row in shown}, below)
    figure.draw_without_rendering()  # panels get their places, which labels hang on
    figure.set_layout_engine("none")
    for axes, points in drawn:
        _draw_labels(axes, points)
    return _encoded(figure)


def _draw(axes: Axes, cost: _Cost, rows: Sequence[FrontierRow]) -> list[tuple[FrontierRow, float]]:
    points = cost.points(rows)
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    values = [x for _, x in points]
    if max(values, default=1) < _FEW_TICKS * min(values, default=1):
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.margins(x=0.14, y=0.14)
    front = undominated([(x if cost.more_is_better else -x, row.psnr) for row, x in points])
    axes.plot([points[k][1] for k in front], [points[k][0].psnr for k in front], color=_FRONT, lw=1.5, zorder=1)
    for height, (kind, look) in enumerate(_LOOKS.items(), start=2):
        own = [(x, row.psnr) for row, x in points if row.kind == kind]
        style: dict[str, Any] = {"color": look.colour, "ms": look.size_pt, "mec": "white", "mew": 0.8, "zorder": height}
        axes.plot([x for x, _ in own], [psnr for _, psnr in own], look.marker, **style)
    return points


def _draw_labels(axes: Axes, points: Sequence[tuple[FrontierRow, float]]) -> None:
    """Write the names beside the points; those that had to go further away are tied to them."""
    from matplotlib.patheffects import withStroke

    figure = axes.figure
    pixel_pt = 72 / figure.dpi
    texts = [
        axes.annotate(
            row.method,
            (x, row.psnr),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=_LABEL_PT,
            color=_LOOKS[row.kind].colour,
            fontweight="bold" if row.kind == "limpid" else "normal",
            va="bottom",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],  # lines pass below letters
        )
        for row, x in points
    ]
    places = [tuple(axes.transData.transform((x, row.psnr))) for row, x in points]
    extents = [text.get_window_extent() for text in texts]
    panel = axes.get_window_extent()
    found = place_labels(
        places,
        [(extent.width, extent.height) for extent in extents],
        bounds=Box(panel.x0, panel.y0, panel.width, panel.height),
        gap=_GAP_PT / pixel_pt,
    )
    for text, box, (x, y) in zip(texts, found, places, strict=True):
        text.set_position(((box.x - x) * pixel_pt, (box.y - y) * pixel_pt))
        if box.distance((x, y)) * pixel_pt > _TIED_PT:
            axes.annotate(
                "",
                (x, y),
                xytext=box.nearest((x, y)),
                xycoords="figure pixels",
                textcoords="figure pixels",
                arrowprops={"arrowstyle": "-", "color": _FRONT, "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
                zorder=1.5,
            )


def _draw_legend(figure: Figure, kinds: set[Kind], below: str) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=look.size_pt, ls="", label=look.name)
        for kind, look in reversed(_LOOKS.items())
        if kind in kinds
    ]
    entries.append(Line2D([], [], color=_FRONT, lw=1.5, label="no other is better in both"))
    figure.legend(handles=entries, loc="outside upper left", ncols=len(entries), frameon=False, fontsize=10)
    figure.supxlabel(below, fontsize=8, color="#666666", x=0.01, ha="left", wrap=True)


def _encoded(figure: Figure) -> dict[str, bytes]:
    """Return the figure in both formats, the same bytes for the same figure."""
    from matplotlib import rc_context

    made = {}
    with rc_context({"svg.hashsalt": "limpid"}):
        for name, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            file = io.BytesIO()
            figure.savefig(file, format=name, metadata=metadata)
            made[name] = file.getvalue()
    return made
