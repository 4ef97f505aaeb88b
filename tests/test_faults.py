from collections.abc import Callable

import pytest

from labkit.errors import LabError
from labkit.eventlog import EventLog
from labkit.faults import Action, Fault, Faults


@pytest.fixture
def faults() -> Faults:
    return Faults(EventLog())


def test_nothing_strikes_when_nothing_is_set(faults: Faults) -> None:
    assert faults.strike("frame.out", connection="c") is None


def test_a_fault_strikes_as_often_as_it_was_told(faults: Faults) -> None:
    faults.add("function.invoke", "error", times=2, function="notify")
    struck = [faults.strike("function.invoke", function="notify") for _ in range(3)]
    assert [fault is not None for fault in struck] == [True, True, False]


def test_a_fault_without_a_number_strikes_always(faults: Faults) -> None:
    faults.add("frame.out", "drop", times=None)
    assert all(faults.strike("frame.out") for _ in range(10))


def test_a_fault_strikes_only_where_everything_matches(faults: Faults) -> None:
    faults.add("aws.call", "throttle", service="dynamodb", operation="GetItem")
    assert faults.strike("aws.call", service="dynamodb", operation="PutItem") is None
    assert faults.strike("frame.in", service="dynamodb", operation="GetItem") is None
    assert faults.strike("aws.call", service="dynamodb", operation="GetItem", table="t")


def test_asking_for_some_actions_leaves_the_others_set(faults: Faults) -> None:
    faults.add("frame.out", "duplicate")
    assert faults.strike("frame.out", None, Action.DROP) is None
    assert faults.strike("frame.out", None, Action.DUPLICATE)


def test_what_struck_is_in_the_log() -> None:
    log = EventLog()
    faults = Faults(log)
    fault = faults.add("connection", "drop", connection="c1")
    faults.strike("connection", connection="c1")
    (event,) = log
    assert event.kind == "fault.applied"
    assert event.data == {
        "fault": fault.id,
        "step": "connection",
        "action": "drop",
        "connection": "c1",
    }


def test_one_fault_or_all_can_be_taken_back(faults: Faults) -> None:
    first = faults.add("frame.in", "drop")
    faults.add("frame.out", "drop")
    faults.add("connection", "drop")
    faults.clear(first)
    assert [fault.step for fault in faults] == ["frame.out", "connection"]
    faults.clear()
    assert list(faults) == []


def test_an_unknown_step_or_action_names_the_known_ones(faults: Faults) -> None:
    with pytest.raises(ValueError, match=r"No step is called .fram.in.*frame\.in"):
        faults.add("fram.in", "drop")
    with pytest.raises(ValueError, match=r"No action is called .dorp.*drop, delay"):
        faults.add("frame.in", "dorp")


def test_whoever_watches_is_told_of_each_fault_that_is_set(faults: Faults) -> None:
    told: list[Fault] = []
    faults.watch(told.append)
    assert told == []
    fault = faults.add("frame.in", "drop")
    assert told == [fault]


@pytest.mark.parametrize(
    ("set_fault", "step", "context", "action"),
    [
        (
            lambda faults: faults.delay_function("work", 2.5),
            "function.invoke",
            {"function": "work"},
            Action.DELAY,
        ),
        (
            lambda faults: faults.delay_state("DoWork", 2.5),
            "state.enter",
            {"state": "DoWork", "machine": "m"},
            Action.DELAY,
        ),
        (
            lambda faults: faults.throttle_table("orders"),
            "aws.call",
            {"service": "dynamodb", "operation": "GetItem", "table": "orders"},
            Action.THROTTLE,
        ),
        (
            lambda faults: faults.notify_gone(),
            "management",
            {"connection": "c", "operation": "PostToConnection"},
            Action.ERROR,
        ),
        (
            lambda faults: faults.notify_throttled(),
            "management",
            {"connection": "c", "operation": "PostToConnection"},
            Action.THROTTLE,
        ),
        (
            lambda faults: faults.deliver_twice(),
            "frame.out",
            {"connection": "c"},
            Action.DUPLICATE,
        ),
        (
            lambda faults: faults.kill_function("work"),
            "function.invoke",
            {"function": "work"},
            Action.KILL,
        ),
    ],
)
def test_a_named_fault_strikes_once_at_its_step_and_nowhere_else(
    faults: Faults,
    set_fault: Callable[[Faults], Fault],
    step: str,
    context: dict[str, str],
    action: Action,
) -> None:
    fault = set_fault(faults)
    elsewhere = dict.fromkeys(context, "other")
    if step != "frame.out":
        assert faults.strike(step, None, **elsewhere) is None
    struck = faults.strike(step, None, **context)
    assert struck is fault
    assert struck.action is action
    assert struck.seconds == (2.5 if action is Action.DELAY else 0)
    assert struck.status == (410 if action is Action.ERROR else 500)
    assert faults.strike(step, None, **context) is None


def test_dropping_a_connection_that_is_not_open_names_those_that_are() -> None:
    log = EventLog()
    faults = Faults(log)
    for connection in ("left", "here"):
        log.append("connection.opened", None, api="a", stage="s", connection=connection)
    log.append("connection.closed", None, connection="left", code=1000, reason="")
    with pytest.raises(LabError, match=r"No connection 'left' is open.*connections: here\."):
        faults.drop_connection("left")
    assert list(faults) == []
    assert faults.drop_connection("here").match == {"connection": "here"}
