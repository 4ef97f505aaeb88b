import pytest

from labkit.eventlog import EventLog
from labkit.faults import Action, Faults


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
