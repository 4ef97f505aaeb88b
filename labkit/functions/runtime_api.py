"""The Runtime API's rules, apart from sockets: HTTP requests from bytes, calls, and answers.

AWS documents the Runtime API as plain HTTP on an address without a path
(``AWS_LAMBDA_RUNTIME_API=host:port``), with five calls::

    GET  /2018-06-01/runtime/invocation/next
    POST /2018-06-01/runtime/invocation/{AwsRequestId}/response
    POST /2018-06-01/runtime/invocation/{AwsRequestId}/error
    POST /2018-06-01/runtime/init/error

(and SnapStart's, which are not emulated).  A general HTTP server costs more than an echo function
does; a runtime speaks so little of HTTP that a strict reader of just that is small.

Sources: "Using the Lambda runtime API for custom runtimes" in the AWS Lambda developer guide; RFC
9112 for the messages.  The error bodies' ``errorType`` values are those of AWS's runtime interface
emulator (not verified on AWS itself).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from labkit.functions.model import FunctionConfiguration

PREFIX = "/2018-06-01/runtime/"

MAX_RESPONSE = 6_291_556
"""Bytes of an answer at most: 6 MB and a little, as AWS's error message says."""

MAX_DIGITS = 18
"""Digits of a body's length at most."""

MAX_HEAD = 1_179_648
"""Bytes of a request's head at most.  AWS's runtime sends an X-Ray cause of up to 1 MB there."""

REASONS = {
    100: "Continue",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
}


# -- requests ---------------------------------------------------------------------------------


class BadRequest(Exception):
    """The bytes are not a request that HTTP/1.1 allows here; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a runtime.

    Attributes:
        method: ``GET`` or ``POST``.
        path: as sent.
        headers: names in lower case.
        body: empty if it was too large.
        too_large: the body was over :data:`MAX_RESPONSE` and has been dropped.
        keep_alive: whether the runtime goes on using the connection.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    too_large: bool = False
    keep_alive: bool = True


class _Reading(Enum):
    """Which part of a request comes next."""

    HEAD = auto()
    BODY = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    TRAILERS = auto()


class Parser:
    """Reads requests from bytes that come in pieces of any size.

    Args:
        max_body: bytes of a body that are kept; a longer body is read, dropped and marked.
    """

    def __init__(self, max_body: int = MAX_RESPONSE) -> None:
        self._max_body = max_body
        self._buffer = bytearray()
        self._reading = _Reading.HEAD
        self._head = ("", "", dict[str, str]())
        self._left = 0
        self._body = bytearray()
        self._size = 0
        self.expects_continue = False
        """The sender waits for ``100 Continue`` before it sends a body; cleared by the reader."""

    def feed(self, data: bytes) -> list[Request]:
        """Take in bytes.

        Returns:
            The requests that are complete now.

        Raises:
            BadRequest: the bytes are not HTTP/1.1, or a limit is passed.
        """
        self._buffer += data
        done: list[Request] = []
        while True:
            match self._reading:
                case _Reading.HEAD:
                    if not self._take_head():
                        return done
                case _Reading.BODY | _Reading.CHUNK:
                    if not self._take_body():
                        return done
                case _Reading.CHUNK_SIZE:
                    if not self._take_chunk_size():
                        return done
                case _Reading.TRAILERS:
                    line = self._take_line()
                    if line is None:
                        return done
                    if not line:
                        self._left = 0
                        self._reading = _Reading.BODY
            if self._reading is _Reading.BODY and self._left == 0:
                done.append(self._finish())

    def _take_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest(f"The head of a request has more than {MAX_HEAD} bytes.")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, path = _request_line(lines[0])
        headers = _headers(lines[1:])
        self._head = (method, path, headers)
        self._size = 0
        self._left, chunked = _body_length(headers)
        self._reading = _Reading.CHUNK_SIZE if chunked else _Reading.BODY
        if headers.get("expect", "").lower() == "100-continue":
            self.expects_continue = True
        return True

    def _take_body(self) -> bool:
        taken = min(self._left, len(self._buffer))
        self._size += taken
        if self._size <= self._max_body:
            self._body += memoryview(self._buffer)[:taken]
        del self._buffer[:taken]
        self._left -= taken
        if self._left:
            return False
        if self._reading is _Reading.CHUNK:
            if len(self._buffer) < 2:
                return False
            if self._buffer[:2] != b"\r\n":
                raise BadRequest("A chunk is longer than it says.")
            del self._buffer[:2]
            self._reading = _Reading.CHUNK_SIZE
        return True

    def _take_chunk_size(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        digits = line.split(b";", 1)[0].strip()
        try:
            if not digits.isalnum():
                raise ValueError
            self._left = int(digits, 16)
        except ValueError:
            raise BadRequest(f"{line[:40]!r} is not the size of a chunk.") from None
        self._reading = _Reading.CHUNK if self._left else _Reading.TRAILERS
        return True

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest("A line has no end.")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _finish(self) -> Request:
        method, path, headers = self._head
        too_large = self._size > self._max_body
        body = b"" if too_large else bytes(self._body)
        self._body = bytearray()
        self._reading = _Reading.HEAD
        self.expects_continue = False  # the body came without having been asked for
        keep_alive = headers.get("connection", "").lower() != "close"
        return Request(method, path, headers, body, too_large, keep_alive)


def _request_line(line: str) -> tuple[str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[2] != "HTTP/1.1" or not parts[1].startswith("/"):
        raise BadRequest(f"{line[:80]!r} is not a request line of HTTP/1.1.")
    return parts[0], parts[1]


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip():
            raise BadRequest(f"{line[:80]!r} is not a header.")
        if name in headers and name in ("content-length", "transfer-encoding"):
            raise BadRequest(f"{name} comes twice.")
        headers[name] = value.strip(" \t")
    return headers


def _body_length(headers: Mapping[str, str]) -> tuple[int, bool]:
    """A body's length, and whether it comes in chunks (RFC 9112, section 6.3)."""
    encoding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if encoding is not None:
        if encoding.lower() != "chunked" or length is not None:
            raise BadRequest("A body is framed in more than one way.")
        return 0, True
    if length is None:
        return 0, False
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(f"{length[:40]!r} is not a length.")
    if len(length) > MAX_DIGITS:
        raise BadRequest(f"A body of {length[:40]}… bytes is longer than any.")
    return int(length), False


