"""The Runtime API, when a stranger or the function itself talks nonsense to it."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any

import boto3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labkit import package
from labkit.resources import role
from tests.bad_input.port import DEADLINE, Port, deep

NONSENSE = """
import base64, os, socket
def handler(event, context):
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    if event.get("say"):
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), 5) as connection:
            said = base64.b64decode(event["say"]).replace(b"{id}", context.aws_request_id.encode())
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    return address
"""
"""A function that says to its Runtime API what its event holds, then returns the address."""

PREFIX = b"/2018-06-01/runtime/"

heads = st.sampled_from(
    [
        b"GET " + PREFIX + b"invocation/next HTTP/1.1\r\n",
        b"POST " + PREFIX + b"invocation/{id}/response HTTP/1.1\r\n",
        b"POST " + PREFIX + b"invocation/{id}/error HTTP/1.1\r\n",
        b"POST " + PREFIX + b"invocation/other/response HTTP/1.1\r\n",
        b"POST " + PREFIX + b"init/error HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET \xff HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
    ]
)
parts = st.sampled_from(
    [
        b"Content-Length: 2\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Content-Length: " + b"9" * 19 + b"\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Lambda-Runtime-Function-Error-Type: x\r\n",
        b"Host: evil.example\r\n",
        b"no header\r\n",
        b"\r\n",
        b"{}",
        b"2\r\n{}\r\n0\r\n\r\n",
        b"f" * 40 + b"\r\n",
    ]
)
bodies = (
    st.binary(max_size=40) | deep.map(str.encode) | st.sampled_from([b"{}", b'{"errorType":5}'])
)
calls = st.builds(
    lambda head, body: head + b"Content-Length: %d\r\n\r\n" % len(body) + body, heads, bodies
)
said = calls | st.builds(
    lambda head, rest: head + b"".join(rest), heads, st.lists(parts | st.binary(max_size=20))
)

ENDLESS = b"POST " + PREFIX + b"init/error HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
DEEP_ERROR = b"[" * 1100 + b"]" * 1100


@pytest.fixture(scope="module")
def function(port: Port) -> str:
    boto3.client("lambda").create_function(
        FunctionName="nonsense",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role(),
        Timeout=2,
        Code={"ZipFile": package({"app.py": NONSENSE.encode()})},
    )
    return "nonsense"


def invoke(function: str, **event: Any) -> Any:
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return answer.get("FunctionError"), answer["Payload"].read()


@given(said)
@example(ENDLESS)
def test_stranger_cannot_disturb_a_function(port: Port, function: str, sent: bytes) -> None:
    _, before = invoke(function)
    with port.unharmed():
        host, number = json.loads(before).split(":")
        with socket.create_connection((host, int(number)), DEADLINE) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while more := connection.recv(65_536):
                received += more
        # The same process serves on, as if nothing had been said.
        assert invoke(function) == (None, before)
    assert not received or received.startswith(b"HTTP/1.1 ")
    assert b"Traceback" not in received
    for answer in received.split(b"HTTP/1.1 ")[1:]:
        assert answer[:3] in (b"100", b"400", b"403", b"404", b"405")


# A function that asks for its next invocation behind its runtime's back keeps it, on AWS too.
@given(said.filter(lambda data: b"invocation/next" not in data))
@example(
    b"POST %sinvocation/{id}/error HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
    % (PREFIX, len(DEEP_ERROR), DEEP_ERROR)
)
@example(ENDLESS)
def test_function_that_talks_nonsense_harms_only_itself(
    port: Port, function: str, sent: bytes
) -> None:
    with port.unharmed():
        invoke(function, say=base64.b64encode(sent).decode())
        # A runtime whose answer is refused ends, but takes no other invocation with it.
        error, payload = invoke(function)
        assert error is None, payload
        assert json.loads(payload).startswith("127.0.0.1:")
