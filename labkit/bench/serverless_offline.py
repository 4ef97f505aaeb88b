"""serverless-offline as a peer: Node's emulator of API Gateway and Lambda.

``bench/peers/install.py`` puts it into a folder, with ``osls``, which reads the service's description
and needs no account.  It is run in its two modes: by default each function runs in worker threads of
its own; *in process* all run in the server itself, where one function's fault is everybody's.

It has neither DynamoDB nor Step Functions, so it cannot run the pattern.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.bench.peer import EchoOnly
from labkit.bench.program import Program, free_port

SERVICE = Path(__file__).parent / "serverless_service"


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that serves a service.

    Attributes:
        pid: its process.
        websocket_port: where its WebSocket API is, if it has one.
        http_port: where its HTTP API is, if it has one.
    """

    pid: int
    websocket_port: int
    http_port: int


@dataclass(frozen=True, slots=True)
class ServerlessOffline:
    """serverless-offline, from a folder that ``bench/peers/install.py`` filled.

    Attributes:
        peers: the folder.
        in_process: whether functions run in the server itself.
    """

    peers: Path
    in_process: bool = False

    @property
    def name(self) -> str:
        """The name in tables."""
        return "sls-offline in process" if self.in_process else "sls-offline"

    @property
    def modules(self) -> Path:
        """The folder of Node's packages."""
        return self.peers / "serverless" / "node_modules"

    @property
    def is_installed(self) -> bool:
        """Whether the folder has it, and the machine Node."""
        return (self.modules / "serverless-offline").exists() and shutil.which("node") is not None

    @contextmanager
    def serve(self) -> Iterator[EchoOnly]:
        """Start a fresh server, which has ended when the block ends."""
        with tempfile.TemporaryDirectory(prefix="labkit-bench-") as name:
            folder = Path(name, "service")
            shutil.copytree(SERVICE, folder)
            left = Path(name, "left")
            left.touch()
            with self.serving(folder, BENCH_LEFT=str(left)) as server:
                yield EchoOnly(
                    server.pid,
                    f"ws://127.0.0.1:{server.websocket_port}/",
                    left,
                    no_functions="Its functions are those of a service's description.",
                    no_services="It has neither DynamoDB nor Step Functions.",
                )

    @contextmanager
    def serving(self, folder: Path, **environment: str) -> Iterator[_Server]:
        """Serve a service.

        Args:
            folder: its folder, with ``serverless.yml`` in it.
            environment: variables that ``serverless.yml`` refers to, beside ``BENCH_ENDPOINT``, which
                is where ``@connections`` is.
        """
        websocket_port, http_port, lambda_port = free_port(), free_port(), free_port()
        (folder / "node_modules").symlink_to(self.modules, target_is_directory=True)
        command = [
            *("node", str(self.modules / "serverless" / "bin" / "serverless.js"), "offline"),
            *("--host", "127.0.0.1", "--websocketPort", str(websocket_port)),
            *("--httpPort", str(http_port), "--lambdaPort", str(lambda_port)),
            *(["--useInProcess"] if self.in_process else []),
        ]
        told = {
            **os.environ,
            **environment,
            "BENCH_ENDPOINT": f"http://127.0.0.1:{websocket_port}",
            "HOME": str(folder),
            "SLS_NOTIFICATIONS_MODE": "off",
            "SLS_TELEMETRY_DISABLED": "1",
        }
        with Program(command, output=folder / "log", folder=folder, environment=told) as program:
            program.until(lambda: _listens(websocket_port) or _listens(http_port))
            yield _Server(program.pid, websocket_port, http_port)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
