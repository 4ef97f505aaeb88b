"""Fifty seeds with real processes and sockets: the faults are those of ``labkit.faults``.

What strikes, where and how often is the seed's; when each of many processes gets the processor is the
machine's.  So a seed does not take the same steps again, as ``test_simulation`` does; here it is shown
that nothing was left out there that a real network and real processes do.

One seed again: ``pytest tests/pattern/test_real_seeds.py -k "seed 17"``; a failure tells what happened.
"""

from __future__ import annotations

import json
import random
import time
from contextlib import suppress

import boto3
import pytest
import websocket

from labkit.faults import STEPS, Fault
from labkit.pattern.client import Message
from labkit.timeline import timeline
from tests.pattern.conftest import DEADLINE, ORDER, Shop, Socket, new_key, results
from tests.pattern.test_sweep import tells_no_stored_result

SEEDS = range(50)

FASTER = 40
"""The client's pauses and silences pass so many times as fast."""

FUNCTIONS = ("place_order", "connect", "subscribe", "disconnect", "do_work")
STATES = ("DoWork", "SaveResult", "GetConn", "IsConnected", "Notify", "Done")


class Impatient(Socket):
    """A socket on which silence is over soon."""

    def settimeout(self, timeout: float | None) -> None:
        super().settimeout(None if timeout is None else timeout / FASTER)


def set_fault(shop: Shop, draw: random.Random) -> Fault:
    """Set one fault at a step that is drawn."""
    function = shop.system.functions[draw.choice(FUNCTIONS)]
    table = draw.choice((shop.system.executions_table, shop.system.connections_table))
    seconds = draw.uniform(0.01, 0.3)
    times = draw.choice((1, 1, 2, 3))
    step, action, match = draw.choice(
        [
            ("http.request", "error", {"status": 503}),
            ("http.request", "throttle", {}),
            ("http.request", "delay", {}),
            ("handshake", "error", {"status": 500}),
            ("handshake", "throttle", {}),
            ("handshake", "delay", {}),
            ("function.invoke", "kill", {"function": function}),
            ("function.invoke", "throttle", {"function": function}),
            ("function.invoke", "error", {"function": function}),
            ("function.invoke", "delay", {"function": function}),
            ("function.invoke", "duplicate", {"function": function}),
            ("aws.call", "throttle", {"service": "dynamodb", "table": table}),
            ("aws.call", "error", {"service": "dynamodb", "table": table}),
            ("aws.call", "delay", {"service": "dynamodb", "table": table}),
            ("frame.in", "drop", {}),
            ("frame.in", "delay", {}),
            ("frame.in", "duplicate", {}),
            ("frame.out", "drop", {}),
            ("frame.out", "delay", {}),
            ("frame.out", "duplicate", {}),
            ("management", "error", {"status": 410}),
            ("management", "error", {"status": 500}),
            ("management", "throttle", {}),
            ("connection", "drop", {}),
            ("state.enter", "delay", {"state": draw.choice(STATES)}),
        ]
    )
    return shop.faults.add(step, action, times=times, seconds=seconds, **match)


def available(shop: Shop) -> dict[str, int]:
    """How many there are of each article that is ordered."""
    products = boto3.resource("dynamodb").Table(shop.system.products_table)
    items = [products.get_item(Key={"sku": line["sku"]})["Item"] for line in ORDER["items"]]
    return {str(item["sku"]): int(str(item["available"])) for item in items}


def broken(shop: Shop, seed: int, patience: float = DEADLINE) -> list[str]:
    """Which promises are broken with a seed.

    Args:
        shop: where the order is placed.
        seed: draws the faults, and the moment at which the client listens.
        patience: seconds that the client waits for the result.
    """
    draw = random.Random(seed)
    stock = available(shop)
    for _ in range(draw.choice((1, 2, 3, 4))):
        set_fault(shop, draw)
    given: list[Message] = []
    sockets: list[Socket] = []

    def connect(url: str, timeout: float) -> Socket:
        socket: Socket = websocket.create_connection(url, timeout=timeout, class_=Impatient)
        socket.frames = []
        sockets.append(socket)
        return socket

    with shop.client(
        on_message=given.append,
        idempotency_key=new_key(),
        connect=connect,
        sleep=lambda seconds: time.sleep(seconds / FASTER),
        uniform=draw.uniform,
    ) as client:
        placed = client.place_order(ORDER, timeout=DEADLINE)
        time.sleep(draw.choice((0.0, 0.0, 0.05, 0.15, 0.4)))  # the client takes its time
        try:
            result = client.result(timeout=patience)
        except TimeoutError:
            return ["the result does not arrive"]
        finally:
            shop.faults.clear()
        status = shop.ended(placed)
        with suppress(OSError, websocket.WebSocketException):
            sockets[-1].recv_until_help()

    frames = [text for socket in sockets for text in socket.frames]
    left = available(shop)
    accepted = result["status"] == "accepted"
    promises = {
        "the order succeeds": status == "SUCCEEDED",
        "the result is given once": len([m for m in given if m["type"] == "result"]) == 1,
        "what comes later is dropped": len(results(frames)) == 1,
        "nothing is given twice": len({m["sequence"] for m in given}) == len(given),
        "it is the stored result": json.loads(shop.item(placed)["result"]["S"])["body"] == result,
        "stock is taken once": all(
            stock[line["sku"]] - left[line["sku"]] == line["quantity"] * accepted
            for line in ORDER["items"]
        ),
    }
    return [f"not true: {promise}" for promise, kept in promises.items() if not kept]


RUN: set[int] = set()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed {seed}")
def test_every_promise_is_kept_with_every_seed(shop: Shop, seed: int) -> None:
    before = shop.log.last
    problems = broken(shop, seed)
    RUN.add(seed)
    assert problems == [], timeline(shop.log.after(before))


def test_the_seeds_strike_at_every_step(shop: Shop) -> None:
    if {*SEEDS} != RUN:
        pytest.skip("asks about all seeds, and some were not run")
    struck = {
        (event["step"], event["action"]) for event in shop.log if event.kind == "fault.applied"
    }
    assert {step for step, _ in struck} == STEPS - {"state.wait"}
    assert len(struck) >= 20


def test_a_result_that_is_not_told_to_who_comes_late_is_noticed(naive: Shop) -> None:
    tells_no_stored_result(naive)
    assert any(broken(naive, seed, patience=2.0) for seed in SEEDS)
