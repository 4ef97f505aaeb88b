"""Orders that are wrong in every way, sent to the pattern as it is deployed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket
from hypothesis import example, given
from hypothesis import strategies as st

from labkit.pattern import build as building
from labkit.pattern.build import System, build
from labkit.pattern.client import OrderClient
from tests.bad_input.port import DEADLINE, Answer, Port, deep, fewer, is_said_kindly, octets, values

ORDER: dict[str, Any] = json.loads(
    (Path(building.__file__).parent / "order.json").read_text("utf-8")
)
SPEED = 10.0
GONE = object()


@pytest.fixture(scope="module")
def system(port: Port) -> System:
    return build()


def changed(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    order = copy.deepcopy(ORDER)
    inside: Any = order
    for name in place[:-1]:
        inside = inside[name]
    if value is GONE:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return order


LINE = ("items", 0)
places = st.sampled_from(
    [
        *[("customer",), ("currency",), ("items",), LINE, ("more",)],
        *[(*LINE, "sku"), (*LINE, "quantity"), (*LINE, "more")],
    ]
)
odd = values | st.sampled_from([0, -1, 1001, 1.0, 10**30, True, "\ud800", "\x00", "EUR", "ÉUR"])
bodies = st.one_of(
    st.builds(changed, places, odd).map(lambda order: json.dumps(order).encode()),
    st.binary(max_size=30),
    deep.map(str.encode),
)


def post(port: Port, system: System, body: bytes, headers: bytes) -> Answer:
    path = urlsplit(system.orders_url).path
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n".encode()
    return port.ask(head + headers + b"\r\n" + body, "POST")


@given(bodies, octets, st.sampled_from([b"application/json", b"text/plain", b"", b"x/y"]))
@example(json.dumps({**ORDER, "customer": "\ud800"}).encode(), b"", b"application/json")
@example(json.dumps(ORDER).encode(), b"\xff", b"application/json")
@example(b"[" * 3000, b"", b"application/json")
@example(b"9" * 5000, b"", b"application/json")
def test_order_is_answered_with_its_result_or_with_what_is_wrong_with_it(
    port: Port, system: System, body: bytes, key: bytes, kind: bytes
) -> None:
    headers = b"Content-Type: " + kind + b"\r\n"
    if key:
        headers += b"Idempotency-Key: " + key + b"\r\n"
    with port.unharmed():
        got = post(port, system, body, headers)
        if got.status == 202:
            # What was accepted is not lost, however odd it is.
            described = execution(port, got.json()["executionArn"])
            assert described["status"] == "SUCCEEDED", described
            assert json.loads(described["output"])["body"]["status"] in ("accepted", "rejected")
        elif got.status != 422:  # the key was used for another order
            assert got.status == 400, got
            is_said_kindly(got)
            assert "field" in got.json()


def execution(port: Port, arn: str) -> dict[str, Any]:
    """An execution when it has ended."""
    port.lab.log.wait(
        lambda event: event.kind == "execution.ended" and event["execution"] == arn,
        timeout=DEADLINE,
    )
    body = json.dumps({"executionArn": arn}).encode()
    described: dict[str, Any] = port.aws(
        "states", "AWSStepFunctions.DescribeExecution", body
    ).json()
    return described


@fewer
@given(
    st.lists(
        st.binary(max_size=30).map(lambda data: data.decode("utf-8", "replace"))
        | values.map(json.dumps)
        | values.map(lambda value: json.dumps({"action": value}))
        | st.sampled_from(['{"action": "subscribe"}', '{"action": "$connect"}']),
        max_size=4,
    )
)
def test_client_that_says_nonsense_gets_its_result_all_the_same(
    port: Port, system: System, sent: list[str]
) -> None:
    def connect(url: str, timeout: float) -> websocket.WebSocket:
        connection = websocket.create_connection(url, timeout=timeout)
        for text in sent:
            connection.send(text)
        return connection

    with port.unharmed(), OrderClient(system.orders_url, connect=connect) as client:
        client.place_order(ORDER, timeout=DEADLINE)
        assert client.result(timeout=DEADLINE)["status"] in ("accepted", "rejected")
