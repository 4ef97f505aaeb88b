"""One seed, from the first request to the end of everything, and what is wrong about it.

The customers are programs with the pattern's own client.  They order when they like, take their time
before they listen, crash and start again.  When nothing is left to happen, it is asked of the whole
world whether the pattern kept its promises.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import websocket

from tests.pattern.simulation.cloud import Cloud, Execution, give_back_retries
from tests.pattern.simulation.faults import Faults
from tests.pattern.simulation.network import ORDERS_URL, Network, Socket
from tests.pattern.simulation.schedule import EPOCH, Promise, Schedule

PATIENCE = 1_800.0
"""Seconds that a customer waits for an answer, and again for the result."""

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


@dataclass(frozen=True)
class Line:
    """One line of the timeline.

    Attributes:
        time: seconds since the beginning.
        who: whose doing it is.
        what: what happened.
    """

    time: float
    who: str
    what: str

    def __str__(self) -> str:
        mark = "⚡" if self.who == "fault" else " "
        return f"{self.time:12.3f} s {mark} {self.who}: {self.what}"


@dataclass(frozen=True)
class Outcome:
    """How a seed ended.

    Attributes:
        seed: the seed.
        faults: what could strike.
        struck: how many faults did.
        problems: which promises were broken, and how; empty if all is well.
        timeline: what happened.
        copies: how often results arrived at clients, duplicates counted.
    """

    seed: int
    faults: Faults
    struck: int
    problems: list[str]
    timeline: list[Line]
    copies: int

    def told(self) -> str:
        """All of it, to be read."""
        head = [f"seed {self.seed}: {self.struck} faults struck, of these kinds:"]
        head += [f"  {each}" for each in sorted(self.faults.kinds)]
        verdict = self.problems or ["All promises were kept."]
        return "\n".join([*head, "", *map(str, self.timeline), "", *verdict])


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
        programs: the client programs; each but the last crashed.
    """

    name: str
    key: str
    order: dict[str, Any]
    programs: list[Program] = field(default_factory=list)


def simulate(pattern: Pattern, seed: int) -> Outcome:
    """Run one seed (with :func:`schedule.virtual_time` in force)."""
    # botocore draws its pauses from the module's own generator.
    before = random.getstate()
    random.seed(seed)
    try:
        with redirect_stdout(io.StringIO()):
            return _simulate(pattern, seed)
    finally:
        random.setstate(before)
        give_back_retries(pattern.functions)


def _simulate(pattern: Pattern, seed: int) -> Outcome:
    draw = random.Random(seed)
    schedule = Schedule()
    timeline: list[Line] = []
    struck: list[str] = []

    def note(who: str, what: str) -> None:
        timeline.append(Line(schedule.now, who, what))

    def strike(where: str, kind: str) -> None:
        struck.append(kind)
        note("fault", f"{kind} ({where})")

    faults = Faults(draw, strike)
    cloud = Cloud(schedule, draw, faults, pattern.functions, pattern.machine, note)
    network = Network(cloud)
    pattern.functions["connect"].signing_key.cache_clear()

    stock = {"tea": draw.choice((1, 2, 10)), "cup": 100}
    for sku, available in stock.items():
        cloud.tables.stock(sku, available)
    customers = [
        Customer(f"client {number}", f"key {seed}.{number}", _order(draw, f"client {number}"))
        for number in range(1, draw.choice((1, 1, 1, 2)) + 1)
    ]
    for customer in customers:
        _begin(customer, pattern, network, cloud)
    schedule.run()

    end = End(customers, network, cloud, stock, EPOCH + schedule.now, pattern)
    problems = [
        f"{promise.__name__.replace('_', ' ')}? {broken}"
        for promise in PROMISES
        for broken in promise(end)
    ]
    frames = [text for socket in network.sockets for text in socket.frames]
    copies = sum('"result"' in text for text in frames)
    return Outcome(seed, faults, len(struck), problems, timeline, copies)


def _order(draw: random.Random, customer: str) -> dict[str, Any]:
    items = [{"sku": "tea", "quantity": 1}]
    if draw.random() < 0.5:
        items.append({"sku": "cup", "quantity": 2})
    return {"customer": customer, "currency": "EUR", "items": items}


# -- a customer ------------------------------------------------------------------------------------


def _begin(customer: Customer, pattern: Pattern, network: Network, cloud: Cloud) -> None:
    """Start the customer's program; should it crash, start it again."""
    schedule, draw = cloud.schedule, cloud.draw
    again = " again" * len(customer.programs)
    program = Program(customer.name + again)
    customer.programs.append(program)

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
            _begin(customer, pattern, network, cloud)

    if cloud.faults.strikes("client: starts again", customer.name):
        cloud.some_time(crash)


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


