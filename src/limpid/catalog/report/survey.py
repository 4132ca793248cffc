"""The sections that a survey's report is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from limpid.catalog.cohorts import Cohort
from limpid.catalog.report.aggregate import SEPARATE, Distribution, Quantiles, Reduced, Unit
from limpid.catalog.report.charts import COLOURS, Dot, Line, Point, Series, Share, dots, histogram, lines, shares
from limpid.catalog.report.content import (
    Cell,
    Column,
    Row,
    Tags,
    Tile,
    address,
    advices,
    details,
    paragraph,
    table,
    tagged,
    tiles,
)
from limpid.catalog.report.markup import Html, element, join
from limpid.catalog.report.numbers import Axis, count, number, size
from limpid.catalog.report.page import Section
from limpid.catalog.report.recommend import recommend

__all__ = ["Surveyed", "survey_sections"]

#: Cohorts whose levels are drawn; rows up to which a table is not folded away.
_FIRST: Final = 12

#: Images from which on it is drawn where most of them lie.
_BAND: Final = 5

#: What an advice code says of an image.
_FINDINGS: Final = {
    "level": "worth denoising",
    "clean": "clean already",
    "white": "white noise",
    "correlated": "correlated noise",
    "signal-dependent": "grows with the signal",
    "jpeg": "traces of JPEG",
    "impulses": "hot, dead or impulse pixels",
    "banding": "banding",
    "fixed-pattern": "fixed pattern",
    "clipped": "clipped pixels",
    "channels-differ": "channels differ",
    "unmeasured": "could not be measured",
}


@dataclass(frozen=True)
class Surveyed:
    """What is known of a collection.

    Attributes
    ----------
    collection : sequence of str
        Its addresses, as the user gave them.
    folder : str
        Where its catalogue is, likewise.
    reduced : Reduced
        What is drawn.
    cohorts : sequence of Cohort
        The largest first.
    insight : mapping
        See :func:`limpid.catalog.insight.insight`.
    options : sequence of str
        Options that commands on these images need.
    """

    collection: Sequence[str]
    folder: str
    reduced: Reduced
    cohorts: Sequence[Cohort]
    insight: Mapping[str, Any]
    options: Sequence[str] = ()


def survey_sections(found: Surveyed, galleries: Section | None = None) -> list[Section]:
    """Return the sections of a survey's report, without those that would have nothing to show.

    Parameters
    ----------
    found : Surveyed
        What is known.
    galleries : Section, optional
        Pictures.
    """
    sections = [
        _summary(found),
        _recommendations(found),
        _cohorts(found),
        _distributions(found.reduced),
        _origins(found),
        galleries,
    ]
    return [*(one for one in sections if one is not None), *_files(found)]


def _tags(cohort: int | None) -> Tags:
    """Return what marks something as of a cohort."""
    return {"cohort": "none" if cohort is None else str(cohort)}


def _colour(cohort: int | None) -> int:
    return COLOURS if cohort is None or cohort >= SEPARATE else cohort


def _part(cohort: int | None) -> str:
    return "of no cohort" if cohort is None else "other cohorts" if cohort == SEPARATE else f"cohort {cohort}"


def _summary(found: Surveyed) -> Section:
    reduced, insight = found.reduced, found.insight
    denoising = insight["denoising"]
    readable = reduced.images - reduced.failed
    items = [
        Tile(f"{reduced.images:,}", "images", f"{size(reduced.bytes)}, {number(reduced.megapixels)} megapixels"),
        Tile(number(reduced.sigma) or "none", "median noise", reduced.unit.label),
        Tile(f"{len(found.cohorts)}", "cohorts", "groups of images with the same noise"),
        Tile(f"{insight['clean']:,}", "clean already", _share(insight["clean"], readable)),
        Tile(f"{denoising['images']:,}", "worth denoising", _share(denoising["images"], readable)),
    ]
    if denoising["gain_db"] is not None:
        low, high = denoising["gain_db_range"]
        items.append(Tile(f"{denoising['gain_db']:.1f} dB", "gain to expect", f"{low:.1f} to {high:.1f} for most"))
    if reduced.failed:
        items.append(Tile(f"{reduced.failed:,}", "could not be read", _share(reduced.failed, reduced.images)))
    return Section("summary", "Summary", tiles(items))


def _recommendations(found: Surveyed) -> Section | None:
    items = recommend(
        found.reduced,
        found.cohorts,
        found.insight,
        collection=found.collection,
        folder=found.folder,
        options=found.options,
    )
    return Section("recommendations", "What to do", advices(items)) if items else None


def _share(images: int, of: int) -> str:
    return f"{images / of:.1%} of the images" if of else ""


def _cohorts(found: Surveyed) -> Section | None:
    if not found.cohorts:
        return None
    unit = found.reduced.unit
    columns = [
        Column("Cohort"),
        Column("Images", numeric=True),
        Column("Sigma", numeric=True, hint=f"median, {unit.label}"),
        Column("95 % lie in", hint=unit.label),
        Column("Grows with signal", hint="whether the variance of the noise is larger where it is brighter"),
        Column("Correlation", numeric=True, hint="of the noise of neighbouring pixels, the larger of both directions"),
        Column("Found"),
    ]
    rows = [_cohort_row(one, unit) for one in found.cohorts]
    charts = element("div", _noise_by_signal(found.cohorts), _levels(found.cohorts, unit), class_="charts")
    body = join([table(columns, rows, caption="Cohorts"), charts])
    lead = (
        "Images whose noise follows the same line are a cohort: one level, or one model, fits them all. Choose one to "
        "see it in the charts and galleries."
    )
    return Section("cohorts", "Cohorts", body, lead)


def _cohort_row(one: Cohort, unit: Unit) -> Row:
    low, high = (unit.of(end, one.low, one.high) for end in one.sigma_interval)
    sigma = unit.of(one.sigma, one.low, one.high)
    tags = _tags(one.id)
    swatch = element("i", class_=f"swatch {'kx' if one.id >= SEPARATE else f'k{one.id}'}")
    pick = element("button", one.id, type="button", class_="pick", data_name=f"cohort {one.id}", **tagged(tags))
    lag = max(one.correlation, key=abs)
    grows = f"gain {number(one.gain)}" if one.gain > 0 else "no"
    said = ", ".join(_FINDINGS.get(advice.code, advice.code) for advice in one.advice)
    cells = [
        Cell(join([swatch, pick]), one.id),
        Cell(f"{one.images:,}", one.images),
        Cell(number(sigma), sigma),
        Cell(f"{number(low)} to {number(high)}", low),
        Cell(grows, one.gain),
        Cell(f"{lag:+.2f}", lag),
        said,
    ]
    return Row(cells, tags)


def _noise_by_signal(cohorts: Sequence[Cohort]) -> Html:
    """Return the line of each cohort: what the noise is where it is dark, and where it is bright."""
    drawn = cohorts[:SEPARATE]
    places = np.linspace(0, 1, 41)
    items = []
    for one in drawn:
        span = one.high - one.low
        variance = np.maximum(one.gain * (one.low + places * span) + one.floor, 0)
        sigmas = 100 * np.sqrt(variance) / span
        points = [Point(float(100 * x), float(y)) for x, y in zip(places, sigmas, strict=True)]
        items.append(Line(f"cohort {one.id}", points, _colour(one.id), _tags(one.id), marked=False))
    heights = [point.y for item in items for point in item.points if point.y > 0]
    # A line that comes near zero would press all others together.
    low, high = max(min(heights), max(heights) / 200) / 1.2, max(heights) * 1.2
    return lines(
        "Noise against brightness",
        "A flat line is noise that is the same everywhere; one that rises comes with the light.",
        Axis("brightness, % of the value range", 0, 100),
        Axis("sigma, % of the value range", low, high, log=True),
        items,
    )


def _levels(cohorts: Sequence[Cohort], unit: Unit) -> Html:
    """Return sigma of the largest cohorts with the interval of their images."""
    items = []
    for one in cohorts[:_FIRST]:
        low, high = (unit.of(end, one.low, one.high) for end in one.sigma_interval)
        sigma = unit.of(one.sigma, one.low, one.high)
        items.append(Dot(f"cohort {one.id}", sigma, low, high, colour=_colour(one.id), tags=_tags(one.id)))
    ends = [end for item in items for end in (item.low, item.high) if end]
    axis = Axis(unit.label, min(ends) / 1.2, max(ends) * 1.2, log=True)
    return dots("Levels", "Median sigma of each cohort, and where 95 % of its images lie.", axis, items)


def _distributions(reduced: Reduced) -> Section | None:
    if not reduced.distributions:
        return None
    sentences = {
        "sigma": ("Noise", "How strong the noise of the images is.", reduced.unit.label),
        "snr_db": ("Signal to noise", "Mean brightness over noise: below 20 dB noise is plainly seen.", "decibels"),
        "brightness": ("Brightness", "Mean value of the images.", "% of the value range"),
        "sharpness": (
            "Sharpness",
            "Fine contrast over all contrast, without the share of the noise: near 0 is out of focus, or smooth.",
            "ratio",
        ),
        "correlation": (
            "Correlation of the noise",
            "Of neighbours along a row: near 0 the noise is white, far from 0 it was demosaicked, scaled or packed.",
            "coefficient",
        ),
        "megapixels": ("Size", "Pixels of the images.", "megapixels"),
    }
    charts = [
        _histogram(*sentences[name], found=found, log=name in ("sigma", "megapixels"))
        for name, found in reduced.distributions.items()
    ]
    readable = reduced.images - reduced.failed
    named = [Share(_FINDINGS.get(code, code), images) for code, images in reduced.advice]
    if named:
        charts.append(shares("What was found", "Images that each finding is true of.", named, total=readable))
    if reduced.kinds:
        kinds = [Share(name, images) for name, images in reduced.kinds]
        charts.append(shares("Kinds of files", "Format, bits and channels.", kinds, total=readable))
    lead = "How the images differ. Colours are cohorts; gray are smaller ones, and images that belong to none."
    return Section("distributions", "Distributions", element("div", *charts, class_="charts"), lead)


def _histogram(heading: str, sentence: str, label: str, *, found: Distribution, log: bool) -> Html:
    axis = Axis(label, found.edges[0], found.edges[-1], log=log)
    series = [
        # The sign says that the larger numbers are in it.
        Series(_part(part), counts, _colour(part), {"cohort": f"{SEPARATE}+"} if part == SEPARATE else _tags(part))
        for part, counts in found.counts.items()
    ]
    more = " The outermost bars hold what lies beyond." if found.cut else ""
    return histogram(heading, sentence + more, axis, found.edges, series)


def _origins(found: Surveyed) -> Section | None:
    """Return noise by camera, ISO, time and folder."""
    reduced = found.reduced
    charts = [chart for chart in (_sensitivity(reduced), _over_time(reduced)) if chart]
    if len(reduced.cameras) > 1:
        named = [Share(name, images, {"camera": name}) for name, images in reduced.cameras]
        charts.append(shares("Cameras", "Those with most images.", named, total=reduced.images - reduced.failed))
    tables = list(_groups(found))
    if not charts and not tables:
        return None
    body = join([element("div", *charts, class_="charts") if charts else "", *tables])
    return Section("origins", "Sources of noise", body, "By camera and ISO, over time, and by folder.")


def _sensitivity(reduced: Reduced) -> Html | None:
    points = [one for curve in reduced.sensitivity.values() for one in curve]
    if not points:
        return None
    isos = [one.at for one in points]
    low, high = min(isos) / 1.2, max(isos) * 1.2
    stops = [(100 * 2.0**k, f"{100 * 2**k:g}") for k in range(-3, 14)]
    items = [
        Line(camera, [_point(one, f"ISO {one.at:.0f}") for one in curve], place, {"camera": camera})
        for place, (camera, curve) in enumerate(reduced.sensitivity.items())
    ]
    return lines(
        "Noise against ISO",
        "Median sigma of each camera, and where the middle 80 % of its images lie; both axes are logarithmic.",
        Axis("ISO", low, high, log=True, marks=stops),
        _noise_axis(reduced.unit, points),
        items,
    )


def _over_time(reduced: Reduced) -> Html | None:
    if len(reduced.dates) < 2:
        return None
    step = "year" if reduced.by_years else "month"
    shown = "%Y" if reduced.by_years else "%Y-%m"
    points = [_point(one, f"{day:{shown}}") for day, one in reduced.dates]
    first, last = points[0].x, points[-1].x
    return lines(
        "Noise over time",
        f"Median sigma of each {step}, and where the middle 80 % of the images lie.",
        Axis("taken", first, last, marks=_dates(first, last)),
        _noise_axis(reduced.unit, [one for _, one in reduced.dates]),
        [Line(step, points)],
    )


def _dates(first: float, last: float) -> list[tuple[float, str]]:
    """Return ticks of an axis of years: Januaries, or months where there are few."""
    if last - first > 2:
        step = max(math.ceil((last - first) / 8), 1)
        return [(float(year), f"{year}") for year in range(math.ceil(first), math.floor(last) + 1, step)]
    months = round(12 * (last - first))
    step = max(math.ceil(months / 6), 1)
    start = round(12 * first)
    return [((start + k) / 12, f"{(start + k) // 12}-{(start + k) % 12 + 1:02}") for k in range(0, months + 1, step)]


def _point(one: Quantiles, name: str) -> Point:
    note = f"{name}, sigma {number(one.middle)} ({number(one.low)} to {number(one.high)}), {count(one.images)}"
    few = one.images < _BAND
    return Point(one.at, one.middle, None if few else one.low, None if few else one.high, note)


def _noise_axis(unit: Unit, points: Sequence[Quantiles]) -> Axis:
    return Axis(unit.label, min(one.low for one in points) / 1.2, max(one.high for one in points) * 1.2, log=True)


def _groups(found: Surveyed) -> Iterator[Html]:
    """Yield medians by camera and ISO, and by folder, as tables."""
    noise = found.insight["noise"]
    for name, told, heads in (
        ("by_camera", "Noise by camera and ISO", {"camera": "Camera", "iso": "ISO"}),
        ("by_folder", "Noise by folder", {"folder": "Folder"}),
    ):
        rows = noise[name]
        if len(rows) < 2:
            continue
        columns = [
            *(Column(label, numeric=key == "iso") for key, label in heads.items()),
            Column("Pixels"),
            Column("Images", numeric=True),
            Column("Median sigma", numeric=True, hint="in the files' own units"),
            Column("95th percentile", numeric=True, hint="of sigma, in the files' own units"),
            Column("Median SNR, dB", numeric=True),
        ]
        lines_ = [
            Row(
                [
                    *(address(row[key]) if key == "folder" else row[key] for key in heads),
                    f"{row['dtype']}, {row['channels']} ch.",
                    Cell(f"{row['images']:,}", row["images"]),
                    *(row[key] for key in ("sigma", "sigma_p95", "snr_db")),
                ],
                {} if row.get("camera") is None else {"camera": row["camera"]},
            )
            for row in rows
        ]
        summary = f"{told}: {count(len(rows), 'line')}"
        yield details(summary, table(columns, lines_, caption=told), shown=len(rows) <= _FIRST)


def _files(found: Surveyed) -> list[Section]:
    """Return what stands out, file by file."""
    parts = [part for part in (_outliers(found), _duplicates(found), _errors(found)) if part]
    if not parts:
        return []
    return [Section("files", "Files to look at", join(parts), "At most 100 of each kind; the catalogue has them all.")]


def _outliers(found: Surveyed) -> Html | None:
    told = found.insight["outliers"]
    if not told["worst"]:
        return None
    columns = [
        Column("File"),
        Column("Sigma", numeric=True, hint="in the file's own units"),
        Column("Usual", numeric=True, hint="median of the same camera and ISO, or of the same folder"),
        Column("Ratio", numeric=True),
    ]
    rows = [
        Row([address(row["uri"]), row["sigma"], row["usual"], row["sigma"] / row["usual"]]) for row in told["worst"]
    ]
    head = element("h3", f"Unusual noise: {count(told['images'])}")
    said = paragraph("Far from what is usual for the same camera and ISO, or for the same folder.")
    return join([head, said, table(columns, rows, caption="Images with unusual noise", searched=True)])


def _duplicates(found: Surveyed) -> Html | None:
    told = found.insight["duplicates"]
    parts: list[Html] = []
    if told["groups"]:
        columns = [Column("File"), Column("Copies", numeric=True)]
        rows = [Row([address(row["uri"]), row["copies"]]) for row in told["groups"]]
        surplus = count(told["exact"], "file is", "files are")
        parts += [
            element("h3", f"Copies: {surplus} there already, byte by byte"),
            table(columns, rows, caption="Copies", searched=True),
        ]
    if told["pairs"]:
        columns = [Column("One"), Column("Other"), Column("Bits apart", numeric=True, hint="of 64; 0: looks the same")]
        rows = [Row([address(row["one"]), address(row["other"]), row["bits"]]) for row in told["pairs"]]
        parts += [
            element("h3", f"Look alike: {count(told['near'], 'pair')}"),
            table(columns, rows, caption="Pairs of images that look alike", searched=True),
        ]
    return join(parts) if parts else None


def _errors(found: Surveyed) -> Html | None:
    errors = found.reduced.errors
    if not errors:
        return None
    columns = [Column("Reason"), Column("Images", numeric=True), Column("Such as")]
    rows = [Row([reason, Cell(f"{images:,}", images), address(one)]) for reason, images, one in errors]
    head = element("h3", f"Could not be read: {count(found.reduced.failed)}")
    return join([head, table(columns, rows, caption="Images that could not be read", searched=True)])
