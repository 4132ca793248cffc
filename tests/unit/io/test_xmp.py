"""Provenance goes into an XMP packet and comes out again, and the rest of the packet stays as it was."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpid.core.errors import WriteError
from limpid.core.image import Provenance
from limpid.io.xmp import NAMESPACE, NoPlaceError, as_utf8, embed, extract

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
STEP = Provenance("limpid 0.1.0", "denoise", {"sigma": 3})
PACKET = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a"/>'
    "</rdf:RDF></x:xmpmeta>   "
).encode()

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
steps = st.lists(
    st.builds(Provenance, st.text(), st.text(), st.dictionaries(st.text(), scalars | st.lists(scalars))), max_size=3
).map(tuple)
ranges = st.none() | st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))


@given(st.sampled_from([None, PACKET, PACKET.replace(b"rdf:", b"r:").replace(b":rdf=", b":r=")]), steps, ranges)
def test_extracting_undoes_embedding(packet: bytes | None, told: Any, value_range: Any) -> None:
    assert extract(embed(packet, told, value_range)) == (packet, told, value_range)


@given(steps)
def test_the_packet_stays_well_formed_and_states_the_namespace(told: Any) -> None:
    packet = embed(PACKET, told, (0, 1))
    assert packet is not None
    root = ET.fromstring(packet)
    assert root.find(f".//{{{NAMESPACE}}}ValueRange") is not None
    found = root.find(f".//{{{NAMESPACE}}}Steps")
    assert [step["operation"] for step in json.loads((found is not None and found.text) or "[]")] == [
        step.operation for step in told
    ]


def test_a_packet_rewritten_by_another_program_is_understood() -> None:
    payload = json.dumps([{"software": "limpid 0.1.0", "operation": "denoise", "parameters": {"sigma": 3}}])
    escaped = payload.replace('"', "&quot;")
    packet = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" '
        f'xmlns:other="{NAMESPACE}" other:Steps="{escaped}"/></rdf:RDF></x:xmpmeta>'
    )
    rest, told, _ = extract(packet.encode())
    assert told == (STEP,)
    assert rest is not None
    assert b"Steps" not in rest
    assert extract(embed(rest, told))[1] == (STEP,)


@pytest.mark.parametrize("content", ["not json", "[1]", '[{"software": "x"}]', "3"])
def test_what_can_not_be_understood_stays_in_the_packet(content: str) -> None:
    packet = (
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description xmlns:limpid="{NAMESPACE}">'
        f"<limpid:Steps>{content}</limpid:Steps></rdf:Description></rdf:RDF>"
    ).encode()
    assert extract(packet) == (packet, (), None)


def test_a_packet_without_rdf_has_no_place_for_provenance() -> None:
    with pytest.raises(NoPlaceError, match="rdf:RDF"):
        embed(b"<broken", (STEP,))


@pytest.mark.parametrize("prefix", ["rdf:", "r:", ""])
@pytest.mark.parametrize("end", ["/>", "  />", " about='a>b' />"])
def test_provenance_is_added_to_an_empty_rdf_element(prefix: str, end: str) -> None:
    namespace = f'xmlns:{prefix[:-1]}="{RDF}"' if prefix else f'xmlns="{RDF}"'
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><{prefix}RDF {namespace}{end}</x:xmpmeta>'.encode()
    written = embed(packet, (STEP,))
    assert written is not None
    assert ET.fromstring(written).find(f".//{{{RDF}}}RDF/{{{RDF}}}Description/{{{NAMESPACE}}}Steps") is not None
    rest, told, _ = extract(written)
    assert told == (STEP,)
    assert rest is not None
    assert ET.canonicalize(rest) == ET.canonicalize(packet)


@pytest.mark.parametrize("mark", ["", "\ufeff", '<?xml version="1.0" encoding="{0}"?>', "\ufeff<?xpacket?>"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_packet_in_wide_characters_becomes_utf_8(encoding: str, mark: str) -> None:
    text = mark + PACKET.decode().replace('"a"', '"ä 写"').strip()
    written = embed(text.format(encoding.upper()).encode(encoding), (STEP,))
    assert written is not None
    assert ET.fromstring(written).find(f".//{{{NAMESPACE}}}Steps") is not None
    rest, told, _ = extract(written)
    assert told == (STEP,)
    assert rest == text.format("UTF-8").removeprefix("\ufeff").encode()


def test_a_crafted_packet_is_searched_in_linear_time() -> None:
    """With a value that may run to the end of the packet this takes hours."""
    with pytest.raises(NoPlaceError):
        embed(b'<RDF a="' + b"<RDF a='" * 1_000_000, (STEP,))


def test_wide_characters_are_not_touched_without_need() -> None:
    wide = PACKET.decode().encode("utf-16")
    assert embed(wide, ()) == wide
    assert as_utf8(b"<\x00\x00\xd8") == b"<\x00\x00\xd8"


def test_parameters_that_are_no_json_are_refused() -> None:
    with pytest.raises(WriteError, match="JSON"):
        embed(None, (Provenance("limpid", "denoise", {"model": object()}),))
