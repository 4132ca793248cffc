"""What sections are made of beside charts: texts, figures in large letters, tables, advice, pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from limpid.catalog.report.markup import Html, element, join
from limpid.catalog.report.numbers import number

__all__ = [
    "Advice",
    "Cell",
    "Column",
    "Picture",
    "Row",
    "Tags",
    "Tile",
    "Triplet",
    "address",
    "advices",
    "command",
    "details",
    "paragraph",
    "table",
    "tagged",
    "tiles",
    "triplets",
]

#: What something belongs to, kind (``cohort`` or ``camera``) -> which, such as ``{"cohort": "0"}``: choosing another
#: one dims or hides it. ``8+`` stands for 8 and all higher numbers.
Tags = Mapping[str, str]


def tagged(tags: Tags) -> dict[str, str]:
    """Return tags as attributes for :func:`element`."""
    return {f"data_{kind}": which for kind, which in tags.items()}


def paragraph(*parts: object, quiet: bool = False) -> Html:
    """Return text as a paragraph; a quiet one is a remark."""
    return element("p", *parts, class_="note" if quiet else None)


def address(name: str) -> Html:
    """Return the name of a file or folder, which may break after a slash."""
    parts = name.split("/")
    broken = join(part for place, one in enumerate(parts) for part in (("/", Html("<wbr>")) if place else ()) + (one,))
    return element("span", broken, class_="uri")


def command(text: str) -> Html:
    """Return a command line, which can be copied."""
    return element("pre", element("code", text), class_="command")


def details(summary: str, *parts: object, shown: bool = False) -> Html:
    """Return parts below a summary, folded away where they aren't to be shown."""
    return element("details", element("summary", summary), *parts, open=shown)


@dataclass(frozen=True)
class Tile:
    """One number in large letters, what it is, and a word on it."""

    value: str
    label: str
    note: str = ""


def tiles(items: Sequence[Tile]) -> Html:
    """Return numbers side by side."""
    cells = (
        element(
            "div",
            element("dt", item.label),
            element("dd", element("strong", item.value), element("span", item.note) if item.note else ""),
        )
        for item in items
    )
    return element("dl", *cells, class_="tiles")


@dataclass(frozen=True)
class Advice:
    """One thing to do, in plain words, with the commands that do it.

    Attributes
    ----------
    heading : str
        What to do.
    text : str
        Why, and what it takes; may be :class:`Html`.
    commands : sequence of str
        Command lines.
    kind : str
        ``do``, ``look`` or ``leave``: decides the colour of its edge.
    """

    heading: str
    text: str
    commands: Sequence[str] = ()
    kind: Literal["do", "look", "leave"] = "do"


def advices(items: Sequence[Advice]) -> Html:
    """Return a list of things to do."""
    return element(
        "ul",
        *(
            element(
                "li",
                element("h3", one.heading),
                paragraph(one.text),
                *map(command, one.commands),
                class_=f"advice {one.kind}",
            )
            for one in items
        ),
        class_="advices",
    )


@dataclass(frozen=True)
class Column:
    """Heading of a column, whether it holds numbers, and a word on what it says."""

    label: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and the number or text it is sorted by."""

    shown: object
    value: float | str | None = None


@dataclass(frozen=True)
class Row:
    """Cells, texts or numbers, and what they belong to."""

    cells: Sequence[object]
    tags: Tags = field(default_factory=dict)


def table(columns: Sequence[Column], rows: Sequence[Row], *, caption: str, searched: bool = False) -> Html:
    """Return a table that is sorted by a click on a heading.

    Parameters
    ----------
    columns : sequence of Column
        One for each cell of a row.
    rows : sequence of Row
        Numbers are shown with three digits; a :class:`Cell` says more exactly how.
    caption : str
        What it shows.
    searched : bool
        Whether the search box of the page looks through its rows.
    """
    head = element(
        "tr",
        *(
            element("th", c.label, scope="col", class_="number" if c.numeric else None, title=c.hint or None)
            for c in columns
        ),
    )
    body = (
        element("tr", *(_cell(c, cell) for c, cell in zip(columns, row.cells, strict=True)), **tagged(row.tags))
        for row in rows
    )
    parts = element("caption", caption), element("thead", head), element("tbody", *body)
    whole = element("table", *parts, class_="sortable", data_searched="" if searched else None)
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cell(column: Column, cell: object) -> Html:
    told = cell if isinstance(cell, Cell) else Cell(cell, cell if isinstance(cell, float | int) else None)
    shown = number(told.shown) if isinstance(told.shown, float | int) else "" if told.shown is None else told.shown
    return element("td", shown, class_="number" if column.numeric else None, data_value=told.value)


@dataclass(frozen=True)
class Picture:
    """An image file, shown pixel for pixel.

    Attributes
    ----------
    content : bytes
        PNG or WebP.
    width, height : int
        In pixels.
    caption : str
        Below it.
    """

    content: bytes
    width: int
    height: int
    caption: str

    @property
    def html(self) -> Html:
        """The picture with its caption."""
        kind = "webp" if self.content[8:12] == b"WEBP" else "png"
        source = f"data:image/{kind};base64,{base64.b64encode(self.content).decode('ascii')}"
        shown = element("img", src=source, width=self.width, height=self.height, alt=self.caption)
        return element("figure", shown, element("figcaption", self.caption))


@dataclass(frozen=True)
class Triplet:
    """Pictures of one image side by side, such as before, after and what was removed.

    Attributes
    ----------
    name : str
        Of the image.
    facts : sequence of (str, str)
        What is known of it, label and value.
    pictures : sequence of Picture
        None where there is nothing to show.
    note : str
        A word on it, such as where it is.
    tags : mapping
        What it belongs to.
    """

    name: str
    facts: Sequence[tuple[str, str]]
    pictures: Sequence[Picture]
    note: str = ""
    tags: Tags = field(default_factory=dict)


def triplets(items: Sequence[Triplet]) -> Html:
    """Return a gallery."""
    return element("div", *map(_triplet, items), class_="gallery")


def _triplet(item: Triplet) -> Html:
    facts = element("dl", *(join([element("dt", label), element("dd", value)]) for label, value in item.facts))
    note = element("p", item.note, class_="note") if item.note else ""
    pictures = element(
        "div",
        *(picture.html for picture in item.pictures),
        class_="strip",
        tabindex="0",
        role="group",
        aria_label=f"pictures of {item.name}",
    )
    text = element("div", element("h4", item.name), note, facts, class_="facts")
    return element("article", pictures if item.pictures else "", text, class_="triplet", **tagged(item.tags))
