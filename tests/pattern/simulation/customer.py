"""The customers: programs with the pattern's own client.

They order when they like, take their time before they listen, crash and start again.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlencode

import websocket

from tests.pattern.simulation.cloud import Cloud
from tests.pattern.simulation.network import ORDERS_URL, Network, Socket
from tests.pattern.simulation.schedule import EPOCH, Promise, Schedule

PATIENCE = 900.0
"""Seconds that a customer waits for an answer, and again for the result: less than TCP takes to give a
silent connection up."""

EAVESDROPPER = "eavesdropper"

LINGERS = 60.0
"""Seconds that a customer keeps the connection open when the result is there."""


@dataclass(frozen=True)
class Pattern:
    """The code that is simulated: the reference implementation, or a variant.

    Attributes:
        functions: the functions' modules.
        machine: the state machine's definition.
        client: the client's module.
    """

    functions: Mapping[str, ModuleType]
    machine: dict[str, Any]
    client: ModuleType


@dataclass
class Program:
    """A client program, from its start to its end or its crash.

    Attributes:
        name: for the timeline.
        given: the messages that the client gave to its code.
        result: what it got in the end.
        error: why it has none.
    """

    name: str
    given: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    error: str = "it did not end"


@dataclass
class Customer:
    """Somebody who orders.

    Attributes:
        name: for the timeline.
        key: the idempotency key.
        order: what is ordered.
        tabs: the client programs of each tab that follows the order; each but the last crashed.
    """

    name: str
    key: str
    order: dict[str, Any]
    tabs: list[list[Program]] = field(default_factory=list)

    @property
    def programs(self) -> list[Program]:
        """The client programs of all tabs."""
        return [program for tab in self.tabs for program in tab]


def order(draw: random.Random, customer: str) -> dict[str, Any]:
    items = [{"sku": "tea", "quantity": 1}]
    if draw.random() < 0.5:
        items.append({"sku": "cup", "quantity": 2})
    return {"customer": customer, "currency": "EUR", "items": items}


def begin(customer: Customer, pattern: Pattern, network: Network, cloud: Cloud) -> None:
    """Open a tab that orders and follows the order; and sometimes a second one, which does the same."""
    tab: list[Program] = []
    customer.tabs.append(tab)
    _start(customer, tab, pattern, network, cloud)
    if len(customer.tabs) == 1 and cloud.faults.strikes("client: second tab", customer.name):
        cloud.some_time(lambda: begin(customer, pattern, network, cloud))


def _start(
    customer: Customer, tab: list[Program], pattern: Pattern, network: Network, cloud: Cloud
) -> None:
    """Start the tab's program; should it crash, start it again."""
    schedule, draw = cloud.schedule, cloud.draw
    second = " in a second tab" * (len(customer.tabs) - 1)
    program = Program(customer.name + second + " again" * len(tab))
    tab.append(program)

    def listen(message: dict[str, Any]) -> None:
        cloud.note(program.name, f"is given {message['type']} #{message['sequence']}")
        program.given.append(message)

    def run() -> None:
        client = pattern.client.OrderClient(
            ORDERS_URL,
            on_message=listen,
            idempotency_key=customer.key,
            connect=lambda url, timeout: network.connect(program.name, url, timeout),
            urlopen=lambda request, timeout: network.request(program.name, request, timeout),
            sleep=schedule.sleep,
            uniform=draw.uniform,
        )
        schedule.sleep(draw.choice((0.0, 0.0, 0.05, 0.5)))
        try:
            client.place_order(customer.order, timeout=PATIENCE)
            _dawdle(cloud)
            program.result = client.result(timeout=PATIENCE)
        except (TimeoutError, pattern.client.OrderRefused) as error:
            program.error = f"{type(error).__name__}: {error}"
            cloud.note(program.name, f"gives up: {program.error}")
        else:
            program.error = ""
            _linger(network.of(program.name)[-1], schedule)
        client.close()

    task = schedule.start(program.name, run)

    def crash() -> None:
        if program.result is None and not task.over.is_kept:
            cloud.note("fault", f"{program.name} crashes, and starts again")
            schedule.kill(task)
            for socket in network.of(program.name):
                socket.close()
            _start(customer, tab, pattern, network, cloud)

    if cloud.faults.strikes("client: starts again", customer.name):
        cloud.some_time(crash)


def eavesdrop(url: str, network: Network, cloud: Cloud) -> None:
    """Somebody who read the URL of a connection in a log, or knows an order's name, listens."""
    if cloud.draw.random() < 0.5:
        url = _with_a_ticket_of_ones_own(url, cloud.schedule.now)

    def run() -> None:
        try:
            socket = network.connect(EAVESDROPPER, url, timeout=15.0)
            socket.send(json.dumps({"action": "subscribe"}))
            _linger(socket, cloud.schedule)
            socket.close()
        except (OSError, websocket.WebSocketException):
            return

    cloud.schedule.start(EAVESDROPPER, run)


def _with_a_ticket_of_ones_own(url: str, now: float) -> str:
    address, _, query = url.partition("?")
    payload, _, signature = parse_qs(query)["ticket"][0].partition(".")
    execution, _expires, _nonce = json.loads(base64.urlsafe_b64decode(payload + "=="))
    made = json.dumps([execution, int(EPOCH + now) + 60, "made up"]).encode()
    ticket = f"{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}.{signature}"
    return f"{address}?{urlencode({'ticket': ticket})}"


def _dawdle(cloud: Cloud) -> None:
    """Listen at once, or later, or when the ticket is too old."""
    moment = Promise()
    if cloud.draw.random() < 0.6:
        cloud.some_time(lambda: cloud.schedule.keep(moment))
        cloud.schedule.wait(moment, cloud.draw.choice((10.0, 10.0, 70.0)))


def _linger(socket: Socket, schedule: Schedule) -> None:
    """Read what else comes, such as duplicates of the result."""
    until = schedule.now + LINGERS
    try:
        while schedule.now < until:
            socket.settimeout(until - schedule.now)
            if not socket.recv():
                return
    except (OSError, websocket.WebSocketException):
        return
