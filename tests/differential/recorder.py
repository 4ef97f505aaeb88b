"""Hears what functions tell, wherever they run."""

from __future__ import annotations

import json
import queue
import socketserver
import threading
import time
from typing import Any, Self

SECONDS = 12.0
"""How long something may take that is to happen."""

QUIET = 1.0
"""Seconds without news after which nothing is expected any more."""


class Recorder:
    """A server on a loopback port to which functions connect.

    Attributes:
        port: the port.
        go_on: functions that hold wait for it.
    """

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        recorder = self

        class Told(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                told = json.loads(self.rfile.readline())
                recorder._told.put(told)
                if told["hold"]:
                    recorder.go_on.wait(SECONDS)
                self.wfile.write(b"go on\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Told)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def forget(self) -> None:
        """Drop what was told and not asked for."""
        while not self._told.empty():
            self._told.get_nowait()

    def next(
        self, *functions: str, connection: str = "", seconds: float = SECONDS
    ) -> dict[str, Any] | None:
        """What the next of these functions tells; ``None`` if none does in time.

        Args:
            functions: which functions.
            connection: the id of the connection that is asked about, if not any.
            seconds: how long to wait.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                told = self._told.get(timeout=left)
            except queue.Empty:
                break
            its = told["event"].get("requestContext", {}).get("connectionId")
            if told["function"] in functions and (not connection or its == connection):
                return told
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
