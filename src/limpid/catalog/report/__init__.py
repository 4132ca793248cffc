"""Reports: one HTML file that tells about a collection, built from sections.

A section's body is made by the functions here: :func:`tiles`, :func:`table`, :func:`advices`, :func:`triplets` and
charts (:func:`histogram`, :func:`lines`, :func:`shares`, :func:`dots`), joined by :func:`join`. Whatever is not
:class:`Html` is escaped.
"""

from limpid.catalog.report.charts import Dot, Line, Point, Series, Share, dots, histogram, lines, shares
from limpid.catalog.report.content import (
    Advice,
    Cell,
    Column,
    Picture,
    Row,
    Tile,
    Triplet,
    address,
    advices,
    command,
    details,
    paragraph,
    table,
    tiles,
    triplets,
)
from limpid.catalog.report.markup import Html, element, join
from limpid.catalog.report.numbers import Axis, count, number, size
from limpid.catalog.report.page import Section, write_report

__all__ = [
    "Advice",
    "Axis",
    "Cell",
    "Column",
    "Dot",
    "Html",
    "Line",
    "Picture",
    "Point",
    "Row",
    "Section",
    "Series",
    "Share",
    "Tile",
    "Triplet",
    "address",
    "advices",
    "command",
    "count",
    "details",
    "dots",
    "element",
    "histogram",
    "join",
    "lines",
    "number",
    "paragraph",
    "shares",
    "size",
    "table",
    "tiles",
    "triplets",
    "write_report",
]
