"""One HTML file that opens anywhere and asks for nothing: style and script are in it, and no address is."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from limpid.catalog.report.markup import Html, element, join
from limpid.core.version import SOFTWARE
from limpid.io.atomic import replacing

__all__ = ["Section", "page", "write_report"]


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes
    ----------
    id : str
        Its address in the page, letters and hyphens.
    heading : str
        Also its line in the table of contents.
    body : Html
        Charts, tables and texts, one after the other.
    lead : str
        A sentence below the heading.
    """

    id: str
    heading: str
    body: Html
    lead: str = ""


def write_report(path: Path, sections: Sequence[Section], *, title: str, subtitle: str = "") -> None:
    """Write a report as one HTML file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    sections : sequence of Section
        In their order.
    title, subtitle : str
        At its top; the title is also that of the window.

    Raises
    ------
    WriteError
        If it can't be written.
    """
    text = page(sections, title=title, subtitle=subtitle)
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def page(sections: Sequence[Section], *, title: str, subtitle: str = "") -> Html:
    """Return the text of the file; parameters as in :func:`write_report`."""
    style, script = (_asset(name) for name in ("style.css", "page.js"))
    # Of scripts only this very one may run, whatever a file of the collection is called.
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=SOFTWARE),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", style),
    )
    contents = element("ul", *(element("li", element("a", one.heading, href=f"#{one.id}")) for one in sections))
    body = element(
        "body",
        element("a", "Skip to the report", href="#report", class_="skip"),
        element("header", element("h1", title), element("p", subtitle) if subtitle else ""),
        element("nav", contents, _controls(), aria_label="Contents"),
        element("main", *map(_section, sections), id="report"),
        element("footer", element("p", f"Made by {SOFTWARE}. This file holds all it shows and loads nothing.")),
        element("script", script),
    )
    return join([Html("<!doctype html>\n"), element("html", head, body, lang="en"), Html("\n")])


def _section(one: Section) -> Html:
    lead = element("p", one.lead, class_="lead") if one.lead else ""
    return element("section", element("h2", one.heading), lead, one.body, id=one.id, aria_label=one.heading)


def _controls() -> Html:
    """Return where the filters appear, which the script makes of what is in the page."""
    return element("div", id="filters", role="group", aria_label="Filters", hidden=True)


def _asset(name: str) -> Html:
    return Html(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
