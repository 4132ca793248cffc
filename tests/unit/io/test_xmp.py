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
from limpid.io.xmp import NAMESPACE, embed, extract

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


def test_a_packet_without_rdf_is_refused() -> None:
    with pytest.raises(WriteError, match="strip_metadata=True"):
        embed(b"<broken", (STEP,))


def test_parameters_that_are_no_json_are_refused() -> None:
    with pytest.raises(WriteError, match="JSON"):
        embed(None, (Provenance("limpid", "denoise", {"model": object()}),))
