"""API Gateway in virtual time, and the network between it and the clients.

What a client is handed for ``urlopen`` and ``create_connection`` behaves as urllib and
websocket-client do: the same arguments, answers and exceptions.

A connection has two ends, and neither knows at once what became of the other.  It can be *cut*, which
the client notices and API Gateway sooner or later; *closed* by API Gateway; or fall *silent*, when a
network swallows everything, until the client's TCP gives up and API Gateway finds it idle.

Sources: Amazon API Gateway developer guide, "Working with WebSocket APIs", "@connections";
RFC 6455, section 7 (a connection that ends).
"""

from __future__ import annotations

import io
import json
import math
import urllib.error
from collections import deque
from collections.abc import Callable
from email.message import Message as Headers
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websocket

from tests.pattern import dynamodb
from tests.pattern.in_process import event, order_event
from tests.pattern.simulation.cloud import LISTENS, TOO_EARLY, Cloud, InvocationFailed, shown
from tests.pattern.simulation.faults import Faults
from tests.pattern.simulation.schedule import EPOCH, Promise, Schedule

ORDERS_URL = "https://d4e5f6.execute-api.us-east-1.amazonaws.com/orders"

TCP_GIVES_UP = 924.0
"""Seconds after which Linux gives up what nobody acknowledges (``tcp_retries2``)."""

IDLE = 600.0
"""Seconds after which API Gateway closes a connection without messages."""


SLOW = 10.0
"""Seconds that may pass at most between the answer of ``$connect`` and the connection's being there."""


class Socket:
    """A client's end of a connection, with the methods of websocket-client's that clients use.

    Attributes:
        id: the connection's.
        client: whose it is.
        frames: what was received, oldest first.
        is_open: whether API Gateway takes it for open.
        is_up: whether the client does.
        is_silent: whether the network swallows everything.
        is_missed: whether a message came for it while its handshake was under way.
        connected_at: as in its events, in milliseconds.
        heard_at: when a ``subscribe`` was handled first, whether or not that failed.
        sent_at: when API Gateway took a result for it first.
        over_at: when API Gateway took it for over.
    """

    def __init__(self, network: Network, number: int, client: str) -> None:
        self.id = f"C{number}"
        self.client = client
        self.frames: list[str] = []
        self.is_open = False
        self.is_up = True
        self.is_silent = False
        self.is_missed = False
        self.connected_at = 0
        self.heard_at = math.inf
        self.sent_at = math.inf
        self.over_at = math.inf
        self._network = network
        self._timeout: float | None = None
        self._inbox: deque[str | Exception] = deque()
        self._arrived = Promise()

    def settimeout(self, seconds: float) -> None:
        """Say how long :meth:`recv` waits."""
        self._timeout = seconds

    def send(self, text: str) -> None:
        """Send a frame; nobody says whether it arrives."""
        if not self.is_up:
            raise ConnectionResetError("Connection reset by peer")
        self._network.frame_in(self, text)

    def recv(self) -> str:
        """The next frame, or ``""`` if the other side closed.

        Raises:
            WebSocketTimeoutException: none came in time.
            ConnectionResetError: the connection is cut.
        """
        if not self._inbox:
            self._arrived = Promise()
            if not self._network.schedule.wait(self._arrived, self._timeout):
                raise websocket.WebSocketTimeoutException("Connection timed out")
        frame = self._inbox.popleft()
        if isinstance(frame, Exception):
            raise frame
        if frame:
            self.frames.append(frame)
        return frame

    def close(self) -> None:
        """Close the connection."""
        if self.is_up:
            self.is_up = False
            self._network.left(self)

    def arrive(self, frame: str | Exception) -> None:
        """Hand a frame, the end (``""``) or a failure to the client."""
        if self.is_up:
            self.is_up = bool(frame) and not isinstance(frame, Exception)
            self._inbox.append(frame)
            self._network.schedule.keep(self._arrived)


