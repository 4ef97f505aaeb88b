"""The Runtime API's rules: HTTP from bytes, calls, answers."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.functions import runtime_api
from labkit.functions.model import FunctionConfiguration
from labkit.functions.runtime_api import BadRequest, Call, Event, Parser, Request, call_of

REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
"""The example of the developer guide."""

names = st.from_regex(r"x-[a-z][a-z0-9-]{0,12}", fullmatch=True)
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
paths = st.from_regex(r"/[a-z0-9/._%-]{0,40}", fullmatch=True)


@st.composite
def messages(draw: st.DrawFn) -> tuple[Request, bytes]:
    """A request and its bytes, framed by length or in chunks."""
    method = draw(st.sampled_from(["GET", "POST"]))
    path = draw(paths)
    headers = draw(st.dictionaries(names, values, max_size=4))
    body = draw(st.binary(max_size=200))
    lines = [f"{method} {path} HTTP/1.1"]
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.integers(1, max(1, len(body))), max_size=3, unique=True)))
        edges = [0, *[cut for cut in cuts if cut < len(body)], len(body)]
        pieces = [body[a:b] for a, b in pairwise(edges) if a < b]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        framed += b"0\r\n\r\n"
        headers["transfer-encoding"] = "chunked"
    else:
        framed = body
        headers["content-length"] = str(len(body))
    lines += [f"{name.title()}: {value}" for name, value in headers.items()]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + framed
    return Request(method, path, headers, body), data


@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_requests_are_the_same_however_their_bytes_are_cut(
    sent: list[tuple[Request, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(part for _, part in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser = Parser()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += parser.feed(stream[start:end])
    assert received == [request for request, _ in sent]


@given(st.binary(max_size=400))
def test_any_bytes_are_requests_or_a_bad_request(data: bytes) -> None:
    try:
        requests = Parser().feed(data)
    except BadRequest:
        return
    assert all(request.path.startswith("/") for request in requests)


@given(messages(), st.integers(0, 60))
def test_body_over_the_limit_is_dropped_and_the_next_request_is_read(
    sent: tuple[Request, bytes], limit: int
) -> None:
    request, data = sent
    first, second = Parser(max_body=limit).feed(data + b"GET /next HTTP/1.1\r\n\r\n")
    assert first.too_large == (len(request.body) > limit)
    assert first.body == (b"" if first.too_large else request.body)
    assert second.path == "/next"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET next HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nname : value\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"x" * (runtime_api.MAX_HEAD + 1),
    ],
)
def test_what_http_does_not_allow_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequest):
        Parser().feed(data)


def test_sender_that_waits_for_continue_is_noticed() -> None:
    parser = Parser()
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    assert parser.feed(head) == []
    assert parser.expects_continue
    (request,) = parser.feed(b"{}")
    assert request.body == b"{}"
    assert len(parser.feed(head + b"{}")) == 1
    assert not parser.expects_continue


def test_connection_close_is_noticed() -> None:
    (request,) = Parser().feed(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert not request.keep_alive


@pytest.mark.behaviour("lambda.invocations.runtime-api")
@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("GET", "invocation/next", (Call.NEXT, "")),
        ("POST", f"invocation/{REQUEST_ID}/response", (Call.RESPONSE, REQUEST_ID)),
        ("POST", f"invocation/{REQUEST_ID}/error", (Call.ERROR, REQUEST_ID)),
        ("POST", "init/error", (Call.INIT_ERROR, "")),
        ("POST", "invocation/next", 405),
        ("GET", f"invocation/{REQUEST_ID}/response", 405),
        ("GET", f"invocation/{REQUEST_ID}/error", 405),
        ("GET", "init/error", 405),
        ("GET", "restore/next", 404),
        ("GET", "invocation", 404),
        ("POST", f"invocation/{REQUEST_ID}/response/more", 404),
    ],
)
def test_calls_are_those_of_the_documentation(
    method: str, path: str, call: tuple[Call, str] | int
) -> None:
    assert call_of(method, f"/2018-06-01/runtime/{path}") == call


def test_path_of_another_version_is_not_found() -> None:
    assert call_of("GET", "/2020-01-01/runtime/invocation/next") == 404


@pytest.mark.behaviour("lambda.invocations.runtime-api")
def test_invocation_has_the_documented_headers() -> None:
    event = Event(REQUEST_ID, b'{"a": 1}', "arn:f", "Root=1-5bef4de7;Parent=0;Sampled=1", '{"c":1}')
    head, _, body = runtime_api.invocation(event, 1542409706.888).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first == "HTTP/1.1 200 OK"
    assert headers["Lambda-Runtime-Aws-Request-Id"] == REQUEST_ID
    assert headers["Lambda-Runtime-Deadline-Ms"] == "1542409706888"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:f"
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1-5bef4de7;Parent=0;Sampled=1"
    assert headers["Lambda-Runtime-Client-Context"] == '{"c":1}'
    assert int(headers["Content-Length"]) == len(body)
    assert body == b'{"a": 1}'


def test_without_a_client_context_there_is_no_such_header() -> None:
    assert b"Client-Context" not in runtime_api.invocation(Event("i", b"", "a", "t"), 0)


def test_refusals_say_what_was_wrong() -> None:
    head, _, body = runtime_api.TOO_LARGE.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body) == {
        "errorMessage": "Exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "RequestEntityTooLarge",
    }
    assert runtime_api.ACCEPTED.startswith(b"HTTP/1.1 202 ")
    assert runtime_api.ACCEPTED.endswith(b'{"status":"OK"}\n')


@pytest.mark.parametrize(
    ("reference", "qualified"),
    [
        ("orders", ""),
        ("orders:prod", ":prod"),
        ("123456789012:function:orders", ""),
        ("123456789012:function:orders:7", ":7"),
        ("arn:aws:lambda:us-east-1:123456789012:function:orders", ""),
        ("arn:aws:lambda:us-east-1:123456789012:function:orders:$LATEST", ":$LATEST"),
    ],
)
def test_invoked_arn_has_the_qualifier_of_the_call(reference: str, qualified: str) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:orders"
    function = FunctionConfiguration(
        "orders", arn, "123456789012", "us-east-1", "a.b", "python3.13", b"", "1"
    )
    assert runtime_api.event_arn(function, reference) == arn + qualified
