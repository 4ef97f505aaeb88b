"""The least that a server can do: aiohttp's own WebSockets, each message sent back.

    python -m labkit.bench.bare_server FILE

prints ``{"endpoint": "http://127.0.0.1:N"}`` and writes a byte to FILE for each connection that ends.
It is what the local cloud would cost without functions, routes, events and AWS's rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys

from aiohttp import WSMsgType, web


async def _serve(left: int) -> None:
    async def echo(request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await socket.send_str(message.data)
        finally:
            os.write(left, b".")
        return socket

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows ends it without asking
            loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(web.Server(echo), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"endpoint": f"http://127.0.0.1:{port}"}), flush=True)
    await ended.wait()


def main(path: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    left = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    asyncio.run(_serve(left))


if __name__ == "__main__":
    main(sys.argv[1])
