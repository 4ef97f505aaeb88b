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

from labkit.bench.peer import NotOffered
from labkit.bench.program import Program, free_port

SERVICE = Path(__file__).parent / "serverless_service"


@dataclass(frozen=True, slots=True)
class _Service:
    """The service of :data:`SERVICE`, which is deployed by being there."""

    pid: int
    url: str
    left: Path

    def deploy_echo(self) -> str:
        return self.url

    def deploy_watched(self) -> tuple[str, Path]:
        return self.url, self.left

    def deploy_function(self) -> str:
        raise NotOffered("Its functions are those of a service's description.")

    def invoke(self, function: str) -> None:
        raise NotOffered("Its functions are those of a service's description.")

    def deploy_pattern(self, *, portable: bool) -> str:
        raise NotOffered("It has neither DynamoDB nor Step Functions.")

    def reach(self, url: str) -> str:
        return url


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
    def serve(self) -> Iterator[_Service]:
        """Start a fresh server, which has ended when the block ends."""
        sockets, requests, functions = free_port(), free_port(), free_port()
        with tempfile.TemporaryDirectory(prefix="labkit-bench-") as name:
            folder = Path(name, "service")
            shutil.copytree(SERVICE, folder)
            (folder / "node_modules").symlink_to(self.modules, target_is_directory=True)
            left = Path(name, "left")
            left.touch()
            command = [
                *("node", str(self.modules / "serverless" / "bin" / "serverless.js"), "offline"),
                *("--host", "127.0.0.1", "--websocketPort", str(sockets)),
                *("--httpPort", str(requests), "--lambdaPort", str(functions)),
                *(["--useInProcess"] if self.in_process else []),
            ]
            environment = {
                **os.environ,
                "BENCH_ENDPOINT": f"http://127.0.0.1:{sockets}",
                "BENCH_LEFT": str(left),
                "HOME": name,
                "SLS_NOTIFICATIONS_MODE": "off",
                "SLS_TELEMETRY_DISABLED": "1",
            }
            log = Path(name, "log")
            with Program(command, output=log, folder=folder, environment=environment) as program:
                program.until(lambda: _listens(sockets))
                yield _Service(program.pid, f"ws://127.0.0.1:{sockets}/", left)


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
