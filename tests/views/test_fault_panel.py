"""The fault panel: each button makes the call beside it, and the table tells what is set."""

import html
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.lab import register_cards
from labkit.views.fault_panel import FaultPanel, faults_table
from labkit.views.live import Live
from tests.views.test_live import Screen


@pytest.fixture
def log() -> EventLog:
    log = EventLog()
    log.append("connection.opened", None, api="a", stage="s", connection="left=")
    log.append("connection.opened", None, api="a", stage="s", connection="here=")
    log.append("connection.closed", None, connection="left=", code=1000, reason="")
    log.append("function.invoked", None, function="work", request="r", cold=True)
    log.append("aws.call", None, service="dynamodb", operation="GetItem", table="orders")
    log.append("state.entered", None, execution="e", state="DoWork", type="Task", input="{}")
    return log


@pytest.fixture
def faults(log: EventLog) -> Faults:
    return Faults(log)


def widgets(box: Any) -> list[Any]:
    """A widget and all that it holds."""
    return [box, *(found for child in getattr(box, "children", ()) for found in widgets(child))]


def named(box: Any, description: str) -> Any:
    (found,) = [w for w in widgets(box) if getattr(w, "description", None) == description]
    return found


@pytest.mark.parametrize(
    ("button", "call", "step", "action", "match"),
    [
        (
            "Drop connection",
            "lab.faults.drop_connection('here=')",
            "connection",
            "drop",
            {"connection": "here="},
        ),
        (
            "Delay function",
            "lab.faults.delay_function('work', 1.0)",
            "function.invoke",
            "delay",
            {"function": "work"},
        ),
        (
            "Delay state",
            "lab.faults.delay_state('DoWork', 1.0)",
            "state.enter",
            "delay",
            {"state": "DoWork"},
        ),
        (
            "Kill function",
            "lab.faults.kill_function('work')",
            "function.invoke",
            "kill",
            {"function": "work"},
        ),
        (
            "Throttle table",
            "lab.faults.throttle_table('orders')",
            "aws.call",
            "throttle",
            {"service": "dynamodb", "table": "orders"},
        ),
        (
            "Answer 410",
            "lab.faults.notify_gone()",
            "management",
            "error",
            {"operation": "PostToConnection"},
        ),
        (
            "Answer 429",
            "lab.faults.notify_throttled()",
            "management",
            "throttle",
            {"operation": "PostToConnection"},
        ),
        ("Deliver twice", "lab.faults.deliver_twice()", "frame.out", "duplicate", {}),
    ],
)
def test_a_button_makes_the_call_that_is_written_beside_it(
    log: EventLog,
    faults: Faults,
    button: str,
    call: str,
    step: str,
    action: str,
    match: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    box = FaultPanel(log, faults).inputs()
    pressed = named(box, button)
    (row,) = [w for w in widgets(box) if pressed in getattr(w, "children", ())]
    _, beside = row.children
    assert f">{call}<" in html.unescape(beside.value)
    pressed.click()
    (fault,) = faults
    assert (fault.step, str(fault.action), fault.match) == (step, action, match)
    assert capsys.readouterr().out == ""
    named(box, "Take all back").click()
    assert list(faults) == []


def test_only_open_connections_can_be_chosen(log: EventLog, faults: Faults) -> None:
    panel = FaultPanel(log, faults)
    box = panel.inputs()
    assert list(named(box, "Connection").options) == ["here="]
    log.append("connection.opened", None, api="a", stage="s", connection="new=")
    log.append("connection.closed", None, connection="here=", code=1000, reason="")
    panel.draw()
    assert list(named(box, "Connection").options) == ["new="]


def test_what_is_chosen_stays_chosen_when_more_appears(log: EventLog, faults: Faults) -> None:
    panel = FaultPanel(log, faults)
    function = named(panel.inputs(), "Function")
    log.append("function.invoked", None, function="notify", request="r", cold=True)
    panel.draw()
    assert (function.options, function.value) == (("work", "notify"), "work")


def test_one_fault_of_several_is_taken_back(log: EventLog, faults: Faults) -> None:
    first, second = faults.kill_function("work"), faults.deliver_twice()
    box = FaultPanel(log, faults).inputs()
    named(box, "Fault").value = first.id
    named(box, "Take back").click()
    assert [fault.id for fault in faults] == [second.id]
    assert f"Done: lab.faults.clear({first.id})" in box.children[-1].value
    assert named(box, "Fault").value == second.id
    named(box, "Take back").click()
    named(box, "Take back").click()
    assert "there is no fault yet" in box.children[-1].value


def test_the_table_follows_strikes_and_calls(log: EventLog, faults: Faults) -> None:
    panel, screen = FaultPanel(log, faults), Screen()
    with Live(log, panel.draw, screen, version=panel.version):
        assert screen.frames[0]["text/plain"] == "No fault is set."
        faults.kill_function("work", times=2)
        screen.wait_for("kill at function.invoke (function work): strikes 2 times")
        faults.strike("function.invoke", None, function="work")
        screen.wait_for("kill at function.invoke (function work): strikes once")
        faults.strike("function.invoke", None, function="work")
        screen.wait_for("kill at function.invoke: has struck", "<td")
        faults.deliver_twice()
        screen.wait_for("duplicate at frame.out: strikes once\nkill at function.invoke: has struck")
        faults.clear()
        screen.wait_for("kill at function.invoke: has struck")
    assert [tuple(row) for row in panel.view.rows] == [
        ("1", "kill at function.invoke (function work)", "2", "no more")
    ]


def test_what_struck_before_the_panel_was_made_is_not_told(log: EventLog, faults: Faults) -> None:
    faults.deliver_twice()
    faults.strike("frame.out", None, connection="here=")
    assert FaultPanel(log, faults).text == "No fault is set."


def test_pressing_a_button_before_there_is_anything_says_so() -> None:
    log = EventLog()
    faults = Faults(log)
    box = FaultPanel(log, faults).inputs()
    assert "lab.faults.kill_function(…)" in html.unescape(
        "".join(str(w.value) for w in widgets(box) if hasattr(w, "value"))
    )
    named(box, "Kill function").click()
    assert list(faults) == []
    assert "there is no function yet" in box.children[-1].value


def test_a_connection_that_has_closed_meanwhile_is_said_not_to_be_open(
    log: EventLog, faults: Faults
) -> None:
    box = FaultPanel(log, faults).inputs()
    log.append("connection.closed", None, connection="here=", code=1000, reason="")
    named(box, "Drop connection").click()
    assert "Not done: No connection" in box.children[-1].value


def test_the_table_tells_how_often_a_fault_struck_and_still_strikes(faults: Faults) -> None:
    faults.delay_function("work", 2.5, times=3)
    faults.add("frame.out", "drop", times=None, connection="here=")
    faults.strike("function.invoke", None, function="work")
    table = faults_table(faults, faults.strikes())
    assert [tuple(row[1:]) for row in table.rows] == [
        ("delay at function.invoke (function work, 2.5 s)", "1", "2 times"),
        ("drop at frame.out (connection here=)", "0", "always"),
    ]
    assert table.text == (
        "delay at function.invoke (function work, 2.5 s): strikes 2 times\n"
        "drop at frame.out: strikes always"
    )


def test_faults_show_themselves_as_the_last_line_of_a_cell(faults: Faults) -> None:
    faults.kill_function("work", times=None)
    formatter = DisplayFormatter()
    register_cards(formatter.mimebundle_formatter)
    shown, _ = formatter.format(faults)
    assert shown["text/plain"] == "kill at function.invoke (function work): strikes always"
    assert "<table>" in shown["text/html"]


def test_without_faults_it_says_so(log: EventLog, faults: Faults) -> None:
    panel = FaultPanel(log, faults)
    assert panel.text == "No fault is set."
    assert "No fault is set." in panel.view.html
