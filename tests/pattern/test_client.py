"""The client: each message once, over as many connections as it takes.

The network is made of plain objects that are handed to the client; what really goes over sockets is
in ``test_sweep``.
"""

from __future__ import annotations

import io
import json
import threading
import urllib.error
from collections.abc import Callable, Iterable, Iterator
from email.message import Message as Headers
from typing import Any

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st

from labkit.pattern.client import (
    ANSWER,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    SILENCE,
    Inbox,
    OrderClient,
    OrderRefused,
)

URL = "https://example.test/orders"
SUBSCRIBE = '{"action": "subscribe"}'


def message(sequence: int, kind: str = "progress", **body: Any) -> str:
    return json.dumps({"id": f"o#{sequence}", "sequence": sequence, "type": kind, "body": body})


RESULT = message(3, "result", status="accepted")


# -- the inbox --------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5)))
def test_whatever_comes_is_news_once_and_in_order(sequences: list[int]) -> None:
    inbox = Inbox()
    news = [inbox.news(message(sequence)) for sequence in sequences]
    given_on = [each["sequence"] for each in news if each is not None]
    assert given_on == sorted(set(given_on))
    assert max(sequences, default=0) == max(given_on, default=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "7",
        '{"message": "Forbidden", "connectionId": "c", "requestId": "r"}',
        '{"type": "help", "body": {}}',
        '{"sequence": "3"}',
        '{"sequence": null}',
    ],
)
def test_what_is_no_message_of_ours_is_no_news(text: str) -> None:
    assert Inbox().news(text) is None


# -- a network -------------------------------------------------------------------------------------


class Network:
    """Answers requests and handshakes by turns, and writes down what the client did.

    Args:
        answers: what each request is answered with: a body, a status, or an exception.
        sockets: what each connection receives, or the exception of its handshake.
    """

    def __init__(self, answers: list[Any], sockets: list[Iterable[Any] | Exception]) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self._sockets = iter(sockets)
        self.keys: list[str] = []
        self.opened: list[str] = []
        self.sent: list[str] = []
        self.closed = 0
        self.pauses: list[float] = []
        self.silences: list[float] = []
        self.patiences: list[float] = []

    def client(self, on_message: Callable[[Any], object] = lambda _: None) -> OrderClient:
        return OrderClient(
            URL,
            on_message=on_message,
            urlopen=self._urlopen,
            connect=self._connect,
            sleep=self.pauses.append,
            uniform=lambda low, high: high,
        )

    def _urlopen(self, request: Any, *, timeout: float) -> Any:
        self.keys.append(request.get_header("Idempotency-key"))
        self.patiences.append(timeout)
        assert json.loads(request.data) == {"an": "order"}
        match next(self._answers):
            case Exception() as error:
                raise error
            case (int() as status, str() as text):
                body = io.BytesIO(text.encode())
                raise urllib.error.HTTPError(URL, status, "", Headers(), body)
            case ticket:
                answer = {
                    "orderId": "o",
                    "executionArn": "arn",
                    "websocketUrl": f"wss://x?{ticket}",
                }
                return io.BytesIO(json.dumps(answer).encode())

    def _connect(self, url: str, *, timeout: float) -> Any:
        self.opened.append(url)
        self.patiences.append(timeout)
        frames = next(self._sockets)
        if isinstance(frames, Exception):
            raise frames
        return _Socket(self, frames)


class _Socket:
    def __init__(self, network: Network, frames: Iterable[Any]) -> None:
        self._network = network
        self._frames = iter(frames)

    def send(self, text: str) -> None:
        self._network.sent.append(text)

    def settimeout(self, seconds: float) -> None:
        self._network.silences.append(seconds)

    def recv(self) -> str:
        frame = next(self._frames)
        if isinstance(frame, Exception):
            raise frame
        return str(frame)

    def close(self) -> None:
        self._network.closed += 1


BAD_GATEWAY = websocket.WebSocketBadStatusException("Handshake status %d", 502)


def follow(network: Network, *, timeout: float = 60.0) -> tuple[dict[str, Any], list[int]]:
    """Place the order and wait for its result; the sequence numbers that the client's code got."""
    got: list[int] = []
    with network.client(lambda each: got.append(each["sequence"])) as client:
        client.place_order({"an": "order"})
        return client.result(timeout=timeout), got


# -- the client ------------------------------------------------------------------------------------


def test_result_comes_over_the_socket_of_the_url_in_the_answer() -> None:
    network = Network(["t1"], [[message(1), message(2), RESULT]])
    result, got = follow(network)
    assert result == {"status": "accepted"}
    assert got == [1, 2, 3]
    assert network.opened == ["wss://x?t1"]
    assert network.sent == [SUBSCRIBE]
    assert network.closed == 1


