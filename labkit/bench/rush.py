"""A rush: many orders at the same moment, each from a client of its own, through the whole pattern."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from labkit.bench.measurement import Quantity
from labkit.bench.pattern import ORDER
from labkit.bench.peer import Peer
from labkit.bench.process_tree import Watch, memory, settle
from labkit.bench.summary import percentile
from labkit.pattern.client import Message, OrderClient

STACK = 512 * 1024
"""Bytes of stack that a client's thread gets; there are many."""


@dataclass
class _Delivered:
    """What one client's code was given."""

    results: list[Message] = field(default_factory=list)
    took: float = 0.0
    problem: str = ""

    def note(self, message: Message) -> None:
        if message["type"] == "result":
            self.results.append(message)


@dataclass(frozen=True, slots=True)
class Rush:
    """Orders that are placed at once; every client waits for its result as long as it takes.

    Attributes:
        orders: how many.
        seconds: until each result must be there.
    """

    orders: int
    seconds: float = 300.0

    lab_alone = True

    @property
    def name(self) -> str:
        """What ``--only`` calls it."""
        return f"orders-{self.orders}"

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""
        return (
            Quantity("seconds", f"{self.orders:,} orders at once, until the last result", "s"),
            Quantity("p50", "request sent to result received, p50", "s"),
            Quantity("lost", "orders without a result of their own", ""),
            Quantity("failed", "orders whose work was given up", ""),
            Quantity("twice", "results that came twice to the client's code", ""),
            Quantity("processes", "processes at a time, at most", ""),
            Quantity("memory", "memory afterwards, for each order", "KB"),
        )

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once, with a fresh server."""
        order = json.loads(ORDER.read_text("utf-8"))
        all_ready = threading.Barrier(self.orders)

        def place(url: str) -> _Delivered:
            delivered = _Delivered()
            client = OrderClient(url, on_message=delivered.note)
            all_ready.wait()
            began = time.perf_counter()
            try:
                placed = client.place_order(order, timeout=self.seconds)
                client.result(timeout=self.seconds)
                delivered.took = time.perf_counter() - began
                if any(placed.order_id not in one["id"] for one in delivered.results):
                    delivered.problem = "another order's result"
            except Exception as error:
                delivered.problem = f"{type(error).__name__}: {error}"
            finally:
                client.close()
            return delivered

        with peer.serve() as system:
            url = system.deploy_pattern(portable=False)
            settle(system.pid)
            before = memory(system.pid)
            with Watch(system.pid) as watch, _Stack(STACK), ThreadPoolExecutor(self.orders) as pool:
                began = time.perf_counter()
                everybody = list(pool.map(place, [url] * self.orders))
                seconds = time.perf_counter() - began
            settle(system.pid)
            after = memory(system.pid)
        served = [one for one in everybody if not one.problem]
        measured = {
            "seconds": seconds,
            "lost": float(self.orders - len(served)),
            "failed": float(sum(one.results[-1]["body"]["status"] == "failed" for one in served)),
            "twice": float(sum(max(0, len(one.results) - 1) for one in everybody)),
        }
        if served:
            measured["p50"] = percentile([one.took for one in served], 50)
        if watch.processes:
            measured["processes"] = watch.processes
        if before and after:
            measured["memory"] = max(0.0, (after - before) / self.orders / 1024)
        if problems := Counter(one.problem for one in everybody if one.problem):
            (what, times), *_ = problems.most_common(1)
            print(f"{times} orders had no result: {what}", flush=True)
        return measured


class _Stack:
    """Threads that are started in a block have a stack of another size."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        self._size = threading.stack_size(self._size)

    def __exit__(self, *error: object) -> None:
        threading.stack_size(self._size)
