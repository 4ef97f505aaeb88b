"""The whole pattern: from the HTTP request of an order to its result, over the WebSocket."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import websocket

from labkit.bench.client import BadAnswer
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer, System
from labkit.bench.process_tree import settle, usage
from labkit.bench.summary import percentile
from labkit.pattern.client import OrderClient

ORDER = Path(__file__).parent.parent / "pattern" / "order.json"
SECONDS = 30.0
"""How long an order may take."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Orders, one after the other, each by a client of its own.

    Attributes:
        orders: how many are measured.
        warm_up: how many go before, unmeasured but for the first.
        portable: whether the state machine does without what only AWS and labkit run: a function
            sends the result, and how old a connection is does not matter.
    """

    orders: int = 50
    warm_up: int = 5
    portable: bool = False

    lab_alone = False

    @property
    def name(self) -> str:
        """What ``--only`` calls it."""
        return "pattern-portable" if self.portable else "pattern"

    quantities: Sequence[Quantity] = (
        Quantity("first", "first order, all functions cold", "ms"),
        Quantity("p50", "request sent to result received, p50", "ms"),
        Quantity("p99", "request sent to result received, p99", "ms"),
        Quantity("cpu", "CPU time of one order, all processes of the system", "ms"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        with peer.serve() as system:
            url = system.deploy_pattern(portable=self.portable)
            settle(system.pid)
            first, *_ = [_order(system, url) for _ in range(1 + self.warm_up)]
            before = usage(system.pid)
            times = [_order(system, url) for _ in range(self.orders)]
            settle(system.pid)  # what follows the result belongs to the order, too
            after = usage(system.pid)
        measured = {"first": first, "p50": percentile(times, 50), "p99": percentile(times, 99)}
        if before and after:
            measured["cpu"] = (after.cpu - before.cpu) / self.orders * 1000
        return measured


def _order(system: System, url: str) -> float:
    """Milliseconds until the result of an order is there."""

    def connect(url: str, timeout: float) -> websocket.WebSocket:
        # One of the systems gives a WebSocket API an address that begins with http.
        address = system.reach(url).replace("http", "ws", 1)
        return websocket.create_connection(address, timeout=timeout)

    order = json.loads(ORDER.read_text("utf-8"))
    client = OrderClient(url, connect=connect)
    began = time.perf_counter()
    client.place_order(order, timeout=SECONDS)
    result = client.result(timeout=SECONDS)
    took = (time.perf_counter() - began) * 1000
    client.close()
    if result["status"] != "accepted":
        raise BadAnswer(f"An order was not accepted; its result is {result!r}.")
    return took
