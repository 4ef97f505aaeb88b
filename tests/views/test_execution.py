"""An execution's page: the diagram with how each state stands, and the history."""

from __future__ import annotations

import json
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import boto3
import pytest

from labkit import Lab
from labkit.errors import LabError
from labkit.eventlog import Event, EventLog
from labkit.steps import steps
from labkit.views.execution import LETTERS, NEWEST, execution_view, folded, newest
from labkit.views.picture import Picture
from labkit.views.view import Page

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
"""``execution.jsonl`` is the log of an execution of ``definitions/order_lines.json``, as
``EventLog.save`` writes it: the function is not there, and the third line is empty.  ``execution.svg`` is
its diagram, looked at by eye.  It is renewed by writing the first part of the page there and looking at
it again."""

DEFINITION = (HERE / "definitions" / "order_lines.json").read_text("utf-8")
ACCOUNT = "arn:aws:states:us-east-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/r"
SOON = 10


def recorded() -> list[Event]:
    return EventLog.load(GOLDEN / "execution.jsonl").after(0)


def shown(events: list[Event], execution: str = "recorded") -> Page:
    page = execution_view(DEFINITION, execution)(events)
    assert isinstance(page, Page)
    return page


def cells(page: Page) -> list[list[str]]:
    """The table's cells, in plain text."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.parts[1].html, re.DOTALL)
    texts = [re.findall(r"<td [^>]*>(.*?)</td>", row, re.DOTALL) for row in rows[1:]]
    return [
        [unescape(re.sub(r"<pre.*?</pre>|<[^>]+>", "", cell, flags=re.DOTALL)) for cell in row]
        for row in texts
    ]


def test_the_recorded_execution_is_drawn_as_it_was_looked_at() -> None:
    picture = shown(recorded()).parts[0]
    assert isinstance(picture, Picture)
    assert picture.svg == (GOLDEN / "execution.svg").read_text("utf-8")


def test_the_twin_has_each_state_in_order_with_its_status_and_error_and_no_times() -> None:
    assert shown(recorded()).text.splitlines() == [
        "⤳ Reserve: caught ↻ 2: Lambda.ResourceNotFoundException",
        "✓ Pause: done",
        "✓ Enough?: done",
        "⤳ EachLine: caught 2 of 4 items: EmptyLine",
        "  ✓ Check: done 3 times",
        "  ✓ Pack: done 2 times",
        "  ✗ Empty: failed: EmptyLine",
        "✓ Reject: done",
        "✓ Done: done",
        "",
        "Execution SUCCEEDED",
    ]


def test_the_picture_says_in_a_sentence_what_is_seen() -> None:
    picture = shown(recorded()).parts[0]
    assert isinstance(picture, Picture)
    assert picture.alt.startswith(
        "State machine with 9 states. The execution is SUCCEEDED. "
        "Reserve caught ↻ 2: Lambda.ResourceNotFoundException; Pause done; "
    )
    ElementTree.fromstring(picture.svg)


def test_history_has_a_row_for_each_attempt_with_times_input_output_and_error() -> None:
    rows = cells(shown(recorded()))
    assert [row[1:5] for row in rows[:4]] == [
        ["Reserve", "Task", "✗\N{NO-BREAK SPACE}failed", "1"],
        ["Reserve", "Task", "✗\N{NO-BREAK SPACE}failed", "2"],
        ["Reserve", "Task", "⤳\N{NO-BREAK SPACE}caught", "3"],
        ["Pause", "Wait", "✓\N{NO-BREAK SPACE}done", "1"],
    ]
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert rows[0][7].startswith('{"lines":[{"count":2}')
    assert rows[1][7] == "", "the input is that of the first attempt"
    assert rows[0][8] == "", "the output is that of the last one"
    assert rows[2][9].startswith("Lambda.ResourceNotFoundExcept")
    assert ["Empty, iteration 2", "Fail", "✗\N{NO-BREAK SPACE}failed"] in [row[1:4] for row in rows]
    after = [int(row[5].removesuffix("\N{NO-BREAK SPACE}ms")) for row in rows]
    assert after == sorted(after)
    pause = int(rows[3][6].removesuffix("\N{NO-BREAK SPACE}ms"))
    assert 100 <= pause < 150, "one second of Wait at ten times the speed"


def test_history_is_that_of_the_time_while_it_runs() -> None:
    events = recorded()
    entered = next(e for e in events if e.kind == "state.entered" and e["state"] == "Pause")
    page = shown(events[: events.index(entered) + 1])
    assert page.text.endswith("Execution RUNNING")
    assert cells(page)[-1][3] == "▶\N{NO-BREAK SPACE}running"
    assert cells(page)[-1][6].endswith("so far")
    assert "▶ RUNNING" in page.html
    assert "○ Done: open" in page.text


def test_long_texts_are_folded_and_escaped_and_short_ones_are_not() -> None:
    assert folded('{"a":"<b>"}') == "{&quot;a&quot;:&quot;&lt;b&gt;&quot;}"
    long = json.dumps({"a": "<b>" * 30})
    assert folded(long).startswith("<details><summary>")
    assert "&lt;b&gt;" * 30 in folded(long)
    assert "<b>" not in folded(long)
    assert "…</summary>" in folded(long)
    cut = long[:LETTERS] + "…"
    assert f">{folded(cut[:5])}" in folded(cut), "what is no JSON is shown as it is"


def many(count: int) -> list[Event]:
    """A log of so many events, of a Map state with many items."""
    arn = f"{ACCOUNT}:execution:order-lines:recorded"

    def told(kind: str, cause: int | None, /, **data: Any) -> Event:
        seq = len(events) + 1
        return Event(seq, seq / 1000, kind, "1-t", cause, {"execution": arn, **data})

    events: list[Event] = []
    events.append(told("execution.started", None, name="recorded", machine="order-lines"))
    events.append(told("state.entered", 1, state="EachLine", type="Map", input="[]"))
    while len(events) < count:
        item = len(events)
        events.append(
            told("state.entered", 2, state="Pack", type="Pass", input="x" * 99, iteration=item)
        )
        events.append(told("state.exited", len(events), state="Pack", output="{}"))
    return events


def test_five_thousand_events_are_shown_in_a_few_milliseconds() -> None:
    view = execution_view(DEFINITION, "recorded")
    events = many(5_000)
    took = []
    for _ in range(5):
        began = time.process_time()
        view(events).moving  # noqa: B018
        took.append(time.process_time() - began)
    assert min(took) < 0.05
    page = view(events)
    assert isinstance(page, Page)
    assert len(cells(page)) == NEWEST
    assert f"the newest {NEWEST} of 2,500 rows" in page.html


def test_the_newest_execution_of_a_machine_is_meant_and_not_that_of_another() -> None:
    def started(seq: int, machine: str, name: str) -> Event:
        arn = f"{ACCOUNT}:execution:{machine}:{name}"
        return Event(seq, seq, "execution.started", None, None, {"execution": arn, "name": name})

    events = [started(1, "m", "a"), started(2, "m", "b"), started(3, "n", "c")]
    assert newest(events, f"{ACCOUNT}:stateMachine:m") == f"{ACCOUNT}:execution:m:b"
    assert newest(events, f"{ACCOUNT}:stateMachine:m:7") == f"{ACCOUNT}:execution:m:b"
    assert newest(events, "a") == f"{ACCOUNT}:execution:m:a"
    assert newest(events, f"{ACCOUNT}:execution:m:a") == f"{ACCOUNT}:execution:m:a"
    assert newest(events, "d") is None


def test_an_execution_that_has_not_begun_is_said_with_those_that_have() -> None:
    page = shown(recorded(), "nobody")
    assert "○ Reserve: open" in page.text
    said = "No execution nobody has begun yet. The newest in the log: recorded."
    assert page.text.endswith(said)
    assert said in page.html
    assert shown([], "nobody").text.endswith("The newest in the log: none.")


def test_a_definition_alone_is_drawn_without_an_execution() -> None:
    picture = execution_view(json.loads(DEFINITION))(recorded())
    assert isinstance(picture, Picture)
    assert "○ open" not in picture.svg
    assert picture.text.startswith("begins with Reserve")


# With a lab that runs


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab.start(speed=100)
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def states(lab: Lab) -> Any:
    return boto3.client("stepfunctions", region_name="us-east-1")


def machine(states: Any, name: str, kind: str = "STANDARD") -> str:
    made = states.create_state_machine(name=name, definition=DEFINITION, roleArn=ROLE, type=kind)
    return str(made["stateMachineArn"])


def test_state_machines_and_executions_are_shown_by_their_arns(lab: Lab, states: Any) -> None:
    arn = machine(states, "by-arn")
    before = lab.show.state_machine(arn)
    assert "No execution of this state machine has begun yet" in before.text
    lines = json.dumps({"lines": [{"count": 1}]})
    execution = states.start_execution(stateMachineArn=arn, input=lines)["executionArn"]
    lab.log.wait(
        lambda e: e.kind == "execution.ended" and e["execution"] == execution, timeout=SOON
    )
    told = lab.show.state_machine(arn).text
    assert "✓ EachLine: done 1 of 1 items" in told
    assert lab.show.state_machine(execution).text == told
    assert lab.show.state_machine(arn, execution.split(":")[-1]).text == told
    assert lab.show.state_machine(DEFINITION, execution).text == told
    asked = {e["operation"] for e in lab.log if e.kind == "aws.call"}
    assert {"DescribeStateMachine", "DescribeStateMachineForExecution"} <= asked
    assert not any("Describe" in step.what for step in steps(lab.log))


def test_an_express_execution_is_shown_too(lab: Lab, states: Any) -> None:
    arn = machine(states, "express", "EXPRESS")
    lines = json.dumps({"lines": [{"count": 0}]})
    execution = states.start_execution(stateMachineArn=arn, input=lines)["executionArn"]
    lab.log.wait(
        lambda e: e.kind == "execution.ended" and e["execution"] == execution, timeout=SOON
    )
    assert "⤳ EachLine: caught 0 of 1 items: EmptyLine" in lab.show.state_machine(execution).text


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("nobody", "'nobody' is neither an ARN nor a definition"),
        (f"{ACCOUNT}:stateMachine:nobody", "State Machine Does Not Exist"),
        (f"{ACCOUNT}:execution:nobody:x", "Execution Does Not Exist"),
        (f"{ACCOUNT}:express:nobody:x:y", "State Machine Does Not Exist"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_what_is(
    lab: Lab, states: Any, which: str, said: str
) -> None:
    known = machine(states, "known")
    with pytest.raises(LabError, match=said) as raised:
        lab.show.state_machine(which)
    assert known in str(raised.value)
