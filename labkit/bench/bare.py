"""Bare servers as peers: what the same libraries do with nothing on top."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.bench.child import Child
from labkit.bench.peer import NotOffered


@dataclass(frozen=True, slots=True)
class _BareSystem:
    pid: int
    url: str
    left: Path

    def deploy_echo(self) -> str:
        return self.url

    def deploy_watched(self) -> tuple[str, Path]:
        return self.url, self.left

    def deploy_function(self) -> str:
        raise NotOffered("A bare server has no functions.")

    def invoke(self, function: str) -> None:
        raise NotOffered("A bare server has no functions.")

    def deploy_pattern(self, *, portable: bool) -> str:
        raise NotOffered("A bare server has no AWS services.")

    def reach(self, url: str) -> str:
        return url


@dataclass(frozen=True, slots=True)
class Bare:
    """A bare WebSocket server.

    Attributes:
        name: which of :data:`labkit.bench.bare_server.SERVERS`.
    """

    name: str = "bare"

    @contextmanager
    def serve(self) -> Iterator[_BareSystem]:
        """Start a fresh server, which has ended when the block ends."""
        with tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
            left = Path(folder, "left")
            left.touch()
            with Child("labkit.bench.bare_server", self.name, str(left)) as child:
                endpoint: str = child.line()["endpoint"]
                yield _BareSystem(child.pid, endpoint.replace("http:", "ws:", 1) + "/", left)
