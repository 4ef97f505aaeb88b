"""Many WebSocket clients at a time, in one thread: see :mod:`labkit.bench.client`."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from labkit.bench.client import (
    END,
    SECONDS,
    BadAnswer,
    check_opened,
    frame_in,
    frame_out,
    message,
    opening,
)

AT_ONCE = 50
"""Handshakes that are pending at a time."""


@contextmanager
def crowd(url: str, count: int, seconds: float) -> Iterator[list[socket.socket]]:
    """Many connections, opened side by side and closed when the block ends.

    Args:
        url: ``ws://host:port/path``.
        count: how many.
        seconds: until all of them must be open.

    Raises:
        BadAnswer: a handshake was refused.
        TimeoutError: not all were open in time.
    """
    deadline = time.perf_counter() + seconds
    pending: dict[socket.socket, bytes] = {}
    done: list[socket.socket] = []
    try:
        with selectors.DefaultSelector() as selector:
            while len(done) < count:
                while len(pending) < min(AT_ONCE, count - len(done)):
                    address, request = opening(url)
                    new = socket.create_connection(address, SECONDS)
                    pending[new] = b""
                    new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    new.sendall(request)
                    selector.register(new, selectors.EVENT_READ)
                ready = selector.select(max(0.0, deadline - time.perf_counter()))
                if not ready:
                    raise TimeoutError(f"{len(done)} of {count} were open after {seconds:g} s")
                for key, _ in ready:
                    one = key.fileobj
                    assert isinstance(one, socket.socket)
                    data = one.recv(65_536)
                    pending[one] += data
                    if END in pending[one] or not data:
                        check_opened(pending[one])
                        del pending[one]
                        selector.unregister(one)
                        done.append(one)
        yield done
    finally:
        for one in (*pending, *done):
            one.close()


def converse(sockets: Sequence[socket.socket], messages: int, seconds: float) -> float:
    """Send so many messages over each connection, each one when the one before has come back.

    Args:
        sockets: the connections, which are all used at the same time.
        messages: how many are sent over each.
        seconds: until all of them must have come back.

    Returns:
        Seconds from the first message that is sent to the last that comes back.

    Raises:
        BadAnswer: something else came back.
        TimeoutError: not all came back in time.
    """
    total = len(sockets) * messages
    served = 0
    with selectors.DefaultSelector() as selector:
        talks = [_Talk(one, at * messages, messages) for at, one in enumerate(sockets)]
        for talk in talks:
            selector.register(talk.socket, selectors.EVENT_READ, talk)
        started = time.perf_counter()
        for talk in talks:
            talk.say()
        while served < total:
            ready = selector.select(max(0.0, started + seconds - time.perf_counter()))
            if not ready:
                raise TimeoutError(f"{served} of {total} messages came back within {seconds:g} s")
            for key, _ in ready:
                served += key.data.hear()
        return time.perf_counter() - started


class _Talk:
    """What is said over one of many connections."""

    __slots__ = ("_left", "_next", "_received", "_wanted", "socket")

    def __init__(self, connection: socket.socket, first: int, messages: int) -> None:
        self.socket = connection
        self._next = first
        self._left = messages
        self._received = self._wanted = b""

    def say(self) -> None:
        """Send the next message."""
        text = message(self._next)
        self._next += 1
        self._left -= 1
        self._received, self._wanted = b"", frame_out(text)
        self.socket.sendall(frame_in(text))

    def hear(self) -> int:
        """Receive what is there, and go on once a message has come back; 1 then, 0 before."""
        data = self.socket.recv(65_536)
        self._received += data
        if not data or not self._wanted.startswith(self._received):
            raise BadAnswer(f"{self._received[:200]!r} came back instead of {self._wanted!r}.")
        if len(self._received) < len(self._wanted):
            return 0
        if self._left:
            self.say()
        return 1