class Network:
    """The HTTP API, the WebSocket API, and the wires.

    Attributes:
        schedule: when things happen.
        sockets: every connection that was tried, oldest first.
        overheard: told of the URL of each connection once it is open.
    """

    overheard: Callable[[str], object]

    def __init__(self, cloud: Cloud) -> None:
        cloud.post = self.post
        self.schedule: Schedule = cloud.schedule
        self.sockets: list[Socket] = []
        self._cloud = cloud
        self._faults: Faults = cloud.faults

    def of(self, client: str) -> list[Socket]:
        """The connections of a client."""
        return [socket for socket in self.sockets if socket.client == client]

    # -- the HTTP API ----------------------------------------------------------------------------

    def request(self, client: str, request: Any, timeout: float) -> io.BytesIO:
        """Send an HTTP request, as ``urllib.request.urlopen`` does (from within a task)."""
        self._cloud.note(client, "POST /orders")
        where = "POST /orders"
        answered = Promise()
        if not self._faults.strikes("http.request: lost on the way", where):
            twice = self._faults.strikes("http.request: arrives twice", where)
            for _ in range(1 + twice):
                late = self._faults.delay("http.request: delay", where)
                self.schedule.after(
                    self._cloud.hop() + late,
                    lambda: self.schedule.start(
                        "HTTP API", lambda: self._serve(client, request, answered)
                    ),
                )
        if not self.schedule.wait(answered, timeout):
            self._cloud.note(client, f"has had no answer for {timeout:.0f} s")
            raise TimeoutError("The read operation timed out")
        status, text = answered.value
        self._cloud.note(client, f"is answered {status}")
        body = io.BytesIO(text.encode())
        if status >= 400:
            raise urllib.error.HTTPError(request.full_url, status, "", Headers(), body)
        return body

    def _serve(self, client: str, request: Any, answered: Promise) -> None:
        where = "POST /orders"
        if self._faults.strikes("http.request: error", where):
            status, text = self._cloud.draw.choice((429, 500, 503)), '{"message": "…"}'
        else:
            asked = order_event(request.data.decode(), request.get_header("Idempotency-key"))
            try:
                answer = self._cloud.invoke("place_order", asked, client)
                status, text = answer["statusCode"], answer["body"]
            except InvocationFailed:
                status, text = 500, '{"message": "Internal Server Error"}'
        if not self._faults.strikes("http.request: answer lost", where):
            self.schedule.sleep(self._cloud.hop())
            self.schedule.keep(answered, (status, text))

    # -- the handshake ---------------------------------------------------------------------------

    def connect(self, client: str, url: str, timeout: float) -> Socket:
        """Open a connection, as ``websocket.create_connection`` does (from within a task)."""
        socket = Socket(self, len(self.sockets) + 1, client)
        self.sockets.append(socket)
        self._cloud.note(client, f"handshake of {socket.id}")
        where = "handshake"
        answered = Promise()
        if not self._faults.strikes("handshake: lost on the way", where):
            late = self._faults.delay("handshake: delay", where)
            self.schedule.after(
                self._cloud.hop() + late,
                lambda: self.schedule.start(
                    f"handshake of {socket.id}", lambda: self._shake(socket, url, answered)
                ),
            )
        if not self.schedule.wait(answered, timeout):
            self._cloud.note(client, f"has had no answer for {timeout:.0f} s")
            socket.close()
            raise websocket.WebSocketTimeoutException("Connection timed out")
        if answered.value != 101:
            socket.is_up = False
            self._cloud.note(client, f"is refused {socket.id}: {answered.value}")
            raise websocket.WebSocketBadStatusException("Handshake status %d", answered.value)
        self._cloud.note(client, f"has {socket.id} open")
        return socket

    def _shake(self, socket: Socket, url: str, answered: Promise) -> None:
        socket.connected_at = int((EPOCH + self.schedule.now) * 1000)
        query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
        status = 502
        if self._faults.strikes("handshake: error", "handshake"):
            status = self._cloud.draw.choice((429, 500, 503))
        else:
            asked = self._event("connect", socket, queryStringParameters=query)
            try:
                status = self._cloud.invoke("connect", asked, socket.id)["statusCode"]
            except InvocationFailed:
                pass  # "a Lambda that raises gives 502"
        if status == 200:
            # Not before the function has answered, and a little later, the connection exists.
            self.schedule.sleep(self._cloud.hop())
            if self._faults.strikes("handshake: slow to open", "handshake"):
                opening = Promise()
                self._cloud.at(TOO_EARLY, partial(self.schedule.keep, opening))
                self.schedule.wait(opening, self._cloud.draw.uniform(0.0, SLOW))
            self._open(socket)
            self.overheard(url)
            status = 101
        if not self._faults.strikes("handshake: answer lost", "handshake"):
            self.schedule.sleep(self._cloud.hop())
            self.schedule.keep(answered, status)

    def _open(self, socket: Socket) -> None:
        socket.is_open = True
        self._cloud.tables.open(socket.id)
        self._cloud.note("WebSocket API", f"{socket.id} is open")
        if not socket.is_up:  # the client did not wait for it
            self.left(socket)
        for kind, ending in (
            ("connection: cut", self._cut),
            ("connection: closed", self._close),
            ("connection: silent", self._silence),
        ):
            if self._faults.strikes(kind, "connection"):
                self._cloud.some_time(partial(ending, socket))

    # -- frames ----------------------------------------------------------------------------------

    def frame_in(self, socket: Socket, text: str) -> None:
        """A client's frame is on its way."""
        self._cloud.note(socket.client, f"sends on {socket.id}: {text}")
        if socket.is_silent or self._faults.strikes("frame.in: drop", "frame.in"):
            return
        for _ in range(1 + self._faults.strikes("frame.in: duplicate", "frame.in")):
            late = self._faults.delay("frame.in: delay", "frame.in")
            self.schedule.after(
                self._cloud.hop() + late,
                lambda: self.schedule.start(
                    f"message of {socket.id}", lambda: self._handle(socket, text)
                ),
            )

    def _handle(self, socket: Socket, text: str) -> None:
        if not socket.is_open:
            return
        action = json.loads(text).get("action")
        route = "subscribe" if action == "subscribe" else "default"
        try:
            self._cloud.invoke(route, self._event("message", socket, body=text), socket.id)
        except InvocationFailed:
            error = {"message": "Internal server error", "connectionId": socket.id}
            self._send(socket, json.dumps({**error, "requestId": "r"}))
        if route == "subscribe" and socket.heard_at == math.inf:
            socket.heard_at = self.schedule.now
            self._cloud.happens(LISTENS)

    def post(self, connection: str, text: str) -> None:
        """``PostToConnection``.

        Raises:
            dynamodb.Failed: the connection does not exist: not yet, or no more.
        """
        socket = next((each for each in self.sockets if each.id == connection), None)
        if socket is None or not socket.is_open:
            if socket is not None and socket.over_at == math.inf:
                socket.is_missed = True
                self._cloud.happens(TOO_EARLY)
            raise dynamodb.Failed("GoneException")
        if json.loads(text)["type"] == "result":
            socket.sent_at = min(socket.sent_at, self.schedule.now)
        self._send(socket, text)

    def _send(self, socket: Socket, text: str) -> None:
        if socket.is_silent or self._faults.strikes("frame.out: drop", "frame.out"):
            return

        def arrive() -> None:
            if socket.is_up and not socket.is_silent:
                self._cloud.note(socket.client, f"receives on {socket.id}: {shown(text)}")
                socket.arrive(text)

        for _ in range(1 + self._faults.strikes("frame.out: duplicate", "frame.out")):
            late = self._faults.delay("frame.out: delay", "frame.out")
            self.schedule.after(self._cloud.hop() + late, arrive)

    # -- the end of a connection -----------------------------------------------------------------

    def left(self, socket: Socket) -> None:
        """The client closed its end."""
        if not socket.is_silent:
            self.schedule.after(self._cloud.hop(), lambda: self._end(socket))

    def _cut(self, socket: Socket) -> None:
        if socket.is_open and socket.is_up:
            self._cloud.note("fault", f"{socket.id} is cut")
            socket.arrive(ConnectionResetError("Connection reset by peer"))
            end = partial(self._end, socket)
            self.schedule.after(IDLE, end)
            if self._cloud.draw.random() < 0.8:
                self._cloud.some_time(end)

    def _close(self, socket: Socket) -> None:
        if socket.is_open:
            self._cloud.note("fault", f"{socket.id} is closed by API Gateway")
            self._end(socket)
            self.schedule.after(self._cloud.hop(), lambda: socket.arrive(""))

    def _silence(self, socket: Socket) -> None:
        if socket.is_open:
            self._cloud.note("fault", f"{socket.id} falls silent")
            socket.is_silent = True
            self.schedule.after(IDLE, lambda: self._end(socket))
            gone = TimeoutError("Connection timed out")
            self.schedule.after(TCP_GIVES_UP, lambda: socket.arrive(gone))

    def _end(self, socket: Socket) -> None:
        """API Gateway takes the connection for over."""
        if not socket.is_open:
            return
        socket.is_open = False
        socket.over_at = self.schedule.now
        self._cloud.tables.cut(socket.id)
        self._cloud.note("WebSocket API", f"{socket.id} is over")
        if self._faults.strikes("$disconnect: never", "$disconnect"):
            return
        disconnect = partial(self._disconnect, socket)
        begin = partial(self.schedule.start, f"$disconnect of {socket.id}", disconnect)
        if self._faults.strikes("$disconnect: late", "$disconnect"):
            self._cloud.some_time(begin)
        else:
            self.schedule.after(self._cloud.hop(), begin)

    def _disconnect(self, socket: Socket) -> None:
        try:
            self._cloud.invoke("disconnect", self._event("disconnect", socket), socket.id)
        except InvocationFailed:
            pass  # "best effort"

    def _event(self, kind: str, socket: Socket, **members: Any) -> dict[str, Any]:
        made = event(f"websocket_{kind}", **members)
        made["requestContext"]["connectionId"] = socket.id
        made["requestContext"]["connectedAt"] = socket.connected_at
        return made
