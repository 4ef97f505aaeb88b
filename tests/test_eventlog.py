import threading
from pathlib import Path

import pytest

from labkit.eventlog import (
    BODY_SHOWN,
    ITEM_SHOWN,
    VALUE_SHOWN,
    Event,
    EventLog,
    item_copy,
    shorten,
)
from labkit.trace import Trace

ARN = "arn:aws:states:us-east-1:123456789012:execution:orders:o-1"


def test_events_are_numbered_from_one_and_never_go_back_in_time() -> None:
    log = EventLog()
    events = [log.append("frame.in", connection="c") for _ in range(100)]
    assert [event.seq for event in events] == list(range(1, 101))
    assert sorted(event.time for event in events) == [event.time for event in events]


def test_after_gives_only_what_is_newer() -> None:
    log = EventLog()
    for number in range(5):
        log.append("frame.in", number=number)
    assert [event["number"] for event in log.after(3)] == [3, 4]
    assert log.after(log.last) == []


def test_the_oldest_events_go_when_the_log_is_full() -> None:
    log = EventLog(capacity=3)
    for _ in range(5):
        log.append("frame.in")
    assert [event.seq for event in log] == [3, 4, 5]


def test_an_event_carries_the_trace_and_what_caused_it() -> None:
    log = EventLog()
    first = log.append("http.request", Trace("1-a-b"))
    second = log.append("function.invoked", Trace("1-a-b").after(first.seq))
    assert (second.trace, second.cause) == ("1-a-b", 1)


def test_wait_sees_what_was_there_before_it_was_called() -> None:
    log = EventLog()
    log.append("frame.out", body="hello")
    assert log.wait(lambda event: event.kind == "frame.out", timeout=0)["body"] == "hello"


def test_wait_is_woken_by_another_thread() -> None:
    log = EventLog()
    writer = threading.Timer(0.01, lambda: log.append("execution.ended", status="SUCCEEDED"))
    writer.start()
    event = log.wait(lambda event: event.kind == "execution.ended", timeout=5)
    writer.join()
    assert event["status"] == "SUCCEEDED"


def test_wait_gives_up_in_time_and_says_so() -> None:
    with pytest.raises(TimeoutError, match=r"no such event within 0\.01 s"):
        EventLog().wait(lambda event: True, timeout=0.01)


def test_no_event_is_lost_or_doubled_under_many_writers() -> None:
    log = EventLog()
    told: list[int] = []
    log.subscribe(lambda event: told.append(event.seq))

    def write() -> None:
        for _ in range(500):
            log.append("frame.in")

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [event.seq for event in log] == list(range(1, 2001))
    assert sorted(told) == list(range(1, 2001))


def test_a_subscription_can_be_ended() -> None:
    log = EventLog()
    told: list[Event] = []
    end = log.subscribe(told.append)
    log.append("frame.in")
    end()
    log.append("frame.in")
    assert [event.seq for event in told] == [1]


def test_a_saved_log_is_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    log = EventLog()
    log.append("frame.in", Trace("1-a-b", 7), body="ü", size=2)
    log.append("frame.out", body="x")
    log.save(tmp_path / "log.jsonl")
    assert list(EventLog.load(tmp_path / "log.jsonl")) == list(log)


def test_events_of_an_execution_include_its_connections_and_nobody_elses() -> None:
    log = EventLog()
    mine, handshake, other = Trace("1-m-1"), Trace("1-h-1"), Trace("1-o-1")
    log.append("http.request", mine)
    log.append("connection.opened", handshake, connection="c1")
    log.append("execution.started", mine, execution=ARN)
    log.append("connection.opened", other, connection="c2")
    log.append("frame.out", mine, connection="c1")
    expected = ["http.request", "connection.opened", "execution.started", "frame.out"]
    assert [event.kind for event in log.of(ARN)] == expected
    assert [event.kind for event in log.of("o-1")] == expected


def test_a_client_that_came_late_belongs_to_the_execution_whose_item_it_reads() -> None:
    # Nothing of the execution's own traces speaks of the connection: it was over before.
    log = EventLog()
    log.append("execution.started", Trace("1-m-1"), execution=ARN)
    log.append("handshake.request", Trace("1-h-1"), connection="c1")
    for trace, name, connection in (("1-s-1", "o-1", "c1"), ("1-s-2", "o-2", "c2")):
        log.append("aws.call", Trace(trace), operation="UpdateItem", key={"name": {"S": name}})
        log.append("frame.out", Trace(trace), connection=connection)
    kinds = ["execution.started", "handshake.request", "aws.call", "frame.out"]
    assert [event.kind for event in log.of(ARN)] == kinds


def test_long_bodies_are_shortened_visibly() -> None:
    assert shorten("x" * BODY_SHOWN) == "x" * BODY_SHOWN
    assert shorten("x" * (BODY_SHOWN + 1)) == "x" * BODY_SHOWN + "…"


def test_an_item_is_kept_as_it_is_if_it_is_small_and_always_has_all_its_attributes() -> None:
    small = {
        "id": {"S": "a"},
        "n": {"N": "1.50"},
        "gone": {"NULL": True},
        "is": {"BOOL": False},
        "set": {"SS": ["x", "y"]},
        "list": {"L": [{"N": "1"}, {"M": {"deep": {"S": "z"}}}]},
    }
    assert item_copy(small) == small
    almost = {"s": {"S": "x" * (ITEM_SHOWN - 50)}}
    assert item_copy(almost) == almost
    assert item_copy({"s": {"S": "x" * ITEM_SHOWN}}) == {"s": {"S": "x" * VALUE_SHOWN + "…"}}
    large = {
        "many": {"L": [{"M": {"word": {"S": "y" * 90}}}] * 4_000},
        "set": {"NS": [str(number) for number in range(9_000)]},
        "last": {"S": "z"},
    }
    kept = item_copy(large)
    assert list(kept) == ["many", "set", "last"]
    assert kept["many"]["L"][-1] == {"S": "…"}
    assert len(str(kept)) < 3 * ITEM_SHOWN


def test_a_shortened_item_is_a_copy() -> None:
    names = {"SS": ["a"]}
    kept = item_copy({"names": names})
    names["SS"].append("b")
    assert kept == {"names": {"SS": ["a"]}}


def test_waiting_until_something_holds_looks_again_with_each_event() -> None:
    log = EventLog()
    looks: list[int] = []

    def holds() -> bool:
        looks.append(log.last)
        if log.last < 3:
            log.append("function.log", line="next")
        return log.last >= 3

    log.wait_until(holds)
    assert looks == [0, 1, 2]
    with pytest.raises(TimeoutError):
        log.wait_until(lambda: False, timeout=0.01)
