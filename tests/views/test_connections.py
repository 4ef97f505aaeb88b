"""The connections that are open, and those that were."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from labkit.eventlog import Event, EventLog
from labkit.views.connections import SHOWN, connections

RECORDED = EventLog.load(Path(__file__).parent / "golden" / "trace_failed.jsonl").after(0)
ORDER = "order-5e0429eb2665705aa7dd37b467f7fc09"
ARN = f"arn:aws:states:us-east-1:123456789012:execution:m:{ORDER}"


def happened(seq: int, kind: str, connection: str = "a", trace: str = "1-a", **data: Any) -> Event:
    named = {} if kind.startswith("execution") else {"connection": connection}
    return Event(seq, 1000.0 + seq, kind, trace, None, {**named, **data})


def two() -> list[Event]:
    """``a`` is open, got a message at 1006 and belongs to an order; ``b`` was refused."""
    return [
        happened(1, "execution.started", trace="1-work", execution=ARN, name=ORDER, machine="m"),
        happened(2, "handshake.request", api="x", stage="prod"),
        happened(3, "connection.opened", api="x", stage="prod"),
        happened(4, "frame.in", trace="1-f", size=23, body='{"action": "subscribe"}'),
        happened(5, "route.selected", trace="1-f", route="subscribe"),
        happened(6, "frame.out", trace="1-work", size=4, body='{"type": "result"}'),
        happened(7, "handshake.request", "b", "1-b", api="x", stage="test"),
        happened(
            8, "handshake.refused", "b", "1-b", api="x", stage="test", status=403, reason="no"
        ),
    ]


def rows(events: list[Event], now: float) -> tuple[list[Any], list[Any]]:
    live, ended = connections(events, now).parts
    return [list(row) for row in live.rows], [list(row) for row in ended.rows]  # type: ignore[attr-defined]


def test_an_open_connection_says_since_when_and_what_was_last() -> None:
    live, ended = rows(two(), 1068.5)
    assert live == [
        [
            "a",
            "prod",
            "00:16:43 UTC",
            "1 min 5 s",
            "subscribe",
            "← to the client: type result, 1 min 2 s ago",
            ORDER,
        ]
    ]
    assert ended == [["b", "test", "never open", "✗ refused: 403", "no", "none", "none known"]]


def test_an_ended_connection_says_how_long_it_was_open_and_how_it_ended() -> None:
    closed = happened(9, "connection.closed", trace="1-end", code=1001, reason="Going away")
    live, ended = rows([*two(), closed], 2000.0)
    assert live == []
    assert ended[0][:4] == ["a", "prod", "6.0 s", "1001 Going Away, 'Going away'"]
    assert ended[0][4].startswith("API Gateway ended it: nothing was sent for 10 minutes")
    assert ended[0][6] == ORDER


def test_the_recorded_connection_belongs_to_its_order_by_the_item_that_its_handshake_wrote() -> (
    None
):
    before = [event for event in RECORDED if event.kind != "frame.out"]
    for story in (RECORDED, before):
        _, (ended,) = rows(story, 0.0)
        assert ended[6] == ORDER
        assert ended[5] == "subscribe"


@pytest.mark.parametrize(
    ("now", "span"),
    [(1003.25, "250 ms"), (1013.0, "10.0 s"), (4603.0, "1 h 0 min"), (990.0, "0 ms")],
)
def test_times_are_as_exact_as_one_wants_to_know_them(now: float, span: str) -> None:
    live, _ = rows(two(), now)
    assert live[0][3] == span


def test_the_twin_has_no_ids_and_no_times() -> None:
    closed = happened(9, "connection.closed", code=1005, reason="")
    assert connections(two(), 1068.5).text == (
        "1 open connection\n"
        "  stage prod; last route subscribe; ← to the client: type result\n\n"
        "1 ended connection\n"
        "  stage test; no route; no message; ✗ refused: 403"
    )
    assert "1005 No Status Received: The close frame" in connections([*two(), closed], 0).text


def test_of_many_the_newest_are_shown() -> None:
    many = [happened(n, "connection.opened", f"c{n}", stage="s") for n in range(1, SHOWN + 3)]
    page = connections(many, 2000.0)
    assert page.text.startswith(f"{SHOWN + 2} open connections (the newest {SHOWN} are shown)\n")
    live, _ = rows(many, 2000.0)
    assert [live[0][0], live[-1][0], len(live)] == ["c3", f"c{SHOWN + 2}", SHOWN]


def test_nothing_happened_is_said_too() -> None:
    page = connections([], 0.0)
    assert page.text == "0 open connections\n\n0 ended connections"
    said = [" ".join(part.itertext()) for part in ElementTree.fromstring(f"<p>{page.html}</p>")]
    assert [one.strip() for one in said] == [
        "0 open connections: No connection is open.",
        "0 ended connections: None has ended.",
    ]
