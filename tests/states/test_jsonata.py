import re

import pytest

from labkit.states.jsonata import JsonataError, evaluate

STATES = {"input": {"price": 3, "tags": ["a"]}, "context": {"Execution": {"Name": "n"}}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$states.input.price * 2", 6),
        ("$states.context.Execution.Name", "n"),
        ("$greeting & '!'", 'say "hi"!'),
        ("null", None),
        ("[1, null]", [1, None]),
        ("$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]),
        ("$range(0, 10, 5)", [0, 5, 10]),
        ("$parse('{\"a\":1}').a", 1),
        (
            "$hash('', 'SHA-256')",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
    ],
)
def test_expression_has_the_value_that_the_guide_gives_it(expression, value):
    assert evaluate(expression, STATES, {"greeting": 'say "hi"'}) == value


def test_uuid_is_a_version_4_uuid():
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        evaluate("$uuid()", STATES, {}),
    )


def test_random_with_a_seed_repeats():
    assert evaluate("$random(7)", STATES, {}) == evaluate("$random(7)", STATES, {})


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("$states.input.nothing", "returned nothing (undefined)"),
        ("function($x) {$x}", "unsupported result type"),
        ("1 +", "threw an error"),
        ("$eval('1')", "$eval is not supported"),
    ],
)
def test_expression_without_a_json_value_is_an_error_that_names_it(expression, says):
    with pytest.raises(JsonataError) as raised:
        evaluate(expression, STATES, {})
    assert expression in str(raised.value)
    assert says in str(raised.value)
