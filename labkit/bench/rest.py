"""Rest: what a server costs that is up, has worked, and has nothing to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.bench.client import SECONDS, Client, message
from labkit.bench.crowd import crowd
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer
from labkit.bench.process_tree import cpu_share, memory, settle


@dataclass(frozen=True, slots=True)
class Rest:
    """A server behind which one function is warm and one connection is open.

    Then others join that say nothing.  There is no function for ``$connect``, so what they cost is the
    connection alone.

    Attributes:
        connections: how many join.
        watched: seconds for which CPU time is watched.
    """

    connections: int = 1_000
    watched: float = 3.0

    name = "rest"
    lab_alone = False

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""
        return (
            Quantity("cpu", "CPU at rest", "% of a core"),
            Quantity("memory", "memory of the server's process", "MB"),
            Quantity("each", f"of each of {self.connections:,} connections, no $connect", "KB"),
        )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        measured: dict[str, float] = {}
        with peer.serve() as system:
            url = system.deploy_echo()
            with Client(url) as client:
                client.echo(message(0))
                settle(system.pid)
                cpu, held = cpu_share(system.pid, self.watched), memory(system.pid)
                with crowd(url, self.connections, SECONDS):
                    settle(system.pid)
                    holds = memory(system.pid)
        if cpu is not None:
            measured["cpu"] = cpu
        if held is not None and holds is not None:
            measured["memory"] = held / 1024 / 1024
            measured["each"] = (holds - held) / self.connections / 1024
        return measured
