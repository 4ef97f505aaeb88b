"""A request to an HTTP API and its response, as plain data.

Whoever has a request makes one: the server from a socket, a state machine from ``apigateway:invoke``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import responses
from typing import Final

from labkit.trace import Trace

MESSAGES: Final = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""What API Gateway says of itself."""


class Refusal(Exception):
    """The gateway answers by itself.

    Args:
        status: the response's status.
        why: what the log says; the caller does not learn it.
        message: what the caller is told, if it is not what API Gateway says of the status.
    """

    def __init__(self, status: int, why: str = "", message: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.message = message or MESSAGES.get(status) or responses.get(status, "")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request.

    Attributes:
        method: ``GET``, ``POST``, …
        path: percent-encoded, beginning with ``/``; what follows the API's host, so a stage's name
            may be its first segment.
        query: the query string as sent, without ``?``.
        headers: names and values as sent, in order; a name may occur more than once.
        body: the body.
        source_ip: the caller's address.
        trace: the trace that the caller is part of; without one the request begins a trace.
    """

    method: str
    path: str
    query: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    trace: Trace | None = None

    def values(self, name: str) -> Iterator[str]:
        """The values of a header, whatever the case of its name, in order."""
        return (value for sent, value in self.headers if sent.lower() == name)

    def header(self, name: str) -> str:
        """The first value of a header (its name in lower case), or an empty string."""
        return next(self.values(name), "")


@dataclass(slots=True)
class HttpResponse:
    """A response; a header may occur more than once (``set-cookie``)."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def message(cls, status: int, message: str) -> HttpResponse:
        """An answer that API Gateway gives by itself: ``{"message":"Not Found"}``, say."""
        body = json.dumps({"message": message}, separators=(",", ":"), ensure_ascii=False)
        return cls(status, [("content-type", "application/json")], body.encode())
