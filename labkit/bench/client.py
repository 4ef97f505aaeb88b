"""A WebSocket client that costs next to nothing, so that what is measured is the server.

It shares the machine with the server, so whatever it costs is missing there.  It knows in advance what
comes back, byte for byte, and only compares; the mask of its frames is zero.  As a client for anything
else it is of no use.
"""

from __future__ import annotations

import base64
import os
import socket
from urllib.parse import urlsplit

from labkit.errors import LabError

SECONDS = 30.0
"""How long one answer may take."""

_MASKED = bytes(4)
_TEXT = 0x81  # FIN and the opcode of a text frame (RFC 6455, 5.2)
END = b"\r\n\r\n"
"""The end of an HTTP answer's head."""


class BadAnswer(LabError):
    """A server answered something else than it should."""


def opening(url: str) -> tuple[tuple[str, int], bytes]:
    """Where a connection goes, and the request that opens it.

    Args:
        url: ``ws://host:port/path``.

    Returns:
        Address and request.  Each request has a key of its own (RFC 6455, 4.1): there is a server
        that takes two connections with one key for the same.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    return (parts.hostname or "", parts.port or 80), head.encode()


def message(number: int) -> bytes:
    """The text of a message, different for each number, always of the same length."""
    return b'{"message": "%08d"}' % number


def frame_in(text: bytes) -> bytes:
    """The frame that a client sends; the text has at most 125 bytes."""
    return bytes((_TEXT, 0x80 | len(text))) + _MASKED + text


def frame_out(text: bytes) -> bytes:
    """The frame that a server sends."""
    return bytes((_TEXT, len(text))) + text


class Client:
    """One connection, whose owner waits for each answer.

    Args:
        url: ``ws://host:port/path``.
        seconds: how long any one answer may take.

    Raises:
        BadAnswer: the handshake was refused.
        OSError: there is no server, or no answer in time.
    """

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        address, request = opening(url)
        self._socket = socket.create_connection(address, seconds)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            head = b""
            while END not in head:
                head += self._more()
            check_opened(head)
        except BaseException:
            self._socket.close()
            raise

    def echo(self, text: bytes) -> None:
        """Send a message and wait until it has come back.

        Raises:
            BadAnswer: something else came back.
            OSError: nothing came back in time.
        """
        wanted = frame_out(text)
        self._socket.sendall(frame_in(text))
        received = self._more()
        while len(received) < len(wanted):
            received += self._more()
        if received != wanted:
            raise BadAnswer(f"{received[:200]!r} came back instead of {wanted!r}.")

    def _more(self) -> bytes:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionResetError("the server has closed the connection")
        return data

    def close(self) -> None:
        """Close the socket, without a close frame."""
        self._socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def check_opened(head: bytes) -> None:
    """Check that an answer to :func:`opening` opens a connection.

    Raises:
        BadAnswer: it does not.
    """
    if not head.startswith(b"HTTP/1.1 101 ") or not head.endswith(END):
        raise BadAnswer(f"The handshake was answered {head[:300]!r}.")