def test_lost_connection_is_replaced_with_a_fresh_ticket_for_the_same_order() -> None:
    lost: list[Any] = [ConnectionResetError(), "", websocket.WebSocketConnectionClosedException()]
    sockets: list[Any] = [[message(1), end] for end in lost]
    network = Network(["t1", "t2", "t3", "t4"], [*sockets, [message(1), RESULT]])
    result, got = follow(network)
    assert result["status"] == "accepted"
    assert got == [1, 3]
    assert network.opened == [f"wss://x?t{number}" for number in (1, 2, 3, 4)]
    assert network.sent == [SUBSCRIBE] * 4
    assert network.closed == 4
    assert len(set(network.keys)) == 1


ERROR = '{"message": "Internal server error", "connectionId": "c", "requestId": "r"}'


def test_subscribe_that_fails_is_not_waited_for_but_sent_again_on_another_connection() -> None:
    network = Network(["t1", "t2"], [[ERROR], ['{"type": "help", "body": {}}', "[]", "x", RESULT]])
    result, got = follow(network)
    assert (result["status"], got) == ("accepted", [3])
    assert network.sent == [SUBSCRIBE] * 2
    assert network.closed == 2
    assert network.pauses == [FIRST_PAUSE]


def test_refused_handshake_is_tried_again_with_another_ticket() -> None:
    network = Network(["t1", "t2"], [BAD_GATEWAY, [RESULT]])
    assert follow(network)[0]["status"] == "accepted"
    assert network.opened == ["wss://x?t1", "wss://x?t2"]


def test_request_is_sent_again_with_its_key_after_failures_that_pass() -> None:
    passing = [(503, ""), (429, ""), urllib.error.URLError("down"), (500, "{}"), TimeoutError()]
    network = Network([*passing, "t1"], [[RESULT]])
    assert follow(network)[0]["status"] == "accepted"
    assert len(network.keys) == 6
    assert len(set(network.keys)) == 1


def test_what_has_no_answer_is_given_up_long_before_the_deadline_and_sent_again() -> None:
    # Seen with a seed: one lost answer took all of the time that there was.
    lost = websocket.WebSocketTimeoutException("Connection timed out")
    network = Network([TimeoutError(), "t1", "t2"], [lost, [RESULT]])
    with network.client() as client:
        client.place_order({"an": "order"}, timeout=1_000)
        assert client.result(timeout=1_000)["status"] == "accepted"
    assert network.patiences == [ANSWER] * 5


def test_pauses_double_up_to_a_limit() -> None:
    network = Network([(503, "")] * 10 + ["t1"], [[RESULT]])
    with network.client() as client:
        client.place_order({"an": "order"}, timeout=1_000)
        client.result()
    doubled = [FIRST_PAUSE * 2**number for number in range(10)]
    assert network.pauses == [min(pause, LONGEST_PAUSE) for pause in doubled]


@pytest.mark.parametrize(
    ("status", "text", "field", "said"),
    [
        (
            400,
            '{"message": "must be 1", "field": "items[0].quantity"}',
            "items[0].quantity",
            "must",
        ),
        (422, '{"message": "Use a new key"}', "", "Use a new key"),
        (403, "<html>", "", "<html>"),
        (404, "", "", "The API answered 404."),
    ],
)
def test_order_that_is_refused_is_not_sent_again(
    status: int, text: str, field: str, said: str
) -> None:
    network = Network([(status, text)], [])
    with pytest.raises(OrderRefused, match=said.replace("[", r"\[")) as caught:
        network.client().place_order({"an": "order"})
    assert (caught.value.status, caught.value.field) == (status, field)
    assert network.pauses == []


def test_silence_makes_the_client_ask_again() -> None:
    network = Network(["t1"], [[websocket.WebSocketTimeoutException(), RESULT]])
    client = network.client()
    client.place_order({"an": "order"})
    assert client.result(timeout=1_000)["status"] == "accepted"
    assert network.sent == [SUBSCRIBE] * 2
    assert network.silences == [SILENCE] * 2


def test_connection_that_stays_silent_is_given_up() -> None:
    # Seen with a seed: the network swallowed everything, and nobody noticed for 15 minutes.
    silence = websocket.WebSocketTimeoutException()
    network = Network(["t1", "t2"], [[silence, message(1), silence, silence], [RESULT]])
    result, got = follow(network, timeout=1_000)
    assert result["status"] == "accepted"
    assert got == [1, 3]
    assert network.opened == ["wss://x?t1", "wss://x?t2"]
    assert network.sent == [SUBSCRIBE] * 4


def test_time_is_limited_and_the_next_call_goes_on() -> None:
    patient = False

    def frames() -> Iterator[Any]:
        yield message(1)
        while not patient:
            threading.Event().wait(network.silences[-1])  # as long as the client waits
            yield websocket.WebSocketTimeoutException()
        yield RESULT

    network = Network(["t1"], [frames()])
    client = network.client()
    client.place_order({"an": "order"})
    with pytest.raises(TimeoutError, match="Call again to go on waiting"):
        client.result(timeout=0.02)
    patient = True
    assert client.result()["status"] == "accepted"
    assert client.result()["status"] == "accepted"
    assert len(network.opened) == 1


def test_clients_make_up_keys_that_differ() -> None:
    first, second = Network(["t"], []), Network(["t"], [])
    for network in (first, second):
        network.client().place_order({"an": "order"})
    assert first.keys != second.keys
