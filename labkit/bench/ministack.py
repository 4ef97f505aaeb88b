"""ministack as a peer: the same functions and the same boto3, on another emulator.

``bench/peers/install.py`` puts it into a virtual environment of its own, with boto3 beside it for its
functions.  It is run as its documentation says, but listens on this machine alone.

What its functions send to an API's own host name has to reach it.  That is done as in the local
cloud: every Python that it starts finds ``sitecustomize``, which finds the address beside the AWS
configuration.  So the functions are the same on both, and so is the client with which they call.
"""

from __future__ import annotations

import os
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from labkit.bench.deployed import REGION, Deployed
from labkit.bench.program import Program, free_port
from labkit.runtime import redirect

DOMAIN = f"{REGION}.amazonaws.com"
"""What follows ``execute-api.`` in its APIs' host names, as on AWS."""

RUNTIME = Path(redirect.__file__).parent


@dataclass(frozen=True, slots=True)
class Ministack:
    """ministack, from a folder that ``bench/peers/install.py`` filled.

    Attributes:
        peers: the folder.
    """

    peers: Path

    name = "ministack"

    @property
    def python(self) -> Path:
        """The Python of its virtual environment."""
        inside = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        return self.peers / "ministack" / inside

    @property
    def is_installed(self) -> bool:
        """Whether the folder has it."""
        return self.python.exists()

    @contextmanager
    def serve(self) -> Iterator[Deployed]:
        """Start a fresh server, which has ended when the block ends.

        Every AWS call of this process goes to it meanwhile.
        """
        port = free_port()
        endpoint = f"http://127.0.0.1:{port}"
        with tempfile.TemporaryDirectory(prefix="labkit-bench-") as name:
            folder = Path(name)
            (folder / "endpoint").write_text(endpoint, "utf-8")
            environment = {
                **os.environ,
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "MINISTACK_HOST": DOMAIN,
                "TMPDIR": name,
                "AWS_CONFIG_FILE": str(folder / "config"),
                "PYTHONPATH": str(RUNTIME),
            }
            command = [str(self.python), "-m", "ministack"]
            with Program(command, output=folder / "log", environment=environment) as program:
                program.until(lambda: _answers(endpoint))
                redirect.install(endpoint)
                try:
                    yield Deployed(
                        program.pid,
                        folder,
                        reach_by=_by_path(port),
                        runs_all=False,
                        needs_connect=True,  # its $default runs in place of $connect, and fails
                    )
                finally:
                    redirect.uninstall()


def _answers(endpoint: str) -> bool:
    with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5) as answer:
        return bool(answer.status == 200)


def _by_path(port: int) -> Callable[[str], str]:
    """Where an address with an API's host name leads: to its path on the one port."""

    def reach(url: str) -> str:
        parts = urlsplit(url)
        api = (parts.hostname or "").partition(".")[0]
        query = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://127.0.0.1:{port}/_aws/execute-api/{api}{parts.path}{query}"

    return reach
