"""Messages in both directions: what, when, how large, by which route, and what the gateway meant."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from labkit.apigateway import handshake
from labkit.apigateway.websocket_api import error_frame
from labkit.errors import LabError
from labkit.eventlog import Event, EventLog
from labkit.views.messages import CONNECTIONS, LINES, SHOWN, messages

RECORDED = EventLog.load(Path(__file__).parent / "golden" / "trace_failed.jsonl")


def happened(
    seq: int, kind: str, time: float | None = None, cause: Any = None, **data: Any
) -> Event:
    data = {"connection": "c=", **data}
    return Event(seq, float(seq) if time is None else time, kind, "1-trace", cause, data)


def frame(seq: int, body: str, kind: str = "frame.out") -> Event:
    return happened(seq, kind, size=len(body.encode()), body=body)


def rows(html: str) -> list[list[str]]:
    body = ElementTree.fromstring(html)
    return [[" ".join(cell.itertext()) for cell in row] for row in body.iter("tr")][1:]


def test_a_recorded_connection_from_its_handshake_to_its_end() -> None:
    assert messages(RECORDED).text.splitlines() == [
        "Messages of connection 1",
        "  ○ handshake: stage prod",
        "  ✓ open: stage prod",
        "  → to the API: action subscribe (route subscribe)",
        "  ← to the client: type result",
        "  ✓ closed: 1000 Normal Closure",
        "    The connection has done what it was for, and one side said so.",
    ]


def test_a_message_shows_its_time_direction_size_route_and_content() -> None:
    events = [
        happened(1, "handshake.request", 10.0, stage="prod"),
        happened(2, "connection.opened", 10.5, stage="prod"),
        happened(3, "frame.in", 11.25, size=22, body='{"action": "ä", "n": 1}'),
        happened(4, "route.selected", 11.3, 3, route="$default"),
        happened(5, "frame.out", 12.0, size=1200, body="<b>"),
    ]
    sent, got = rows(messages(events).html)[2:]
    assert sent[:4] == ["1,250.0 ms", "→ to the API", "22 bytes", "$default"]
    assert json.loads(sent[4]) == {"action": "ä", "n": 1}
    assert sent[4].count("\n") == 3
    assert got == ["2,000.0 ms", "← to the client", "1,200 bytes", "", "<b>"]


def test_a_long_message_is_shortened_and_says_by_how_much() -> None:
    body = json.dumps({"list": list(range(40)), "text": "x" * 500})
    (row,) = rows(messages([frame(1, body)]).html)
    assert row[4].splitlines()[-1] == f"… and {45 - LINES} lines more"
    (row,) = rows(messages([frame(1, json.dumps({"text": "x" * 500}))]).html)
    assert row[4].splitlines()[1].endswith("xx…")
    (row,) = rows(messages([frame(1, '{"cut": "x…')]).html)
    assert row[4] == '{"cut": "x…'


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (handshake.FORBIDDEN, "no route"),
        (handshake.INTERNAL_SERVER_ERROR, "raised an error"),
        (handshake.TIMED_OUT, "29 seconds"),
        (handshake.TOO_MANY_REQUESTS, "the rate and the burst"),
        (handshake.BAD_REQUEST_BODY, "model"),
    ],
)
def test_an_error_frame_of_api_gateway_is_explained(message: str, says: str) -> None:
    name = "messageId" if message == handshake.BAD_REQUEST_BODY else "requestId"
    body = error_frame(message, "c=", "id-1", id_name=name).decode()
    view = messages([frame(1, body)])
    _, line, why = view.text.splitlines()
    assert line == f"  ✗ ← to the client: error {message}"
    assert says in why
    assert says in rows(view.html)[0][4]
    assert "id-1" not in view.text


def test_what_only_looks_like_an_error_is_a_message() -> None:
    for more in ("", ', "requestId": "r"', ', "connectionId": "c="'):
        assert "✗" not in messages([frame(1, f'{{"message": "Forbidden"{more}}}')]).text
    sent = messages([frame(1, error_frame("Forbidden", "c=", "r").decode(), "frame.in")]).text
    assert "✗" not in sent


def test_a_refused_handshake_says_why() -> None:
    events = [
        happened(1, "handshake.request", stage="prod"),
        happened(2, "handshake.refused", stage="prod", status=403, reason="the authorizer said no"),
    ]
    last = rows(messages(events).html)[-1]
    assert last[1] == "✗ handshake refused"
    assert last[4].startswith("403: the authorizer said no")
    assert "With 403: the authorizer or the function of $connect denied it" in last[4]


def test_one_connection_or_the_newest_and_how_many_there_are() -> None:
    events = [happened(n, "connection.opened", connection=f"c{n}", stage="s") for n in range(1, 13)]
    assert messages(events, "c3").text == "Messages of connection 3\n  ✓ open: stage s"
    every = messages(events)
    assert len(every.parts) == CONNECTIONS + 1
    assert every.text.startswith("Messages: The newest 10 of 12 connections.")
    assert "c12" in every.html
    assert "c2" not in every.html
    many = [happened(0, "connection.opened", stage="s"), *(frame(n, "x") for n in range(1, 60))]
    assert f"(the newest {SHOWN}; 10 are left out)" in messages(many).text


def test_an_unknown_connection_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no connection 'x'\. Connections: 'c='"):
        messages([frame(1, "y")], "x")
    with pytest.raises(LabError, match="none yet"):
        messages([], "x")


def test_nothing_happened_is_said_too() -> None:
    view = messages([])
    assert view.text == "Messages: No connection has been asked for yet."
    assert "No connection has been asked for yet." in view.html
