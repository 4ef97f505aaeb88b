"""The client connects at any moment, and its code is given the result exactly once.

Twice over: *step by step*, where the execution stands still as it enters its states, so that every
order of the two sides' steps is met for certain; and *by the clock*, every 5 ms across an execution
that runs freely.  Code that is wrong on purpose goes through both, and must be caught.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from labkit.pattern.client import Message, Placed
from tests.pattern.conftest import DEADLINE, ORDER, Shop, Socket, Steps, new_key, results

STEP = 0.005
"""Seconds between two moments of the sweep."""

MOMENTS = ["DoWork", "SaveResult", "GetConn", "IsConnected", "Notify", "Done", "ended"]


@dataclass(frozen=True)
class Delivery:
    """How a client fared.

    Attributes:
        results: those that its code was given.
        status: the execution's.
        copies: how often the result came over the wire.
        late: whether the execution was over before the client was connected.
    """

    results: list[Message]
    status: str
    copies: int
    late: bool = False

    @property
    def is_right(self) -> bool:
        return len(self.results) == 1 and self.status == "SUCCEEDED"


# -- step by step ----------------------------------------------------------------------------------


def go_to(moment: str, shop: Shop, placed: Placed, steps: Steps) -> None:
    if moment == "ended":
        steps.go_on()
        shop.ended(placed)
    else:
        steps.go_to(moment)


def delivered(shop: Shop, placed: Placed, *sockets: Socket) -> Delivery:
    """What one client received over all its connections, of which the last is still open."""
    status = shop.ended(placed)
    sockets[-1].recv_until_help()
    sockets[-1].close()
    frames = [text for socket in sockets for text in socket.frames]
    return Delivery(results(frames), status, copies(frames))


def copies(frames: list[str]) -> int:
    return sum(json.loads(text)["type"] == "result" for text in frames)


def step_by_step(shop: Shop, connect_at: str, subscribe_at: str) -> Delivery:
    """The client connects at one moment of the execution, and subscribes at another."""
    with shop.hold("DoWork") as steps:
        placed = shop.place()
        go_to(connect_at, shop, placed, steps)
        socket = shop.connect(placed.websocket_url)
        go_to(subscribe_at, shop, placed, steps)
        shop.subscribe(socket)
        steps.go_on()
        return delivered(shop, placed, socket)


def leave_and_return(shop: Shop, leave_at: str, return_at: str) -> Delivery:
    """The client listens from the start, goes at one moment, and is back at another."""
    key = new_key()
    with shop.hold("DoWork") as steps:
        placed = shop.place(key=key)
        first = shop.connect(placed.websocket_url)
        shop.subscribe(first)
        go_to(leave_at, shop, placed, steps)
        first.close()
        shop.disconnected(first)
        go_to(return_at, shop, placed, steps)
        second = shop.connect(shop.place(key=key).websocket_url)
        shop.subscribe(second)
        steps.go_on()
        return delivered(shop, placed, first, second)


def pairs(first_that_skips_notify: str) -> list[tuple[str, str]]:
    """Every two moments in order; ``Notify`` is entered only if somebody listens by then."""
    skips = MOMENTS.index(first_that_skips_notify)
    return [
        (first, second)
        for first, second in itertools.combinations_with_replacement(MOMENTS, 2)
        if MOMENTS.index(first) < skips or "Notify" not in (first, second)
    ]


@pytest.mark.parametrize(("connect_at", "subscribe_at"), pairs("IsConnected"))
def test_result_comes_once_wherever_the_execution_is_when_the_client_connects_and_subscribes(
    shop: Shop, connect_at: str, subscribe_at: str
) -> None:
    assert step_by_step(shop, connect_at, subscribe_at).is_right


@pytest.mark.parametrize("return_at", ["GetConn", "IsConnected", "Done", "ended"])
@pytest.mark.parametrize("leave_at", ["DoWork", "GetConn"])
def test_result_comes_once_to_a_client_that_went_before_it_was_looked_for(
    shop: Shop, leave_at: str, return_at: str
) -> None:
    assert leave_and_return(shop, leave_at, return_at).is_right


@pytest.mark.parametrize("return_at", ["Notify", "ForgetConn", "Done", "ended"])
@pytest.mark.parametrize("leave_at", ["IsConnected", "Notify"])
def test_result_comes_once_to_a_client_that_went_after_it_was_looked_for(
    shop: Shop, leave_at: str, return_at: str
) -> None:
    assert leave_and_return(shop, leave_at, return_at).is_right


# -- by the clock ----------------------------------------------------------------------------------


def sweep(shop: Shop, *, patience: float = DEADLINE) -> Iterator[Delivery]:
    """Orders whose client connects a little later each time.

    It begins as soon as the answer is there, and ends when twenty clients in a row were too late
    for everything, whatever an execution takes on this machine today.
    """
    late = 0
    for number in itertools.count():
        delivery = connect_after(shop, number * STEP, patience)
        yield delivery
        late = late + 1 if delivery.late else 0
        if late == 20:
            return


def connect_after(shop: Shop, seconds: float, patience: float) -> Delivery:
    """One order; the pattern's own client connects so many seconds after the answer."""
    got: list[Message] = []
    sockets: list[Socket] = []

    def connect(url: str, timeout: float) -> Socket:
        sockets.append(shop.connect(url, timeout))
        return sockets[-1]

    with shop.client(on_message=got.append, connect=connect) as client:
        placed = client.place_order(ORDER)
        time.sleep(seconds)  # the moment is what is tested; nothing is waited for
        client.connect()
        try:
            client.result(timeout=patience)
        except TimeoutError:
            assert patience < DEADLINE, "the result did not come"
        status = shop.ended(placed)
        shop.subscribed(sockets[0])
        frames = sockets[0].recv_until_help()
    opened = shop.wait("connection.opened", connection=sockets[0].connection)
    over = shop.wait("execution.ended", execution=placed.execution_arn)
    given = [message for message in got if message["type"] == "result"]
    assert given == results(frames)[: len(given)]
    return Delivery(results(frames), status, copies(frames), late=over.seq < opened.seq)


