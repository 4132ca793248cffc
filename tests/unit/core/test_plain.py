from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from limpid.core.plain import plain


@given(
    st.recursive(
        st.floats() | st.integers() | st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_every_document_is_strict_json(document: object) -> None:
    json.dumps(plain(document), allow_nan=False)


def test_numbers_that_are_finite_are_kept() -> None:
    assert plain({"a": (1.5, math.nan, [math.inf])}) == {"a": [1.5, None, [None]]}
