"""What the pattern promises, whatever goes wrong: asked when nothing is left to happen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.pattern.simulation.cloud import Cloud, Execution, shown
from tests.pattern.simulation.customer import EAVESDROPPER, Customer, Pattern, Program
from tests.pattern.simulation.network import Network


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

    def lasting(self) -> list[Program]:
        """The program of each tab that did not crash."""
        return [tab[-1] for customer in self.customers for tab in customer.tabs]

    def frames(self, program: Program) -> list[str]:
        """What arrived at a program, over all its connections."""
        return [text for socket in self.network.of(program.name) for text in socket.frames]


def the_result_arrives(end: End) -> Iterator[str]:
    for last in end.lasting():
        if last.error:
            yield f"{last.name} has no result ({last.error})"


def the_result_is_the_one_that_is_stored(end: End) -> Iterator[str]:
    for customer in end.customers:
        stored = end.result(customer)
        for program in customer.programs:
            if program.result is not None and program.result != stored:
                yield f"{program.name} got {program.result}, and {stored} is stored"


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
    for socket in end.network.of(EAVESDROPPER):
        if socket.frames:
            yield f"an eavesdropper hears {shown(socket.frames[0])} on {socket.id}"


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


Rule = Callable[[End], Iterator[str]]

PROMISES: tuple[Rule, ...] = (
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
