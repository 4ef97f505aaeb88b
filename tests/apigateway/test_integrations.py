import json

import pytest

from labkit.apigateway.integrations import NotEmulated, OutOfForm, ProxyAnswer, function_of
from labkit.apigateway.model import Integration

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:notify"
INVOKE = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{}/invocations"


def integration(uri: str, kind: str = "AWS_PROXY") -> Integration:
    return Integration(id="i1", type=kind, uri=uri, timeout_ms=29_000)


@pytest.mark.behaviour("websocket.integrations.lambda")
@pytest.mark.parametrize("uri", [FUNCTION, INVOKE.format(FUNCTION)])
def test_uri_names_the_function(uri: str) -> None:
    assert function_of(integration(uri), {}) == FUNCTION


@pytest.mark.behaviour("websocket.integrations.lambda")
def test_alias_stays_in_the_functions_arn() -> None:
    assert function_of(integration(INVOKE.format(f"{FUNCTION}:live")), {}) == f"{FUNCTION}:live"


@pytest.mark.behaviour("websocket.integrations.lambda")
def test_stage_variable_is_put_in() -> None:
    uri = INVOKE.format(FUNCTION.replace("notify", "${stageVariables.function}"))
    assert function_of(integration(uri), {"function": "notify"}) == FUNCTION


@pytest.mark.parametrize("kind", ["AWS", "HTTP", "HTTP_PROXY", "MOCK"])
def test_other_integration_types_are_named_as_not_emulated(kind: str) -> None:
    with pytest.raises(NotEmulated, match=kind):
        function_of(integration(FUNCTION, kind), {})


def test_uri_that_names_no_function_is_shown() -> None:
    with pytest.raises(NotEmulated, match="notify"):
        function_of(integration("notify"), {})


def test_answer_is_read() -> None:
    payload = {"statusCode": 401, "body": "no", "headers": {"X-Why": "ticket", "N": 1}}
    answer = ProxyAnswer.parse(json.dumps(payload).encode())
    assert answer == ProxyAnswer(401, "no", {"x-why": "ticket", "n": "1"})


def test_base64_body_is_decoded() -> None:
    payload = {"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}
    assert ProxyAnswer.parse(json.dumps(payload).encode()).body == "hi"


@pytest.mark.behaviour("websocket.integrations.no-status")
@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"null", "no object"),
        (b'"ok"', "no object"),
        (b"{", "not JSON"),
        (b"{}", "statusCode is missing"),
        (b'{"statusCode": "fine"}', "no HTTP status"),
        (b'{"statusCode": true}', "no HTTP status"),
        (b'{"statusCode": 42}', "no HTTP status"),
        (b'{"statusCode": 200, "body": {"a": 1}}', "json.dumps"),
        (b'{"statusCode": 200, "headers": []}', "headers"),
        (b'{"statusCode": 200, "body": "?", "isBase64Encoded": true}', "base64"),
    ],
)
def test_malformed_answer_is_explained(payload: bytes, why: str) -> None:
    with pytest.raises(OutOfForm, match=why):
        ProxyAnswer.parse(payload)


def test_subprotocol_cannot_smuggle_a_header_in() -> None:
    headers = {"Sec-WebSocket-Protocol": "chat\r\nSet-Cookie: a=b"}
    answer = ProxyAnswer.parse(json.dumps({"statusCode": 200, "headers": headers}).encode())
    with pytest.raises(OutOfForm, match="subprotocol"):
        _ = answer.subprotocol
