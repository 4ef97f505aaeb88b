"""Invocation: ``Invoke`` of a function that builds its clients at import, cold and warm."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.bench.measurement import Quantity
from labkit.bench.peer import Peer, System
from labkit.bench.process_tree import settle
from labkit.bench.summary import percentile


@dataclass(frozen=True, slots=True)
class Invocation:
    """Synchronous invocations by boto3, the time of boto3 in the caller included.

    Attributes:
        functions: how many functions are invoked cold.
        invocations: how many times one of them is then invoked warm.
    """

    functions: int = 5
    invocations: int = 300

    name = "invoke"
    lab_alone = False
    quantities: Sequence[Quantity] = (
        Quantity("cold", "cold, DynamoDB and @connections clients built at import, p50", "ms"),
        Quantity("p50", "warm, p50", "ms"),
        Quantity("p99", "warm, p99", "ms"),
    )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        with peer.serve() as system:
            functions = [system.deploy_function() for _ in range(self.functions + 1)]
            settle(system.pid)
            # The first invocation ever also starts what all functions share.
            system.invoke(functions.pop())
            cold = [_invoke(system, function) for function in functions]
            warm = [_invoke(system, functions[-1]) for _ in range(self.invocations)]
        return {
            "cold": statistics.median(cold),
            "p50": percentile(warm, 50),
            "p99": percentile(warm, 99),
        }


def _invoke(system: System, function: str) -> float:
    """Milliseconds until a function has answered."""
    began = time.perf_counter()
    system.invoke(function)
    return (time.perf_counter() - began) * 1000
