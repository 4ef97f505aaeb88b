"""Rules of Choice states in words."""

from typing import Any

import pytest

from labkit.views.choice_rule import in_words, query


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"Variable": "$.a", "StringEquals": "x"}, '$.a = "x"'),
        ({"Variable": "$.a", "StringLessThanEqualsPath": "$.b"}, "$.a ≤ $.b"),
        ({"Variable": "$.a", "StringMatches": "*.log"}, '$.a matches "*.log"'),
        ({"Variable": "$.a", "NumericGreaterThan": 3, "Next": "B"}, "$.a > 3"),
        ({"Variable": "$.a", "BooleanEquals": True}, "$.a = true"),
        ({"Variable": "$.a", "BooleanEqualsPath": "$.b"}, "$.a = $.b"),
        ({"Variable": "$.a", "TimestampGreaterThanEquals": "2030"}, '$.a is at or after "2030"'),
        ({"Variable": "$.a", "IsPresent": True}, "$.a is present"),
        ({"Variable": "$.a", "IsNumeric": False}, "$.a is not a number"),
        ({"Not": {"Variable": "$.a", "IsNull": True}}, "not ($.a is null)"),
        ({"Condition": "{%  $a >\n 1 %}"}, "$a > 1"),
        ({"Condition": True}, "true"),
        ({"Variable": "$.a", "Nonsense": 1}, '{"Variable": "$.a", "Nonsense": 1}'),
    ],
)
def test_a_rule_is_said_in_words(rule: dict[str, Any], words: str) -> None:
    assert in_words(rule) == words


def test_rules_that_are_nested_have_brackets_where_they_are_needed() -> None:
    def is_one(name: str) -> dict[str, Any]:
        return {"Variable": f"$.{name}", "NumericEquals": 1}

    either = {"Or": [is_one("a"), {"And": [is_one("b"), is_one("c")]}]}
    assert in_words(either) == "$.a = 1 or ($.b = 1 and $.c = 1)"
    assert in_words({"Not": either}) == "not ($.a = 1 or ($.b = 1 and $.c = 1))"
    assert in_words({"And": [is_one("a")]}) == "$.a = 1"


def test_a_query_is_what_is_in_it_and_other_values_stay_as_they_are() -> None:
    assert query("{% $x %}") == "$x"
    assert query("$.x") == "$.x"
    assert query(5) == "5"
