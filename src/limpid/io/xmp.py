"""Provenance inside an XMP packet: put in and taken out without touching the rest of the packet.

XMP is XML, yet packets are edited here as bytes: parsing and writing again would reorder attributes, rename
prefixes and drop the padding that other programs left, and a file's metadata is not ours to restyle.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from limpid.core.errors import WriteError
from limpid.core.image import Provenance

__all__ = ["NAMESPACE", "embed", "extract"]

#: XML namespace of the properties limpid adds: ``Steps`` (JSON) and ``ValueRange`` (JSON).
NAMESPACE: Final = "urn:limpid:provenance:1.0#"

_RDF: Final = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_HEAD: Final = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + _RDF + b'">'
)
_TAIL: Final = b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
_RDF_END: Final = re.compile(rb"</([A-Za-z_][\w.-]*:)?RDF\s*>")
_PREFIX: Final = re.compile(rb"xmlns:([A-Za-z_][\w.-]*)\s*=\s*[\"']" + re.escape(NAMESPACE.encode()) + rb"[\"']")

#: What is left of an element that :func:`embed` wrote, once its properties are out.
_EMPTY_DESCRIPTION: Final = re.compile(
    rb"<(?:[A-Za-z_][\w.-]*:)?Description(?: [\w.-]+:about=\"\")? xmlns:limpid=\""
    + re.escape(NAMESPACE.encode())
    + rb"\"></(?:[A-Za-z_][\w.-]*:)?Description>"
)


def embed(
    packet: bytes | None, steps: Sequence[Provenance], value_range: tuple[float, float] | None = None
) -> bytes | None:
    """Return `packet` with provenance added, or unchanged where there is nothing to add.

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
    WriteError
        If `packet` has no ``rdf:RDF`` element, or parameters of a step are no JSON values.
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
    ends = list(_RDF_END.finditer(packet))
    if not ends:
        raise WriteError(
            "the image's XMP packet has no rdf:RDF element, so provenance can't be added to it; "
            "write with strip_metadata=True."
        )
    return b"".join(
        (packet[: ends[-1].start()], _description(properties, ends[-1][1] or b""), packet[ends[-1].start() :])
    )


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
