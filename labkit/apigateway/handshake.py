"""The opening handshake, as pure rules: which requests may open a WebSocket, and the two answers.

Source: RFC 6455, section 4.2, and for the statuses "About WebSocket APIs in API Gateway".

The client of a function that refuses gets the function's body, as JSON and whatever type it names
(captured).  Our choices, where AWS documents nothing: the JSON body of any other refusal; 426 for a request
that is no upgrade; 414 for a URL that is too long.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus

from labkit.errors import LabError

INTERNAL_SERVER_ERROR = "Internal server error"
TIMED_OUT = "Endpoint request timed out"
FORBIDDEN = "Forbidden"
TOO_MANY_REQUESTS = "Too Many Requests"
BAD_REQUEST_BODY = "Bad request body"

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MESSAGES = {
    403: FORBIDDEN,
    426: "Upgrade Required",
    429: TOO_MANY_REQUESTS,
    500: INTERNAL_SERVER_ERROR,
    502: INTERNAL_SERVER_ERROR,
    504: TIMED_OUT,
}


class Refused(LabError):
    """The handshake is refused.

    Attributes:
        status: the HTTP status.
        reason: why, for the event log.
        told: what the function that refuses tells the client, if it tells anything.
    """

    def __init__(self, status: int, reason: str, told: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.told = told

    def body(self, connection_id: str, request_id: str) -> str:
        """The body of the response: the function's own, or JSON that names no reason."""
        if self.told is not None:
            return self.told
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Refused"
        return json.dumps(
            {
                "message": _MESSAGES.get(self.status, phrase),
                "connectionId": connection_id,
                "requestId": request_id,
            }
        )


def check(method: str, headers: Mapping[str, str], url: str, longest: int) -> None:
    """Whether a request asks to open a WebSocket.

    Args:
        method: the request's method.
        headers: its headers; case does not matter in the mapping.
        url: its URL as on AWS.
        longest: characters that a URL may have.

    Raises:
        Refused: it does not.
    """
    if method != "GET":
        raise Refused(403, f"{method} is no way to open a WebSocket")
    if not _asks_for_upgrade(headers):
        raise Refused(426, "the request does not ask to upgrade to a WebSocket")
    if len(url) > longest:
        raise Refused(414, f"the URL has {len(url)} characters, more than {longest}")
    version = headers.get("Sec-WebSocket-Version", "")
    if version != "13":
        raise Refused(400, f"Sec-WebSocket-Version is {version!r}, not '13'")
    key = headers.get("Sec-WebSocket-Key", "")
    if not _is_key(key):
        raise Refused(400, f"Sec-WebSocket-Key is not 16 bytes in base64: {key!r}")


def accept(key: str) -> str:
    """``Sec-WebSocket-Accept`` for a ``Sec-WebSocket-Key`` (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def switching_protocols(key: str, subprotocol: str | None) -> bytes:
    """The response that accepts an upgrade, as it goes over the wire.

    No extension is accepted, compression included (our choice: AWS documents none).

    Args:
        key: the request's ``Sec-WebSocket-Key``.
        subprotocol: the subprotocol that the function returned.
    """
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept(key)}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "", ""]).encode()


def _asks_for_upgrade(headers: Mapping[str, str]) -> bool:
    connection = headers.get("Connection", "").lower().split(",")
    return headers.get("Upgrade", "").strip().lower() == "websocket" and "upgrade" in (
        token.strip() for token in connection
    )


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
