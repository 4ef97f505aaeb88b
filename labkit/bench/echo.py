"""Echo: a message goes to a function, and comes back through ``post_to_connection``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.bench.client import Client, message
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer
from labkit.bench.process_tree import settle, usage
from labkit.bench.summary import percentile


@dataclass(frozen=True, slots=True)
class Echo:
    """Round trips of one client that sends each message when the one before has come back.

    Attributes:
        messages: how many are measured.
        pauses: how many more are measured, each after a pause.
        pause: seconds; long enough that a function's process is frozen meanwhile, as on AWS.
        warm_up: how many go before, unmeasured but for the first.
    """

    messages: int = 2_000
    pauses: int = 100
    pause: float = 0.02
    warm_up: int = 100

    name = "echo"
    lab_alone = False
    quantities: Sequence[Quantity] = (
        Quantity("first", "first message, the function cold", "ms"),
        Quantity("p50", "round trip, p50", "ms"),
        Quantity("p99", "round trip, p99", "ms"),
        Quantity("cpu", "CPU time of one, all processes", "ms"),
        Quantity("paused", "round trip after a pause, p50", "ms"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        with peer.serve() as system:
            url = system.deploy_echo()
            settle(system.pid)
            with Client(url) as client:
                first = _round_trip(client, 0)
                for number in range(self.warm_up):
                    client.echo(message(number))
                before = usage(system.pid)
                times = [_round_trip(client, number) for number in range(self.messages)]
                after = usage(system.pid)
                paused = []
                for number in range(self.pauses):
                    time.sleep(self.pause)
                    paused.append(_round_trip(client, number))
        measured = {
            "first": first,
            "p50": percentile(times, 50),
            "p99": percentile(times, 99),
            "paused": percentile(paused, 50),
        }
        if before and after:
            measured["cpu"] = (after.cpu - before.cpu) / self.messages * 1000
        return measured


def _round_trip(client: Client, number: int) -> float:
    """Milliseconds until a message has come back."""
    text = message(number)
    began = time.perf_counter()
    client.echo(text)
    return (time.perf_counter() - began) * 1000
