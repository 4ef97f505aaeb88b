"""Rest: what a server costs that is up, has worked, and has nothing to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.bench.client import Client, message
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer
from labkit.bench.process_tree import cpu_share, memory, settle


@dataclass(frozen=True, slots=True)
class Rest:
    """A server behind which one function is warm and one connection is open.

    Attributes:
        watched: seconds for which CPU time is watched.
    """

    watched: float = 3.0

    name = "rest"
    lab_alone = False
    quantities: Sequence[Quantity] = (
        Quantity("cpu", "CPU at rest", "% of a core"),
        Quantity("memory", "memory of the server's process", "MB"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        with peer.serve() as system, Client(system.deploy_echo()) as client:
            client.echo(message(0))
            settle(system.pid)
            cpu = cpu_share(system.pid, self.watched)
            held = memory(system.pid)
        measured = {"cpu": cpu, "memory": None if held is None else held / 1024 / 1024}
        return {key: value for key, value in measured.items() if value is not None}
