"""A soak: the same work for a long time, with pauses in which is looked at what the cloud holds.

    labkit bench --soak MINUTES

Several clients work at a time.  Each places an order through the whole pattern, waits for its result,
then opens a connection of its own, sends messages through a function and closes it.  What an AWS account
keeps without a bound is deleted, as its time to live and its retention would: an order's item in the
table, and in each pause the lines of CloudWatch Logs, about 1 KB for each invocation.  So what grows is
what the cloud holds by itself: the event log and the state machine's executions, up to their bounds.
"""

from __future__ import annotations

import itertools
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import boto3

from labkit.bench.client import BadAnswer, Client, message
from labkit.bench.deployed import REGION
from labkit.bench.local_cloud import LocalCloud
from labkit.bench.pattern import ORDER, SECONDS
from labkit.bench.process_tree import Holding, holding, settle
from labkit.bench.report import markdown, number
from labkit.errors import EnvironmentProblem
from labkit.pattern.client import OrderClient

CLIENTS = 4
ECHOES = 10
"""Messages over each connection."""

TABLE = "orders-executions"
"""Where the pattern keeps its orders."""

LOOKS = 24
"""Pauses in which the cloud is looked at."""

UNITS = {"memory": "MB", "threads": "", "descriptors": "", "processes": ""}
WHAT = {
    "memory": "memory of the cloud's process",
    "threads": "its threads",
    "descriptors": "its open files and sockets",
    "processes": "processes, those of functions included",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in a pause.

    Attributes:
        seconds: since the soak began.
        orders: how many had been delivered.
        holding: what the cloud held, at rest.
    """

    seconds: float
    orders: int
    holding: Holding


@dataclass(frozen=True, slots=True)
class Growth:
    """How something went.

    Attributes:
        early: the median of the second quarter of the looks; the first is for warming up.
        late: the median of the last quarter.
        hourly: by how much it grows in an hour, as between the two.
    """

    early: float
    late: float
    hourly: float


def growth(looks: Sequence[Look], name: str) -> Growth:
    """How something went during a soak.

    Args:
        looks: at least four, the first one first.
        name: which member of :class:`~labkit.bench.process_tree.Holding`.
    """
    quarter = len(looks) // 4
    parts = looks[quarter : 2 * quarter], looks[-quarter:]
    early, late = (statistics.median(getattr(one.holding, name) for one in part) for part in parts)
    first, last = (statistics.median(one.seconds for one in part) for part in parts)
    return Growth(early, late, (late - early) / (last - first) * 3600)


def soak(minutes: float, tell: Callable[[str], object], count: int = LOOKS) -> list[Look]:
    """Work for so many minutes, and look.

    Args:
        minutes: how long; each client places an order between two looks, even if that takes longer.
        tell: called with a line of progress at each look.
        count: how many looks, at least four.

    Returns:
        What was seen.

    Raises:
        BadAnswer: something else came back than should.
        TimeoutError: an order's result did not come.
        EnvironmentProblem: the system does not tell what a process holds.
    """
    looks: list[Look] = []
    with LocalCloud().serve() as system, ThreadPoolExecutor(CLIENTS) as clients:
        orders_url, echo_url = system.deploy_pattern(portable=False), system.deploy_echo()
        order = json.loads(ORDER.read_text("utf-8"))
        began = time.perf_counter()
        delivered = 0
        for look in range(1, count + 1):
            over = threading.Event()
            timer = threading.Timer(
                began + minutes * 60 * look / count - time.perf_counter(), over.set
            )
            timer.start()
            try:
                work = [
                    clients.submit(_work, orders_url, echo_url, order, over) for _ in range(CLIENTS)
                ]
                delivered += sum(one.result() for one in work)
            finally:
                over.set()
                timer.cancel()
            settle(system.pid)
            forget_logs()
            held = holding(system.pid)
            if held is None:
                raise EnvironmentProblem("A soak reads /proc, which only Linux has.")
            looks.append(Look(time.perf_counter() - began, delivered, held))
            tell(
                f"soak: look {look} of {count}, {delivered} orders, {held.memory:.0f} MB, "
                f"{held.threads} threads, {held.descriptors} descriptors, {held.processes} processes"
            )
    return looks


def _work(orders_url: str, echo_url: str, order: object, over: threading.Event) -> int:
    """Place orders and send messages until it is over; how many orders were delivered."""
    dynamodb = boto3.Session(region_name=REGION).client("dynamodb")
    for done in itertools.count(1):
        with OrderClient(orders_url) as client:
            placed = client.place_order(order, timeout=SECONDS)
            result = client.result(timeout=SECONDS)
        if result["status"] not in ("accepted", "rejected"):  # the shop runs out in the end
            raise BadAnswer(f"An order's result is {result!r}.")
        # As its time to live would in the end.
        dynamodb.delete_item(TableName=TABLE, Key={"executionName": {"S": placed.order_id}})
        with Client(echo_url) as client_of_echo:
            for echo in range(ECHOES):
                client_of_echo.echo(message(echo))
        if over.is_set():
            return done
    raise AssertionError("a count has no end")


def forget_logs() -> None:
    """Delete what functions have logged; Lambda makes the group again with the next line."""
    logs = boto3.Session(region_name=REGION).client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            logs.delete_log_group(logGroupName=group["logGroupName"])


def to_json(looks: Sequence[Look], machine: dict[str, Any]) -> dict[str, Any]:
    """The soak as JSON data: ``machine``, ``orders``, ``growth`` by what grows, and all ``looks``."""
    return {
        "machine": machine,
        "orders": looks[-1].orders,
        "growth": {name: asdict(growth(looks, name)) for name in WHAT},
        "looks": [asdict(look) for look in looks],
    }


def table(looks: Sequence[Look], machine: dict[str, Any]) -> str:
    """The soak as a Markdown table."""
    rows = [["held at rest", "unit", "second quarter", "last quarter", "an hour"]]
    for name, what in WHAT.items():
        went = growth(looks, name)
        more = f"{went.hourly:+,.0f}"
        rows.append([what, UNITS[name], number(went.early), number(went.late), more])
    facts = ", ".join(f"{name}: {value}" for name, value in machine.items())
    last = looks[-1]
    head = f"{last.orders:,} orders in {last.seconds / 60:.0f} minutes.  {facts}"
    return "\n".join([head, "", *markdown(rows, first_number=2)])
