"""A function's log by invocation: what it wrote, and what Lambda says of it in the head."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from labkit.eventlog import Event, EventLog
from labkit.views.logs import SHOWN, logs

RECORDED = Path(__file__).parent / "golden" / "logs_counts.jsonl"
"""The log of a function that prints, logs, raises and runs out of time; ``EventLog.save`` wrote it."""


def recorded() -> list[Event]:
    return EventLog.load(RECORDED).after(0)


def happened(seq: int, time: float, kind: str, **data: Any) -> Event:
    return Event(seq, time, f"function.{kind}", None, None, {"function": "f", **data})


def test_each_invocation_has_what_it_wrote_and_no_time_or_id_is_in_the_twin() -> None:
    view = logs(recorded(), "counts")
    first, second, third, fourth, fifth = view.invocations
    assert [one.cold for one in view.invocations] == [True, False, False, False, True]
    assert [text for after, text in first.lines if after is None] == ["loading"]
    assert [one.error for one in (first, second, third, fourth)] == [
        "",
        "ValueError",
        "",
        "Sandbox.Timedout",
    ]
    assert view.text.splitlines()[:10] == [
        "What counts wrote, by invocation",
        "Invocation 1: ✓ done",
        "    loading",
        "    got {'n': 1}",
        "    [INFO]\t(time)\t(request)\thello 1",
        "    a",
        "    b",
        "Invocation 2: ✗ failed: ValueError",
        "    got {'n': 2}",
        "    [INFO]\t(time)\t(request)\thello 2",
    ]
    assert "    (time) (request) Task timed out after 1.00 seconds" in view.text
    assert fifth.request not in view.text


def test_the_head_says_what_lambda_reports() -> None:
    events = [
        happened(1, 10.0, "log", request="", line="loading"),
        happened(2, 10.5, "invoked", request="r-1", cold=True),
        happened(3, 10.5, "log", request="r-1", line="START RequestId: r-1 Version: $LATEST"),
        happened(4, 10.75, "log", request="r-1", line="<b>\n  two"),
        happened(5, 11.0, "returned", request="r-1", durationMs=500.04, initMs=30.0, error=None),
        happened(6, 12.0, "invoked", request="r-2", cold=False),
    ]
    html = logs(events, "f").html
    rows = ElementTree.fromstring(html).iter("tr")
    said = [[" ".join(cell.itertext()) for cell in row] for row in rows]
    assert said == [
        ["After", "What it wrote"],
        ["1 · ✓ done · 500.0 ms · cold start, init 30.0 ms · request r-1"],
        ["init", "loading"],
        ["250.0 ms", "<b>\n  two"],
        ["2 · ▶ running · request r-2"],
    ]


def test_what_a_process_writes_before_anything_is_invoked_is_shown_too() -> None:
    view = logs([happened(1, 1.0, "log", request="", line="ImportError: no x")], "f")
    assert view.text.splitlines()[1:] == ["Invocation 1: ○ starts", "    ImportError: no x"]


def test_an_invocation_that_wrote_nothing_says_so_once_it_is_over() -> None:
    events = [
        happened(1, 1.0, "invoked", request="r", cold=False),
        happened(2, 2.0, "returned", request="r", durationMs=1.0, initMs=None, error=None),
    ]
    assert logs(events, "f").text.splitlines()[1:] == [
        "Invocation 1: ✓ done",
        "    (it wrote nothing)",
    ]
    assert "(it wrote nothing)" in logs(events, "f").html
    assert "nothing" not in logs(events[:1], "f").text


def test_of_many_invocations_the_newest_are_shown_under_their_numbers() -> None:
    many = [
        happened(n, float(n), "invoked", request=f"r-{n}", cold=False) for n in range(1, SHOWN + 4)
    ]
    view = logs(many, "f")
    assert "(the newest 50; 3 are left out)" in view.text
    assert view.text.splitlines()[1] == "Invocation 4: ▶ running"
    assert view.html.count("rowgroup") == SHOWN


def test_a_name_that_has_not_run_is_answered_with_those_that_have() -> None:
    assert logs(recorded(), "count").text == (
        "No function 'count' has run yet. Functions that have: counts."
    )
    assert logs([], "count").text == "No function 'count' has run yet."
    ElementTree.fromstring(logs([], "<x>").html)