def test_result_comes_once_whenever_the_client_connects(shop: Shop) -> None:
    deliveries = list(sweep(shop))
    assert not deliveries[0].late
    assert [d for d in deliveries if not d.is_right] == []


def test_result_comes_once_to_each_of_many_clients_at_once(shop: Shop) -> None:
    # Many executions in one table, on a machine that has too much to do; each client connects
    # 5 ms later than the one before.
    with ThreadPoolExecutor(max_workers=8) as clients:
        moments = [number * STEP for number in range(48)]
        deliveries = list(
            clients.map(lambda moment: connect_after(shop, moment, DEADLINE), moments)
        )
    assert [d for d in deliveries if not d.is_right] == []


# -- code that is wrong on purpose is caught -------------------------------------------------------


def tells_no_stored_result(naive: Shop) -> None:
    """The client's first message brings nothing: whoever comes late waits for ever."""
    naive.change_function("subscribe", "if stored:", "if False:")


def delivers_from_connect(naive: Shop) -> None:
    """``$connect`` sends what is stored; but there is no connection yet."""
    naive.change_function(
        "connect",
        '    return {"statusCode": 200}\n',
        "    item = execution.read(ticket.execution)\n"
        "    if 'result' in item:\n"
        "        endpoint = connection.endpoint_of(event)\n"
        "        connection.deliver(endpoint, connection_id, item['result']['S'])\n"
        '    return {"statusCode": 200}\n',
    )
    tells_no_stored_result(naive)


def looks_before_it_writes(naive: Shop) -> None:
    """GetConn comes before SaveResult: between the two, each side misses the other."""

    def change(text: str) -> str:
        definition = json.loads(text)
        states = definition["States"]
        states["DoWork"]["Next"] = "GetConn"
        states["GetConn"]["Next"] = "SaveResult"
        states["SaveResult"]["Next"] = "IsConnected"
        return json.dumps(definition)

    naive.change_machine(change)


def freezes_the_connection(naive: Shop) -> None:
    """GetConn comes before the work, as if the connection id were in the execution's input."""

    def change(text: str) -> str:
        definition = json.loads(text.replace("$.message", "$.work.Payload"))
        definition["StartAt"] = "GetConn"
        states = definition["States"]
        states["GetConn"]["Next"] = "DoWork"
        del states["DoWork"]["ResultSelector"]
        states["DoWork"]["ResultPath"] = "$.work"
        states["SaveResult"]["Next"] = "IsConnected"
        return json.dumps(definition)

    naive.change_machine(change)


def catches_another_name_than_that_of_gone(naive: Shop) -> None:
    """The error is not called 410, so a closed tab fails the order."""

    def change(text: str) -> str:
        definition = json.loads(text)
        gone, _anything_else = definition["States"]["Notify"]["Catch"]
        definition["States"]["Notify"]["Catch"] = [{**gone, "ErrorEquals": ["410"]}]
        return json.dumps(definition)

    naive.change_machine(change)


@pytest.mark.parametrize(
    ("mistake", "connect_at", "subscribe_at"),
    [
        (tells_no_stored_result, "Done", "Done"),
        (delivers_from_connect, "Done", "Done"),
        (looks_before_it_writes, "SaveResult", "SaveResult"),
        (freezes_the_connection, "DoWork", "DoWork"),
    ],
)
def test_a_lost_result_is_noticed(
    naive: Shop, mistake: Callable[[Shop], None], connect_at: str, subscribe_at: str
) -> None:
    assert step_by_step(naive, connect_at, subscribe_at).is_right
    mistake(naive)
    delivery = step_by_step(naive, connect_at, subscribe_at)
    assert (delivery.results, delivery.status) == ([], "SUCCEEDED")


def test_a_lost_order_is_noticed(naive: Shop) -> None:
    catches_another_name_than_that_of_gone(naive)
    delivery = leave_and_return(naive, "Notify", "ended")
    assert delivery.status == "FAILED"


def test_the_sweep_by_the_clock_notices_a_lost_result(naive: Shop) -> None:
    tells_no_stored_result(naive)
    wrong = next(d for d in sweep(naive, patience=0.2) if not d.is_right)
    assert wrong.results == []


def test_a_client_that_drops_no_duplicates_would_be_noticed(shop: Shop) -> None:
    # The connection is found by GetConn, and the stored result by the client's first message.
    delivery = step_by_step(shop, "GetConn", "IsConnected")
    assert delivery.copies == 2
    assert len(delivery.results) == 1
