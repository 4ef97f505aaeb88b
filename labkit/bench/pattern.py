"""The whole pattern: from the HTTP request of an order to its result, over the WebSocket."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.bench.client import BadAnswer
from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer
from labkit.bench.process_tree import settle
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
    """

    orders: int = 50
    warm_up: int = 5

    name = "pattern"
    lab_alone = False
    quantities: Sequence[Quantity] = (
        Quantity("first", "first order, all functions cold", "ms"),
        Quantity("p50", "request sent to result received, p50", "ms"),
        Quantity("p99", "request sent to result received, p99", "ms"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        with peer.serve() as system:
            url = system.deploy_pattern()
            settle(system.pid)
            first, *_ = [_order(url) for _ in range(1 + self.warm_up)]
            times = [_order(url) for _ in range(self.orders)]
        return {"first": first, "p50": percentile(times, 50), "p99": percentile(times, 99)}


def _order(url: str) -> float:
    """Milliseconds until the result of an order is there."""
    order = json.loads(ORDER.read_text("utf-8"))
    client = OrderClient(url)
    began = time.perf_counter()
    client.place_order(order, timeout=SECONDS)
    result = client.result(timeout=SECONDS)
    took = (time.perf_counter() - began) * 1000
    client.close()
    if result["status"] != "accepted":
        raise BadAnswer(f"An order was not accepted; its result is {result!r}.")
    return took
