import pytest

from labkit.apigateway.handshake import Refused, accept, check, switching_protocols

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
        check(method, headers, url, 4096)
    except Refused as refused:
        return refused.status
    return 101


def test_request_that_asks_for_an_upgrade_is_not_refused() -> None:
    assert status() == 101


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"Upgrade": ""}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec_WebSocket_Version": "8"}, 400),
        ({"Sec_WebSocket_Version": ""}, 400),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Key": "not base64"}, 400),
    ],
)
def test_request_is_refused(changes: dict[str, str], refused: int) -> None:
    assert status(**changes) == refused


def test_post_opens_no_websocket() -> None:
    assert status("POST") == 403


def test_url_may_have_4096_characters() -> None:
    assert status(url=URL.ljust(4096, "x")) == 101
    assert status(url=URL.ljust(4097, "x")) == 414


def test_refusal_tells_the_client_no_reason() -> None:
    refused = Refused(502, "a secret of the function")
    assert refused.body("c", "r") == {
        "message": "Internal server error",
        "connectionId": "c",
        "requestId": "r",
    }


def test_accept_is_that_of_the_rfc() -> None:
    # RFC 6455, section 1.3
    assert accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_response_names_a_subprotocol_only_if_there_is_one() -> None:
    assert b"Protocol:" not in switching_protocols("k", None)
    assert b"\r\nSec-WebSocket-Protocol: chat\r\n" in switching_protocols("k", "chat")
