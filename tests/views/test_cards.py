"""The lab's own objects as the last line of a cell: what they show, and that IPython shows it."""

from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

from labkit.course.system import System
from labkit.eventlog import Event, EventLog
from labkit.lab import register_cards
from labkit.pattern.client import Placed
from labkit.views.cards import (
    NEWEST,
    event_card,
    lab_card,
    log_card,
    order_card,
    system_card,
)

RECORDED = EventLog.load(Path(__file__).parent / "golden" / "trace_failed.jsonl")


def rows(card: Any) -> dict[str, str]:
    return dict(card.rows)


def happened(seq: int, kind: str, **data: Any) -> Event:
    return Event(seq, float(seq), kind, None, None, data)


def test_a_lab_says_where_it_is_and_what_has_happened_in_it() -> None:
    events = [
        happened(1, "function.invoked", function="f", request="r", cold=True),
        happened(2, "function.invoked", function="f", request="s", cold=False),
        happened(3, "function.invoked", function="g", request="t", cold=True),
        happened(4, "connection.opened", connection="a"),
        happened(5, "connection.opened", connection="b"),
        happened(6, "connection.closed", connection="a", code=1000, reason=""),
        happened(7, "execution.started", execution="arn:x", name="x", machine="m"),
    ]
    card = lab_card("<Lab>", "http://127.0.0.1:1", True, events)
    assert rows(card) == {
        "State": "✓ running",
        "Address": "http://127.0.0.1:1",
        "Functions that have run": "f, g",
        "Executions started": "1",
        "Connections open": "1",
        "Events in the log": "7",
    }
    assert card.text == "<Lab>"
    stopped = rows(lab_card("<Lab>", "http://127.0.0.1:1", False, events))
    assert stopped["State"] == "○ stopped; Lab.start() starts one"
    assert stopped["Connections open"] == "0"


def test_the_log_shows_its_newest_steps_and_says_that_there_are_more() -> None:
    card = log_card(RECORDED)
    assert card.caption == f"What happened (the newest {NEWEST} of 42 steps)"
    assert len(card.rows) == NEWEST
    assert ["✗" in row[1] for row in card.rows].count(True) == 2
    first, *lines = card.text.splitlines()
    assert first == "(2 lines before these are left out)"
    assert len(lines) == NEWEST


def test_an_empty_log_says_so() -> None:
    assert log_card([]).text == "Nothing happened."
    assert "Nothing happened." in log_card([]).html


def test_an_event_shows_its_data_as_text() -> None:
    event = happened(7, "frame.in", connection="c", size=9, body="<b>")
    card = event_card(event)
    assert card.caption == "Event 7: frame.in"
    assert rows(card) == {
        "cause": "none",
        "trace": "none",
        "connection": "c",
        "size": "9",
        "body": "<b>",
    }
    assert "&lt;b&gt;" in card.html
    assert card.text == repr(event)


@pytest.mark.parametrize("shown", [RECORDED, RECORDED.after(0)[0]])
def test_ipython_shows_the_view_once_it_is_told(shown: Any) -> None:
    formatter = DisplayFormatter()
    before, _ = formatter.format(shown)
    assert "text/html" not in before
    register_cards(formatter.mimebundle_formatter)
    after, _ = formatter.format(shown)
    assert "<table>" in after["text/html"]
    assert after["text/plain"] in (log_card(RECORDED).text, repr(shown))


PLACED = Placed("order-1", "arn:e1", "ws://127.0.0.1:1/x?ticket=t")


@pytest.mark.parametrize(
    ("events", "status", "states"),
    [
        ([], "○ not begun", "none yet"),
        (["execution.started"], "▶ running", "none yet"),
        (["execution.started", "state.entered"], "▶ running", "DoWork"),
        (["execution.started", "state.entered", "SUCCEEDED"], "✓ SUCCEEDED", "DoWork"),
        (["execution.started", "state.entered", "FAILED"], "✗ FAILED", "DoWork"),
    ],
)
def test_an_order_says_how_its_execution_stands(
    events: list[str], status: str, states: str
) -> None:
    log = [
        happened(9, "state.entered", execution="arn:e2", state="Other"),
        *(
            happened(seq, kind, execution="arn:e1", state="DoWork")
            if kind.islower()
            else happened(seq, "execution.ended", execution="arn:e1", status=kind)
            for seq, kind in enumerate(events)
        ),
    ]
    card = order_card(PLACED, log)
    assert rows(card)["Status"] == status
    assert rows(card)["States"] == states
    assert card.text == repr(PLACED)


def test_a_system_shows_its_parts_by_name() -> None:
    system = System(executions_table="orders-executions", functions={"connect": "arn:f"})
    assert rows(system_card(system)) == {
        "executions_table": "orders-executions",
        "functions": "connect",
    }


@pytest.mark.parametrize("shown", [PLACED, System()], ids=["an order", "a system"])
def test_what_the_pattern_gives_shows_itself_too(shown: Any) -> None:
    formatter = DisplayFormatter()
    register_cards(formatter.mimebundle_formatter)
    data, _ = formatter.format(shown)
    assert data["text/html"].startswith("<div")
    assert data["text/plain"] == repr(shown)
