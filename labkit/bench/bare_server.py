"""The least that a server can do, with the libraries that the local cloud has: each message is sent back.

    python -m labkit.bench.bare_server NAME FILE

prints ``{"endpoint": "http://127.0.0.1:N"}`` and writes a byte to FILE for each connection that ends.

NAME chooses among :data:`SERVERS`:

``bare``
    what the local cloud is made of.  aiohttp listens and reads the request; the connection is taken over
    from it in the same way, and frames are read by the same protocol of ``websockets``.  It is what the
    local cloud would cost without functions, routes, events, limits and a log.
``aiohttp``
    what one writes who takes aiohttp's documentation at its word: a coroutine for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web
from websockets.frames import TEXT, Frame
from websockets.protocol import OPEN, SERVER, Protocol

from labkit.apigateway.connection import Upgraded, upgrade
from labkit.apigateway.handshake import switching_protocols

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Echo(asyncio.Protocol):
    """A connection that sends each text message back.

    Args:
        transport: the connection's socket.
        left: where a byte is written when it ends.
    """

    __slots__ = ("_frames", "_left", "_transport")

    def __init__(self, transport: asyncio.Transport, left: int) -> None:
        self._transport = transport
        self._left = left
        self._frames = Protocol(SERVER, state=OPEN)

    def data_received(self, data: bytes) -> None:
        """Send back what has arrived."""
        self._frames.receive_data(data)
        for frame in self._frames.events_received():
            if isinstance(frame, Frame) and frame.opcode is TEXT:
                self._frames.send_text(frame.data)
        self._transport.write(b"".join(self._frames.data_to_send()))
        if self._frames.close_expected():
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note its end."""
        os.write(self._left, b".")


def _bare(left: int) -> Handler:
    async def take_over(request: web.BaseRequest) -> web.StreamResponse:
        head = switching_protocols(request.headers["Sec-WebSocket-Key"], None)
        upgrade(request, head, lambda transport: Echo(transport, left))
        return Upgraded()

    return take_over


def _aiohttp(left: int) -> Handler:
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await socket.send_str(message.data)
        finally:
            os.write(left, b".")
        return socket

    return echo


SERVERS: dict[str, Callable[[int], Handler]] = {"bare": _bare, "aiohttp": _aiohttp}
"""What answers a request, given where the end of a connection is noted."""


async def _serve(handler: Handler) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows ends it without asking
            loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(web.Server(handler), "127.0.0.1", 0, backlog=4_096)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"endpoint": f"http://127.0.0.1:{port}"}), flush=True)
    await ended.wait()


def main(name: str, path: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    left = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    asyncio.run(_serve(SERVERS[name](left)))


if __name__ == "__main__":
    main(*sys.argv[1:])
