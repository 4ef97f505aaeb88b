import json

import pytest

from labkit.apigateway.handshake import Refused, accept, check, switching_protocols
from labkit.apigateway.limits import AWS
from tests.fidelity.plugin import Values

URL = "wss://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/prod"
ASKS = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def status(method: str = "GET", url: str = URL, **changes: str) -> int:
    """The status with which a request is refused; 101 if it is not."""
    headers = {**ASKS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    try:
        check(method, headers, url, AWS.url)
    except Refused as refused:
        return refused.status
    return 101


def test_request_that_asks_for_an_upgrade_is_not_refused() -> None:
    assert status() == 101


@pytest.mark.behaviour("websocket.handshake.no-upgrade", "websocket.handshake.malformed")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"Upgrade": ""}, "no-upgrade"),
        ({"Connection": "keep-alive"}, "no-upgrade"),
        ({"Sec_WebSocket_Version": "8"}, "malformed"),
        ({"Sec_WebSocket_Version": ""}, "malformed"),
        ({"Sec_WebSocket_Key": ""}, "malformed"),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, "malformed"),
        ({"Sec_WebSocket_Key": "not base64"}, "malformed"),
    ],
)
def test_request_is_refused(changes: dict[str, str], why: str, expected: Values) -> None:
    assert status(**changes) == expected[f"websocket.handshake.{why}"].status


@pytest.mark.behaviour("websocket.handshake.method")
def test_post_opens_no_websocket(expected: Values) -> None:
    assert status("POST") == expected.status


@pytest.mark.behaviour("websocket.handshake.url", "websocket.handshake.url-too-long")
def test_url_may_have_4096_characters(expected: Values) -> None:
    assert status(url=URL.ljust(expected.longest, "x")) == 101
    assert status(url=URL.ljust(expected.longest + 1, "x")) == expected.status


@pytest.mark.behaviour("websocket.handshake.body", "websocket.handshake.raises")
def test_refusal_tells_the_client_no_reason(expected: Values) -> None:
    body = json.loads(Refused(502, "a secret of the function").body("c", "r"))
    assert list(body) == expected.members
    assert list(body.values()) == [expected.message, "c", "r"]


def test_accept_is_that_of_the_rfc() -> None:
    # RFC 6455, section 1.3
    assert accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.behaviour("websocket.handshake.subprotocol")
def test_response_names_a_subprotocol_only_if_there_is_one(expected: Values) -> None:
    assert b"Protocol:" not in switching_protocols("k", None)
    line = f"\r\n{expected.header}: chat\r\n".encode()
    assert line in switching_protocols("k", "chat")
