"""The cloud's port as somebody sees it who sends bytes, and what must hold whatever they are."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import boto3
from hypothesis import settings
from hypothesis import strategies as st

from labkit import Lab, package
from labkit.resources import integration, permission, role

DEADLINE = 10.0
"""Seconds within which whatever is waited for must have happened."""

SCOPE = "Credential=AKIDEXAMPLE/20260101/us-east-1/{service}/aws4_request"
_TRACEBACK = re.compile(rb'Traceback|File \\?"')

fewer = settings(max_examples=settings.default.max_examples // 4)
"""For tests whose examples take long."""

deep = st.integers(300, 1200).map(lambda depth: "[" * depth + "]" * depth)
"""JSON that is nested deeper than whoever reads it likes, or nearly so."""


class Long(str):
    """Text of one character, many times, that hypothesis can show."""

    def __repr__(self) -> str:
        return f"Long({self[:1]!r} * {len(self)})"


class LongBytes(bytes):
    """The same in bytes."""

    def __repr__(self) -> str:
        return f"LongBytes({self[:1]!r} * {len(self)})"


NINES = Long("9" * 5000)
"""More digits than Python turns into a number."""

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "\x00", "\r\n", NINES, "ß", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
"""JSON values of every kind."""


octets = st.lists(st.sampled_from([9, *range(32, 127), *range(128, 256)]), max_size=20).map(bytes)
"""What a header's value may hold on the wire (RFC 9110, 5.5)."""


class Complaints(logging.Handler):
    """Keeps what is logged as a warning, an error or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(self.format(record))


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Port:
    """The port of a lab that runs.

    Attributes:
        lab: the lab.
        address: host and port.
    """

    def __init__(self, lab: Lab, complaints: Complaints) -> None:
        parts = urlsplit(lab.endpoint)
        self.lab = lab
        self.address = (str(parts.hostname), int(parts.port or 0))
        self._complaints = complaints
        self._kept: socket.socket | None = None

    def close(self) -> None:
        """Close the connection that is kept."""
        if self._kept is not None:
            self._kept.close()

    def open(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(self.address, DEADLINE)

    def ask(self, data: bytes, method: str = "GET") -> Answer:
        """Send one whole request over a connection of its own; there must be an answer to it."""
        with self.open() as connection:
            connection.sendall(data)
            return answer(connection, method)

    def throw(self, data: bytes) -> bytes:
        """Send bytes, whole request or not; what the cloud has answered by the time it answers others."""
        with self.open() as connection:
            connection.sendall(data)
            self.is_well()
            connection.setblocking(False)
            received = b""
            while True:
                try:
                    more = connection.recv(65_536)
                except (BlockingIOError, ConnectionResetError):
                    return received
                if not more:
                    return received
                received += more

    def aws(self, service: str, target: str, body: bytes) -> Answer:
        """Call an AWS service with a JSON protocol, past boto3, which would not send it."""
        scope = SCOPE.format(service=service)
        head = (
            f"POST / HTTP/1.1\r\nHost: {service}.us-east-1.amazonaws.com\r\n"
            f"Authorization: AWS4-HMAC-SHA256 {scope}\r\nX-Amz-Target: {target}\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return self.ask(head.encode() + body, "POST")

    def is_well(self) -> None:
        """A good request is answered."""
        if self._kept is None:
            self._kept = self.open()
        self._kept.sendall(b"GET /_labkit HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(self._kept).status == 200

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Whatever happens in the block, the cloud has not failed, and goes on answering."""
        before = self.lab.log.last
        self._complaints.kept.clear()
        yield
        self.is_well()
        failed = [event.data for event in self.lab.log.after(before) if event.kind == "cloud.error"]
        assert failed == []
        assert self._complaints.kept == []

    # -- what the port leads to --------------------------------------------------------------------

    def deploy(self, protocol: str, code: str, *keys: str, responses: bool = False) -> str:
        """Deploy an API whose routes all lead to one function; its path, with the stage."""
        made = boto3.client("lambda").create_function(
            FunctionName=f"bad-input-{len(self.lab.log)}",
            Runtime="python3.13",
            Handler="app.handler",
            Role=role(),
            Code={"ZipFile": package({"app.py": code.encode()})},
        )
        apis = boto3.client("apigatewayv2")
        expression = {"RouteSelectionExpression": "$request.body.action"}
        options = expression if protocol == "WEBSOCKET" else {}
        api = str(apis.create_api(Name="bad input", ProtocolType=protocol, **options)["ApiId"])
        target = f"integrations/{integration(api, made['FunctionArn'])}"
        for key in keys:
            answered = {"RouteResponseSelectionExpression": "$default"} if responses else {}
            route = apis.create_route(ApiId=api, RouteKey=key, Target=target, **answered)
            if responses:
                apis.create_route_response(
                    ApiId=api, RouteId=route["RouteId"], RouteResponseKey="$default"
                )
        permission(made["FunctionArn"], api)
        apis.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
        return f"/execute-api/{api}/prod"


def answer(connection: socket.socket, method: str = "GET") -> Answer:
    """Read the answer to a request, which must be HTTP and hold no traceback."""
    response = HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = b"" if response.status == 101 else response.read()
    except (HTTPException, OSError) as error:
        raise AssertionError(f"there is no answer: {error!r}") from error
    assert not _TRACEBACK.search(body), body
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)


def is_said_kindly(got: Answer) -> None:
    """A refusal is a JSON object with a message, and none of the cloud's own failures."""
    assert 400 <= got.status < 500 or got.status in (501, 505), (got.status, got.body)
    said = got.json()
    assert isinstance(said, dict), said
    assert said.get("message") or said.get("Message"), said
