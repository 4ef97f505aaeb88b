"""Bare servers as peers: what the same libraries do with nothing on top."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.bench.child import Child
from labkit.bench.peer import EchoOnly


@dataclass(frozen=True, slots=True)
class Bare:
    """A bare WebSocket server.

    Attributes:
        name: which of :data:`labkit.bench.bare_server.SERVERS`.
    """

    name: str = "bare"

    @contextmanager
    def serve(self) -> Iterator[EchoOnly]:
        """Start a fresh server, which has ended when the block ends."""
        with tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
            left = Path(folder, "left")
            left.touch()
            with Child("labkit.bench.bare_server", self.name, str(left)) as child:
                endpoint: str = child.line()["endpoint"]
                yield EchoOnly(
                    child.pid,
                    endpoint.replace("http:", "ws:", 1) + "/",
                    left,
                    no_functions="A bare server has no functions.",
                    no_services="A bare server has no AWS services.",
                )
