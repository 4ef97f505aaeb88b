"""Bytes, requests and handshakes that are wrong in every way."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bad_input.port import (
    NINES,
    LongBytes,
    Port,
    answer,
    deep,
    is_said_kindly,
    octets,
    values,
)

WHATEVER = """
import json
def handler(event, context):
    given = (event.get("queryStringParameters") or {}).get("answer") or event.get("body")
    return json.loads(given) if given else {"statusCode": 200}
"""
"""A function that returns what the request tells it to."""

HANDSHAKE = {
    "Host": "127.0.0.1",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

methods = st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])


@pytest.fixture(scope="module")
def socket_path(port: Port) -> str:
    return port.deploy("WEBSOCKET", WHATEVER, "$connect", "$default")


@pytest.fixture(scope="module")
def http_path(port: Port) -> str:
    return port.deploy("HTTP", WHATEVER, "$default")


# -- bytes that are no request ----------------------------------------------------------------------

pieces = st.lists(
    st.binary(max_size=30)
    | st.sampled_from(
        [
            b"GET /_labkit HTTP/1.1\r\n",
            b"POST / HTTP/1.1\r\n",
            b"Host: localhost\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: " + NINES.encode() + b"\r\n",
            b"Content-Length: -1\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Expect: 100-continue\r\n",
            b"X-Amz-Target: DynamoDB_20120810.ListTables\r\n",
            b"no header\r\n",
            b": \r\n",
            b"X: " + b"x" * 9000 + b"\r\n",
            b"\r\n",
            b"fffffffffffffffff\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # how a TLS client begins
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]
    ),
    max_size=8,
).map(b"".join)


@given(pieces)
@example(b"GET / HTTP/1.1\r\nHost: localhost\r\nno header\r\n\r\n")
@example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
def test_any_bytes_are_refused_in_json_and_leave_the_cloud_working(port: Port, data: bytes) -> None:
    with port.unharmed():
        received = port.throw(data)
    assert received == b"" or received.startswith(b"HTTP/1.")
    if received.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")):
        assert json.loads(received.partition(b"\r\n\r\n")[2])["message"]


targets = st.one_of(
    st.binary(max_size=30).filter(lambda data: not set(data) & set(b"\r\n\0 ")),
    st.sampled_from(
        [
            b"/",
            b"*",
            b"http://evil.example/",
            b"http://[/",
            b"/_labkit/events?after=" + NINES.encode() + b"&follow=0",
            b"/_labkit/faults/" + NINES.encode(),
            b"/_labkit/accounts/1/2",
            b"/execute-api//",
            b"/execute-api/%00/%ff",
            b"/v2/apis/%ff/routes",
            b"/2015-03-31/functions/%0d%0a/invocations",
            b"/2015-03-31/functions/f%0a/invocations",
        ]
    ),
)
services = st.sampled_from(
    ["", "dynamodb", "states", "lambda", "apigateway", "sqs", "s3", "iam", "logs", "nothing"]
)


@given(
    methods | st.sampled_from(["get", "X", "ß"]),
    targets,
    services,
    octets,
    st.binary(max_size=40) | deep.map(str.encode),
)
@example("POST", b"/", "iam", b"", b"Action=")
@example("POST", b"/2015-03-31/functions", "lambda", b"", b'{"Code": "x"}')
@example("POST", b"/2015-03-31/functions", "lambda", b"", b'{"Code": {"ZipFile": "x"}}')
@example("POST", b"/2015-03-31/functions", "lambda", b"", b'{"Code": {"ZipFile": 5}}')
@example("POST", b"/_labkit/faults", "", b"", b"[" * 2000)
@example("DELETE", b"/_labkit/faults/" + NINES.encode(), "", b"", b"")
def test_any_request_is_answered(
    port: Port, method: str, target: bytes, service: str, value: bytes, body: bytes
) -> None:
    head = method.encode() + b" " + (target or b"/") + b" HTTP/1.1\r\nHost: localhost\r\n"
    if service:
        head += (
            b"Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/"
            + service.encode()
            + b"/aws4_request\r\n"
        )
    head += b"X-Odd: " + value + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    with port.unharmed():
        got = port.ask(head + body, method)
    if got.status == 400 and service == "" and method != "HEAD":
        is_said_kindly(got)


# -- handshakes -------------------------------------------------------------------------------------

odd_headers = st.dictionaries(
    st.sampled_from([*HANDSHAKE, "Sec-WebSocket-Extensions", "User-Agent", "X-Amzn-Trace-Id"])
    | st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True).filter(
        lambda name: name.lower() not in ("content-length", "transfer-encoding", "expect", "origin")
    ),
    octets | st.just(None) | st.sampled_from([b"", b"keep-alive, Upgrade", b"WEBSOCKET", b"8"]),
    max_size=4,
)


def handshake(path: bytes, changes: dict[str, bytes | None], method: str = "GET") -> bytes:
    headers = {name.lower(): (name, value.encode()) for name, value in HANDSHAKE.items()}
    for name, value in changes.items():
        if value is None:
            headers.pop(name.lower(), None)
        else:
            headers[name.lower()] = (name, value)
    lines = [f"{name}: ".encode() + value for name, value in headers.values()]
    return b"\r\n".join([method.encode() + b" " + path + b" HTTP/1.1", *lines, b"", b""])


@given(methods, odd_headers, octets)
@example("GET", {"X-Amzn-Trace-Id": b"Root=\xff;Parent=" + b"f" * 400}, b"")
@example("GET", {"User-Agent": b"\xff"}, b"\xff")
@example("GET", {"Sec-WebSocket-Key": "ß".encode()}, b"")
def test_any_handshake_opens_or_is_refused_in_json(
    port: Port, socket_path: str, method: str, changes: dict[str, bytes | None], query: bytes
) -> None:
    path = f"{socket_path}?q={quote(query)}".encode()
    with port.unharmed():
        got = port.ask(handshake(path, changes, method), method)
    if got.status == 101:
        assert method == "GET"
        assert got.headers["upgrade"] == "websocket"
    elif method != "HEAD":
        is_said_kindly(got)


answers = st.one_of(
    values,
    st.fixed_dictionaries(
        {},
        optional={
            "statusCode": st.integers(-1, 1000) | st.sampled_from(["200", NINES, None, 1e400]),
            "body": values,
            "isBase64Encoded": st.booleans(),
            "cookies": values,
            "headers": st.dictionaries(
                st.sampled_from(["Sec-WebSocket-Protocol", "X", "a b", "x:", "", "\r\n", "ß"]),
                st.sampled_from(["chat", "chat\n", "a\r\nSet-Cookie: b", "\ud800", "ß", 1e400])
                | values,
                max_size=3,
            ),
            "multiValueHeaders": values,
        },
    ),
)


@given(answers)
@example({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat\n"}})
@example({"statusCode": 403, "body": "\ud800"})
def test_any_answer_of_a_connect_function_opens_or_refuses(
    port: Port, socket_path: str, returned: object
) -> None:
    path = f"{socket_path}?answer={quote(json.dumps(returned))}".encode()
    if len(path) > 3000:
        return
    with port.unharmed():
        got = port.ask(handshake(path, {}))
    assert got.status == 101 or 400 <= got.status < 600 or 200 <= got.status < 400
    assert "set-cookie" not in got.headers
    if got.status == 502:
        assert got.json()["message"] == "Internal server error"


# -- HTTP APIs: what comes in, and what a function gives back ---------------------------------------


@given(answers)
@example({"statusCode": 200, "body": "\ud800"})
@example({"statusCode": NINES})
@example({"statusCode": 200, "headers": {"X": "\ud800"}})
@example({"statusCode": 200, "headers": {"a b": "c"}})
def test_any_answer_of_a_function_is_a_response_or_500(
    port: Port, http_path: str, returned: object
) -> None:
    body = json.dumps(returned).encode()
    head = (
        f"POST {http_path}/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with port.unharmed():
        got = port.ask(head.encode() + body, "POST")
    assert 200 <= got.status < 600
    assert "apigw-requestid" in got.headers
    if got.status == 500 and "Internal" in got.body.decode(errors="replace"):
        assert got.json() == {"message": "Internal Server Error"}


@given(methods, octets, st.lists(octets, max_size=3), octets)
@example("POST", b"", [b"\xff"], b"")
def test_any_request_to_an_http_api_reaches_its_function(
    port: Port, http_path: str, method: str, path: bytes, sent: list[bytes], query: bytes
) -> None:
    lines = [f"{method} {http_path}/{quote(path)}?{quote(query)} HTTP/1.1".encode()]
    lines += [b"Host: localhost", *(b"X-Odd: " + value for value in sent)]
    with port.unharmed():
        got = port.ask(b"\r\n".join([*lines, b"", b""]), method)
    assert (got.status, "apigw-requestid" in got.headers) == (200, True)


# -- @connections -----------------------------------------------------------------------------------

SIGNED = "Authorization: AWS4-HMAC-SHA256 any\r\n"


@given(
    methods,
    st.binary(max_size=12) | st.sampled_from([b"L0SM9cOFvHcCIhw=", b"L0SM9cOFvHcCIhw=\n", b"a/b"]),
    st.binary(max_size=40) | st.just(LongBytes(b"x" * 131_073)),
)
@example("POST", b"L0SM9cOFvHcCIhw=\n", b"")
def test_any_call_of_connections_has_an_error_of_aws(
    port: Port, socket_path: str, method: str, connection: bytes, body: bytes
) -> None:
    head = (
        f"{method} {socket_path}/@connections/{quote(connection, safe='')} HTTP/1.1\r\n"
        f"Host: localhost\r\n{SIGNED}Content-Length: {len(body)}\r\n\r\n"
    )
    with port.unharmed():
        got = port.ask(head.encode() + body, method)
    known = {
        400: "BadRequestException",
        403: "ForbiddenException",
        410: "GoneException",
        413: "PayloadTooLargeException",
    }
    assert got.headers["x-amzn-errortype"] == known[got.status]
    # An id is one of AWS's form, or it is said to be none.
    if method in ("GET", "POST", "DELETE") and connection != b"L0SM9cOFvHcCIhw=":
        assert got.status == 400
    if method != "HEAD":
        is_said_kindly(got)


@given(st.binary(max_size=200))
def test_any_data_that_is_posted_arrives_as_text(port: Port, socket_path: str, data: bytes) -> None:
    with port.unharmed(), port.open() as client:
        client.sendall(handshake(socket_path.encode(), {}))
        assert answer(client).status == 101
        opened = [e for e in port.lab.log if e.kind == "connection.opened"][-1]
        head = (
            f"POST {socket_path}/@connections/{quote(opened['connection'])} HTTP/1.1\r\n"
            f"Host: localhost\r\n{SIGNED}Content-Length: {len(data)}\r\n\r\n"
        )
        assert port.ask(head.encode() + data, "POST").status == 200
        text = data.decode("utf-8", "replace").encode()
        length = bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")
        wanted = b"\x81" + length + text
        received = b""
        while len(received) < len(wanted):
            received += client.recv(65_536)
        assert received == wanted
