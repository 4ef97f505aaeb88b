import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.apigateway.routes import evaluate, select
from tests.fidelity.plugin import Values

ACTION = "$request.body.action"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sets(st.sampled_from(["$connect", "$disconnect", "$default", "send", "join", ""]))


@pytest.mark.behaviour("websocket.routing.expression")
@pytest.mark.parametrize(
    ("expression", "body", "key"),
    [
        ("$request.body.action", {"action": "send"}, "send"),
        ("${request.body.action}", {"action": "send"}, "send"),
        ("$request.body.order.kind", {"order": {"kind": "new"}}, "new"),
        (
            "${request.body.service}/${request.body.action}",
            {"service": "chat", "action": "join"},
            "chat/join",
        ),
        (
            "$request.body.service/$request.body.action",
            {"service": "chat", "action": "join"},
            "chat/join",
        ),
        ("${request.body.version}-beta", {"version": "v2"}, "v2-beta"),
        ("always", {"action": "send"}, "always"),
        (r"\$default", {"action": "send"}, "$default"),
        ("$request.body.action", {}, ""),
        ("$request.body.order.kind", {"order": "new"}, ""),
    ],
)
def test_expression_is_evaluated_as_documented(
    expression: str, body: dict[str, object], key: str
) -> None:
    assert evaluate(expression, json.dumps(body)) == key


@pytest.mark.behaviour("websocket.routing.expression")
def test_value_with_a_variable_in_it_is_not_evaluated_again() -> None:
    message = json.dumps({"action": "$request.body.other", "other": "send"})
    assert evaluate(ACTION, message) == "$request.body.other"


@pytest.mark.behaviour("websocket.routing.no-text")
@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (True, "true"), (None, ""), ({"a": 1}, '{"a":1}')]
)
def test_value_that_is_no_string_is_taken_as_its_json_text(value: object, text: str) -> None:
    assert evaluate(ACTION, json.dumps({"action": value})) == text


@pytest.mark.behaviour("websocket.routing.no-json")
@pytest.mark.parametrize("message", ["hello", "", "{", "NaN", '{"action": NaN}', "[" * 100_000])
def test_message_that_is_not_json_goes_to_default(message: str, expected: Values) -> None:
    assert select("send", message, {"send", "$default"}) == expected.route


@pytest.mark.behaviour("websocket.routing.no-match", "websocket.routing.missing")
def test_message_without_action_goes_to_default(expected: Values) -> None:
    message = '{"text": "hi"}'
    assert evaluate(ACTION, message) == expected.gives
    assert select(ACTION, message, {"send", "$default"}) == expected.route


@pytest.mark.behaviour("websocket.routing.nowhere")
def test_message_without_a_match_and_without_default_goes_nowhere() -> None:
    assert select(ACTION, '{"action": "nope"}', {"send", "$connect"}) is None


@pytest.mark.behaviour("websocket.routing.lifecycle")
@pytest.mark.parametrize("key", ["$connect", "$disconnect"])
def test_message_cannot_choose_a_lifecycle_route(key: str, expected: Values) -> None:
    keys = {"$connect", "$disconnect", "$default"}
    assert select(ACTION, json.dumps({"action": key}), keys) == expected.route
    assert select(ACTION, json.dumps({"action": key}), keys - {"$default"}) is None


def test_message_can_name_default() -> None:
    assert select(ACTION, '{"action": "$default"}', {"send", "$default"}) == "$default"


@given(st.text(), KEYS, st.text(alphabet="$request.body{}ac\\/-", max_size=40))
def test_any_text_is_routed_to_a_route_that_is_there(
    message: str, keys: set[str], expression: str
) -> None:
    key = select(expression, message, keys)
    assert key is None or (key in keys and key not in {"$connect", "$disconnect"})
    if "$default" in keys:
        assert key is not None


@given(JSON, KEYS)
def test_any_json_is_routed_to_a_route_that_is_there(body: object, keys: set[str]) -> None:
    key = select(ACTION, json.dumps(body), keys)
    assert key is None or (key in keys and key not in {"$connect", "$disconnect"})


@pytest.mark.behaviour("websocket.routing.exactly")
@given(st.text(min_size=1).filter(lambda text: text not in {"$connect", "$disconnect"}))
def test_string_is_matched_exactly(action: str) -> None:
    message = json.dumps({"action": action})
    assert select(ACTION, message, {action, "$default"}) == action
    assert select(ACTION, message, {action + " ", "$default"}) == "$default"


@pytest.mark.behaviour("websocket.routing.expression")
@given(st.text(), st.text(), st.sampled_from("/-:. "))
def test_braces_join_values_with_the_text_between(left: str, right: str, between: str) -> None:
    expression = f"${{request.body.left}}{between}${{request.body.right}}"
    message = json.dumps({"left": left, "right": right})
    assert evaluate(expression, message) == f"{left}{between}{right}"
