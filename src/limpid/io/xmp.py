"""Provenance inside an XMP packet: put in and taken out without touching the rest of the packet.

XMP is XML, yet packets are edited here as bytes: parsing and writing again would reorder attributes, rename
prefixes and drop the padding that other programs left, and a file's metadata is not ours to restyle.
"""

from __future__ import annotations

import codecs
import html
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from limpid.core.errors import WriteError
from limpid.core.image import Provenance

__all__ = ["NAMESPACE", "NoPlaceError", "as_utf8", "embed", "extract"]

#: XML namespace of the properties limpid adds: ``Steps`` (JSON) and ``ValueRange`` (JSON).
NAMESPACE: Final = "urn:limpid:provenance:1.0#"

_RDF: Final = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_HEAD: Final = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + _RDF + b'">'
)
_TAIL: Final = b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
_RDF_END: Final = re.compile(rb"</([A-Za-z_][\w.-]*:)?RDF\s*>")
#: An element without content; attribute values may hold ">".
_RDF_EMPTY: Final = re.compile(
    rb"<(?P<rdf>(?:[A-Za-z_][\w.-]*:)?)RDF(?P<attributes>(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*/>"
)
#: First bytes of a packet in UTF-16 or UTF-32, with a byte-order mark or by its "<" (XML 1.0, appendix F.1).
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00\x00\x00<", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
_ENCODING: Final = re.compile(r"\A(\ufeff?<\?xml[^>]*?\sencoding\s*=\s*[\"'])[\w.-]+")
_PREFIX: Final = re.compile(rb"xmlns:([A-Za-z_][\w.-]*)\s*=\s*[\"']" + re.escape(NAMESPACE.encode()) + rb"[\"']")

#: What is left of an element that :func:`embed` wrote, once its properties are out.
_EMPTY_DESCRIPTION: Final = re.compile(
    rb"<(?:[A-Za-z_][\w.-]*:)?Description(?: [\w.-]+:about=\"\")? xmlns:limpid=\""
    + re.escape(NAMESPACE.encode())
    + rb"\"></(?:[A-Za-z_][\w.-]*:)?Description>"
)


class NoPlaceError(WriteError):
    """A packet has no place where provenance could be added."""


def as_utf8(packet: bytes) -> bytes:
    """Return a packet in UTF-8; one that is in UTF-8 already, or in no known encoding, is returned as it is.

    XMP allows UTF-16 and UTF-32 (ISO 16684-1, section 7.1), which the standards of PNG and JPEG do not.
    """
    for start, encoding in _WIDE:
        if packet.startswith(start):
            try:
                return _ENCODING.sub(r"\1UTF-8", packet.decode(encoding), count=1).encode()
            except UnicodeError:
                return packet
    return packet


def embed(
    packet: bytes | None, steps: Sequence[Provenance], value_range: tuple[float, float] | None = None
) -> bytes | None:
    """Return `packet` with provenance added, or unchanged where there is nothing to add.

    What was in the packet stays as it was, but for two changes: a packet in UTF-16 or UTF-32 becomes UTF-8, and an
    empty ``<rdf:RDF/>`` gets an end tag.

    Parameters
    ----------
    packet : bytes or None
        An XMP packet as :func:`extract` returns it; None starts one.
    steps : sequence of Provenance
        Steps to state.
    value_range : (float, float), optional
        Values of black and white, where they are not those of the pixel type.

    Raises
    ------
    NoPlaceError
        If `packet` has no ``rdf:RDF`` element, because it is damaged or no XMP.
    WriteError
        If parameters of a step are no JSON values.
    """
    properties: dict[str, Any] = {}
    if steps:
        properties["Steps"] = [
            {"software": step.software, "operation": step.operation, "parameters": dict(step.parameters)}
            for step in steps
        ]
    if value_range is not None:
        properties["ValueRange"] = [float(value) for value in value_range]
    if not properties:
        return packet
    if packet is None:
        return _HEAD + _description(properties, b"rdf:") + _TAIL
    packet = as_utf8(packet)
    ends = list(_RDF_END.finditer(packet))
    if ends:
        at, prefix = ends[-1].start(), ends[-1][1] or b""
        return b"".join((packet[:at], _description(properties, prefix), packet[at:]))
    empty = _RDF_EMPTY.search(packet)
    if empty is None:
        raise NoPlaceError("the image's XMP packet has no rdf:RDF element")
    prefix, attributes = empty["rdf"], empty["attributes"]
    element = (b"<", prefix, b"RDF", attributes, b">", _description(properties, prefix), b"</", prefix, b"RDF>")
    return b"".join((packet[: empty.start()], *element, packet[empty.end() :]))


def extract(
    packet: bytes | None,
) -> tuple[bytes | None, tuple[Provenance, ...], tuple[float, float] | None]:
    """Undo :func:`embed`: return the packet without limpid's properties, the steps and the value range.

    A packet that another program has rewritten is understood too. Properties that can't be understood stay in
    the packet.
    """
    # A program that rewrote the packet may have bound a prefix of its own to the namespace.
    prefixes = sorted(set(_PREFIX.findall(packet))) if packet else []
    if packet is None or not prefixes:
        return packet, (), None
    found: dict[str, Any] = {}
    rest = packet
    for name in ("Steps", "ValueRange"):
        pattern = _property(prefixes, name.encode())
        match = pattern.search(rest)
        if match is None:
            continue
        try:
            found[name] = json.loads(html.unescape((match["element"] or match["attribute"] or b"").decode()))
        except ValueError:
            return packet, (), None
        rest = pattern.sub(b"", rest)
    try:
        steps = tuple(Provenance(s["software"], s["operation"], s["parameters"]) for s in found.get("Steps", ()))
        low, high = found.get("ValueRange") or (None, None)
    except (KeyError, TypeError, ValueError):
        return packet, (), None
    rest = _EMPTY_DESCRIPTION.sub(b"", rest)
    value_range = None if low is None or high is None else (float(low), float(high))
    return (None if rest == _HEAD + _TAIL else rest), steps, value_range


def _description(properties: dict[str, Any], rdf: bytes) -> bytes:
    """Return one rdf:Description element that holds our properties; `rdf` is the packet's prefix with its colon."""
    try:
        payload = {
            name: json.dumps(value, separators=(",", ":"), allow_nan=False) for name, value in properties.items()
        }
    except (TypeError, ValueError) as error:
        raise WriteError(f"provenance parameters must be JSON scalars or lists: {error}.") from error
    inner = "".join(
        f"<limpid:{name}>{html.escape(text, quote=False)}</limpid:{name}>" for name, text in payload.items()
    )
    # Without a prefix RDF is the default namespace, which attributes don't take part in; rdf:about may be left out.
    about = b" " + rdf + b'about=""' if rdf else b""
    return b"".join(
        (
            *(b"<", rdf, b"Description", about, b' xmlns:limpid="', NAMESPACE.encode(), b'">'),
            *(inner.encode(), b"</", rdf, b"Description>"),
        )
    )


def _property(prefixes: Sequence[bytes], name: bytes) -> re.Pattern[bytes]:
    """Match a property of ours as an element or as an attribute of rdf:Description, both of which RDF allows."""
    tag = rb"(?:" + b"|".join(re.escape(prefix) for prefix in prefixes) + rb"):" + name
    return re.compile(
        rb"<" + tag + rb">(?P<element>[^<]*)</" + tag + rb">|\s" + tag + rb"=(?P<q>[\"'])(?P<attribute>.*?)(?P=q)",
        re.DOTALL,
    )
