"""A copy is equal, of the same types, and shares nothing that can change."""

import copy
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.states.json_copy import json_copy

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def parts(value: Any) -> list[Any]:
    """All lists and dicts in a value, itself included."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [
        *([value] if isinstance(value, dict | list) else []),
        *(part for each in inner for part in parts(each)),
    ]


@given(JSON)
def test_a_copy_is_equal_and_shares_nothing(value: Any) -> None:
    copied = json_copy(value)
    assert repr(copied) == repr(value)
    assert not {id(part) for part in parts(copied)} & {id(part) for part in parts(value)}


@pytest.mark.parametrize("other", [(1, [2]), {3}, OrderedDict(a=[1]), b"bytes"])
def test_what_is_no_json_is_copied_as_python_copies_it(other: Any) -> None:
    copied = json_copy({"inside": other})["inside"]
    assert copied == copy.deepcopy(other)
    assert type(copied) is type(other)
