"""JSON that Step Functions takes, and what only Python does."""

import json

import pytest

from labkit.states.json_text import DEEPEST, parse


def test_json_is_read() -> None:
    assert parse('{"a": [1, 2.5, null, "\\ud83d\\ude00"]}') == {"a": [1, 2.5, None, "😀"]}


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", '{"a": -Infinity}', "{", "", '"\ud800"', '"\\uD800"', "[" * 100_000],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
def test_nesting_has_a_limit(pair: str) -> None:
    def nested(depth: int) -> str:
        return pair[:-1] * depth + "[]" + pair[-1] * depth

    assert parse(nested(DEEPEST - 1)) == json.loads(nested(DEEPEST - 1))
    with pytest.raises(ValueError, match=f"more than {DEEPEST} levels deep"):
        parse(nested(DEEPEST))


def test_many_that_lie_side_by_side_are_not_deep() -> None:
    assert len(parse(json.dumps([[]] * 1000))) == 1000
