"""Plots, drawn by matplotlib to PNG without a screen."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from limpid.core.errors import MissingExtraError
from limpid.core.image import Image
from limpid.noise.result import NoiseEstimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["advice_plot", "new_figure", "noise_plot", "plain_axes"]

_COLOURS: Final = {1: ["#333333"], 3: ["#c0392b", "#27864b", "#2a5db0"]}
_BINS: Final = 256


def noise_plot(image: Image, noise: NoiseEstimate) -> bytes:
    """Return a PNG of what was measured: variance against signal, autocorrelation, histogram.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = new_figure()
    line, correlation, histogram = figure.subplots(1, 3, width_ratios=[1.25, 0.8, 1.25])
    colours = _COLOURS.get(len(noise.channels)) or [f"C{c % 10}" for c in range(len(noise.channels))]
    _draw_line(line, noise, colours)
    _draw_correlation(correlation, noise)
    _draw_histogram(histogram, image, noise, colours)
    low, high = noise.sigma_interval
    found = f"sigma {noise.sigma:.4g} (95 %: {low:.4g} to {high:.4g})" if noise.measured else "not measurable"
    figure.suptitle(f"Noise: {found}", fontsize=12, x=0.01, ha="left", fontweight="bold")
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def advice_plot(answers: Sequence[tuple[str, Any, Sequence[Mapping[str, Any]]]]) -> bytes:
    """Return a PNG with a panel for each question: what was tried, and how much of the noise it left.

    Parameters
    ----------
    answers : sequence of (question, value, rows)
        The value is the one recommended; rows have ``value``, ``noise_left`` and ``error``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = new_figure(width=max(4.2, 3.4 * len(answers)))
    panels = figure.subplots(1, len(answers), squeeze=False)[0]
    for axes, (question, chosen, rows) in zip(panels, answers, strict=True):
        _draw_answer(axes, question, chosen, rows)
    panels[0].set_ylabel("noise left, share of its variance", fontsize=9)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw_answer(axes: Axes, question: str, chosen: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    values = [row["value"] for row in rows]
    places = np.arange(len(rows))
    left, error = ([row[key] for row in rows] for key in ("noise_left", "error"))
    numbers = not isinstance(values[0], str)
    axes.errorbar(places, left, error, fmt="o-" if numbers else "o", color="#333333", ecolor="#999999", capsize=2, ms=4)
    place = values.index(chosen)
    axes.plot(place, left[place], "o", color="#c0392b", ms=8)
    axes.set_xticks(places, [str(value) for value in values], rotation=0 if numbers else 30)
    if len(rows) > 1 and max(left) > 4 * min(left) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.grid(axis="y", color="#eeeeee")
    plain_axes(axes, f"{question}: {chosen} recommended")


def new_figure(width: float = 13, height: float = 4.2) -> Figure:
    """Return an empty figure of so many inches, of which a hundred pixels and some are shown.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", extra="plot", purpose="a plot") from error
    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def plain_axes(axes: Axes, title: str) -> None:
    """Give a panel its title, and take the frame away above and at the right."""
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)


def _draw_line(axes: Axes, noise: NoiseEstimate, colours: list[str]) -> None:
    plain_axes(axes, "Variance against signal, with 95 % intervals and the fit")
    for channel, colour in zip(noise.channels, colours, strict=True):
        if len(channel.points):
            signal, variance, error = channel.points.T
            axes.errorbar(signal, variance, 1.96 * error, fmt="o", ms=4, lw=1, color=colour, alpha=0.7)
            ends = np.array([signal.min(), signal.max()])
            axes.plot(ends, channel.model.variance(ends), color=colour, lw=1.5)
    if not axes.has_data():
        _say(axes, "too few pixels to tell the variance\nat different signals")
        return
    axes.set_ylim(bottom=0)
    axes.set_xlabel("signal (mean of a block)", fontsize=9)
    axes.set_ylabel("variance of the noise", fontsize=9)
    if noise.signal_dependent:
        text = f"variance = {noise.gain:.4g} · signal {noise.floor:+.4g}"
    else:
        text = "no dependence on the signal seen"
    axes.text(0.03, 0.96, text, transform=axes.transAxes, va="top", fontsize=9)


def _draw_correlation(axes: Axes, noise: NoiseEstimate) -> None:
    verdict = {True: "white", False: "correlated", None: "not measurable"}[noise.white]
    plain_axes(axes, f"Autocorrelation: {verdict}")
    found = [c.correlation for c in noise.channels if c.correlation is not None]
    if not found:
        _say(axes, "no smooth part to measure it on")
        return
    x, y, diagonal = (float(np.mean([getattr(c, name) for c in found])) for name in ("x", "y", "diagonal"))
    grid = np.array([[diagonal, y, diagonal], [x, 1.0, x], [diagonal, y, diagonal]])
    axes.imshow(grid, cmap="RdBu_r", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(grid):
        ink = "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, f"{value:+.2f}", ha="center", va="center", fontsize=9, color=ink)
    axes.set_xticks(range(3), ["-1", "0", "+1"])
    axes.set_yticks(range(3), ["-1", "0", "+1"])
    axes.set_xlabel("lag in pixels", fontsize=9)


def _draw_histogram(axes: Axes, image: Image, noise: NoiseEstimate, colours: list[str]) -> None:
    plain_axes(axes, "Histogram")
    planes = image.planes()
    stride = max(1, int((planes.size / planes.shape[-1] / 2**21) ** 0.5))
    values = planes[:, ::stride, ::stride]
    finite = values[np.isfinite(values)]
    if not finite.size:
        _say(axes, "no finite pixel")
        return
    ends = float(finite.min()), float(finite.max())
    bins, limits = _BINS, ends
    if planes.dtype.kind == "u":  # as many values in each bin, or comb teeth would appear
        wide = int((ends[1] - ends[0]) // _BINS) + 1
        bins = int((ends[1] - ends[0]) // wide) + 1
        limits = ends[0] - 0.5, ends[0] - 0.5 + bins * wide
    for c, colour in enumerate(colours):
        one = values[..., c]
        counts, edges = np.histogram(one[np.isfinite(one)], bins=bins, range=limits)
        axes.stairs(counts / max(counts.sum(), 1), edges, color=colour, fill=len(colours) == 1, alpha=0.8)
    axes.set_xlabel("value", fontsize=9)
    axes.set_ylabel("share of pixels", fontsize=9)
    for end, share, side in zip(ends, noise.clipped_share, ("left", "right"), strict=True):
        if share > 0:
            axes.axvline(end, color="#d35400", lw=2, ls="--")
            axes.annotate(
                f"clipped {share:.1%}", (end, 0.97), xycoords=("data", "axes fraction"), va="top", fontsize=9,
                color="#d35400", ha=side, xytext=(4 if side == "left" else -4, 0), textcoords="offset points",
            )  # fmt: skip


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color="#777777")
    axes.set_xticks([])
    axes.set_yticks([])
