"""Load: many clients at once, whose messages meet a function that has never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.bench.crowd import converse, crowd
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer
from labkit.bench.process_tree import Watch, settle


@dataclass(frozen=True, slots=True)
class Load:
    """Messages a second, from cold, all of them served.

    Attributes:
        clients: how many connections; each sends its next message when the last has come back.
        messages: how many each of them sends.
        seconds: until all must have been served.
    """

    clients: int
    messages: int = 20
    seconds: float = 60.0

    lab_alone = False

    @property
    def name(self) -> str:
        """What ``--only`` calls it."""
        return f"load-{self.clients}"

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""
        what = f"{self.clients} clients x {self.messages} messages, from cold"
        return (
            Quantity("rate", what, "messages/s", more_is_better=True),
            Quantity("again", "the same once more, warm", "messages/s", more_is_better=True),
            Quantity("processes", "processes at a time, at most", ""),
        )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        total = self.clients * self.messages
        with peer.serve() as system:
            url = system.deploy_echo()
            settle(system.pid)
            with crowd(url, self.clients, self.seconds) as sockets, Watch(system.pid) as watch:
                cold = converse(sockets, self.messages, self.seconds)
                warm = converse(sockets, self.messages, self.seconds)
        measured = {"rate": total / cold, "again": total / warm}
        if watch.processes:
            measured["processes"] = watch.processes
        return measured