# -- calls ------------------------------------------------------------------------------------


class Call(Enum):
    """What a runtime asks."""

    NEXT = auto()
    RESPONSE = auto()
    ERROR = auto()
    INIT_ERROR = auto()


def call_of(method: str, path: str) -> tuple[Call, str] | int:
    """Which call a request is, with the request id in its path.

    Returns:
        The call and the id (empty without one), or the status of a request that is no call: 404
        for a path that the Runtime API does not have, 405 for a wrong method.
    """
    if not path.startswith(PREFIX):
        return 404
    match path[len(PREFIX) :].split("/"):
        case ["invocation", "next"]:
            return (Call.NEXT, "") if method == "GET" else 405
        case ["invocation", request_id, "response"]:
            return (Call.RESPONSE, request_id) if method == "POST" else 405
        case ["invocation", request_id, "error"]:
            return (Call.ERROR, request_id) if method == "POST" else 405
        case ["init", "error"]:
            return (Call.INIT_ERROR, "") if method == "POST" else 405
    return 404


_RUNTIME_HOST = re.compile(r"(?:runtime|localhost|127\.0\.0\.1)(?::\d+)?")


def is_from_a_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser sent a request, for a web page that tries the ports of this machine.

    Args:
        headers: names in lower case.  No runtime sends ``Origin`` or ``Sec-Fetch-Site``; a page whose
            host name has been made to mean 127.0.0.1 sends neither, but its own ``Host``.
    """
    if "origin" in headers or "sec-fetch-site" in headers:
        return True
    return _RUNTIME_HOST.fullmatch(headers.get("host", "runtime")) is None


# -- answers ----------------------------------------------------------------------------------


def answer(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, *, close: bool = False
) -> bytes:
    """An HTTP answer with a JSON body, as bytes."""
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", "Content-Type: application/json"]
    for name, value in (headers or {}).items():
        lines.append(f"{name}: {value}")
    if close:
        lines.append("Connection: close")
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def refusal(status: int, kind: str, message: str, *, close: bool = False) -> bytes:
    """An answer that says what was wrong, as AWS's ``ErrorResponse``."""
    body = json.dumps({"errorMessage": message, "errorType": kind}).encode()
    return answer(status, body, close=close)


def no_call(status: int, request: Request) -> bytes:
    """The answer to a request that is no call of the Runtime API."""
    if status == 405:
        return refusal(
            405, "MethodNotAllowed", f"{request.path} is not called by {request.method}."
        )
    return refusal(404, "NotFound", f"The Runtime API has no {request.path}.")


ACCEPTED = answer(202, b'{"status":"OK"}\n')
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WRONG_ID = refusal(400, "InvalidRequestID", "Invalid request ID")
WRONG_STATE = refusal(
    403, "InvalidStateTransition", "The function is not being invoked: no answer is expected."
)
NO_PAGE = refusal(403, "Forbidden", "The Runtime API answers its own function only.")
TOO_LARGE = refusal(
    413,
    "RequestEntityTooLarge",
    f"Exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation, as the runtime gets it.

    Attributes:
        request_id: a UUID.
        payload: the event, JSON.
        arn: the function's ARN as it was invoked, with the qualifier if one was given.
        trace: the tracing header.
        client_context: JSON, or ``None``.
    """

    request_id: str
    payload: bytes
    arn: str
    trace: str
    client_context: str | None = None


def invocation(event: Event, deadline: float) -> bytes:
    """The answer to ``next``.

    Args:
        event: the invocation.
        deadline: when it times out, seconds since the epoch.
    """
    headers = {
        "Lambda-Runtime-Aws-Request-Id": event.request_id,
        "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": event.arn,
        "Lambda-Runtime-Trace-Id": event.trace,
    }
    if event.client_context is not None:
        headers["Lambda-Runtime-Client-Context"] = event.client_context
    return answer(200, event.payload, headers)


def event_arn(function: FunctionConfiguration, reference: str) -> str:
    """The function's ARN with the qualifier that a caller's reference ends with, if any."""
    name = reference.rpartition("function:")[2]
    _, colon, qualifier = name.partition(":")
    return f"{function.arn}:{qualifier}" if colon and qualifier else function.arn