# -- the promises ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """What there is in the end.

    Attributes:
        customers: who ordered.
        network: with every connection.
        cloud: with every table and execution.
        stock: how many there were of each article.
        now: epoch seconds.
        pattern: the code that ran.
    """

    customers: list[Customer]
    network: Network
    cloud: Cloud
    stock: Mapping[str, int]
    now: float
    pattern: Pattern

    def executions(self, customer: Customer) -> list[Execution]:
        """What a customer's order led to."""
        return [
            execution
            for execution in self.cloud.executions.values()
            if json.loads(execution.given)["order"]["customer"] == customer.name
        ]

    def result(self, customer: Customer) -> dict[str, Any]:
        """The result that is stored for a customer's order."""
        for execution in self.executions(customer):
            item = self.cloud.tables.executions.get(execution.name, {})
            if "result" in item:
                return dict(json.loads(item["result"]["S"])["body"])
        return {}

    def frames(self, program: Program) -> list[str]:
        """What arrived at a program, over all its connections."""
        return [text for socket in self.network.of(program.name) for text in socket.frames]


def the_result_arrives(end: End) -> Iterator[str]:
    for customer in end.customers:
        *_, last = customer.programs
        if last.error:
            yield f"{last.name} has no result ({last.error})"


def the_result_is_the_one_that_is_stored(end: End) -> Iterator[str]:
    for customer in end.customers:
        *_, last = customer.programs
        stored = end.result(customer)
        if last.result is not None and last.result != stored:
            yield f"{last.name} got {last.result}, and {stored} is stored"


def nothing_is_given_twice(end: End) -> Iterator[str]:
    for customer in end.customers:
        for program in customer.programs:
            numbers = [message["sequence"] for message in program.given]
            if numbers != sorted(set(numbers)):
                yield f"{program.name} is given the messages {numbers}"
            # What comes after the result goes through the client's own inbox as well.
            inbox = end.pattern.client.Inbox()
            news = [inbox.news(text) for text in end.frames(program)]
            results = [each for each in news if each is not None and each["type"] == "result"]
            if len(results) > 1:
                yield f"{program.name} takes {len(results)} results for news"


def each_order_is_executed_once(end: End) -> Iterator[str]:
    for customer in end.customers:
        names = [execution.name for execution in end.executions(customer)]
        if len(names) != 1:
            yield f"the order of {customer.name} led to {len(names)} executions: {names}"


def no_order_fails_for_its_delivery(end: End) -> Iterator[str]:
    for name, execution in end.cloud.executions.items():
        if execution.status != "SUCCEEDED":
            yield f"{name} ended with {execution.status} in {execution.states[-1]}"


def stock_is_taken_once(end: End) -> Iterator[str]:
    taken = {sku: before - end.cloud.tables.available(sku) for sku, before in end.stock.items()}
    sold = dict.fromkeys(end.stock, 0)
    for customer in end.customers:
        if end.result(customer).get("status") == "accepted":
            for item in customer.order["items"]:
                sold[item["sku"]] += item["quantity"]
    if taken != sold:
        yield f"the results say {sold}, and {taken} is gone"


def everybody_hears_of_their_own_order_only(end: End) -> Iterator[str]:
    for customer in end.customers:
        for program in customer.programs:
            for text in end.frames(program):
                of = json.loads(text).get("execution")
                if of not in (None, *(each.name for each in end.executions(customer))):
                    yield f"{program.name} hears of {of}"


def whoever_listens_is_sent_the_result(end: End) -> Iterator[str]:
    """When the execution has ended, and the newest connection has subscribed, the result is sent.

    After some silence the client asks again, and hears what is stored.  That is for messages that
    got lost; where none can be, nobody should have to ask.
    """
    if end.cloud.faults.rough:
        return
    for customer in end.customers:
        sockets = [each for program in customer.programs for each in end.network.of(program.name)]
        if not sockets:
            continue
        newest = max(sockets, key=lambda socket: socket.connected_at)
        for execution in end.executions(customer):
            due = max(execution.ended_at, newest.heard_at)
            if due < newest.over_at and due < newest.sent_at:
                yield f"{newest.client} listens on {newest.id}, and at {due:.3f} s nothing was sent"


def nothing_is_kept_for_ever(end: End) -> Iterator[str]:
    lasts = {"connections": 2 * 3600, "executions": 90 * 24 * 3600}
    for table, seconds in lasts.items():
        for key, item in end.cloud.tables.state["tables"][table].items():
            left = int(item["expiresAt"]["N"]) - end.now
            if left > seconds:
                yield f"{table} keeps {key} for {left / 3600 / 24 / 365:.0f} years"


PROMISES: tuple[Callable[[End], Iterator[str]], ...] = (
    the_result_arrives,
    the_result_is_the_one_that_is_stored,
    nothing_is_given_twice,
    each_order_is_executed_once,
    no_order_fails_for_its_delivery,
    stock_is_taken_once,
    everybody_hears_of_their_own_order_only,
    whoever_listens_is_sent_the_result,
    nothing_is_kept_for_ever,
)
"""What the pattern promises; each tells how it was broken."""
