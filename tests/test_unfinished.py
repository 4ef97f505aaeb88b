"""What has begun and not ended is known by the log, and a lab waits for its end."""

import json
from typing import Any

import boto3
import pytest

from labkit import Lab
from labkit.eventlog import EventLog
from labkit.resources import function
from labkit.unfinished import Unfinished

PAIRS: dict[str, tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "function": (("function.invoked", {"request": "r"}), ("function.returned", {"request": "r"})),
    "$disconnect": (
        ("connection.closed", {"connection": "c"}),
        ("disconnect.handled", {"connection": "c"}),
    ),
    "execution": (
        ("execution.started", {"execution": "e"}),
        ("execution.ended", {"execution": "e"}),
    ),
    "message": (("frame.in", {"connection": "c"}), ("message.handled", {"connection": "c"})),
}


@pytest.mark.parametrize("what", PAIRS)
def test_what_begins_is_unfinished_until_it_ends(what: str) -> None:
    (begins, begun), (ends, ended) = PAIRS[what]
    log = EventLog()
    log.append(begins, None, **begun)
    unfinished = Unfinished(log.after())
    assert unfinished
    assert str(unfinished) == f"1 × {what}"
    seen = log.last
    log.append(ends, None, **ended)
    unfinished.take(log.after(seen))
    assert not unfinished
    assert str(unfinished) == ""


@pytest.mark.parametrize("what", PAIRS)
def test_the_end_of_another_one_does_not_end_it(what: str) -> None:
    (begins, begun), (ends, ended) = PAIRS[what]
    log = EventLog()
    log.append(begins, None, **begun)
    log.append(ends, None, **dict.fromkeys(ended, "other"))
    assert Unfinished(log.after())


def test_each_message_of_a_connection_counts() -> None:
    log = EventLog()
    for _ in range(3):
        log.append("frame.in", connection="c")
    log.append("message.handled", connection="c")
    assert str(Unfinished(log.after())) == "2 × message"


SLOW = """
import time


def handler(event, context):
    time.sleep(event["seconds"])
"""


def test_a_lab_waits_until_everything_has_ended() -> None:
    with Lab.start() as lab:
        function("slow", {"slow.py": SLOW})
        boto3.client("lambda").invoke(
            FunctionName="slow",
            InvocationType="Event",
            Payload=json.dumps({"seconds": 0.2}).encode(),
        )
        lab.log.wait(lambda event: event.kind == "function.invoked")
        with pytest.raises(TimeoutError, match=r"within 0\.01 s: 1 × function"):
            lab.settle(timeout=0.01)
        lab.settle()
        assert [e["function"] for e in lab.log if e.kind == "function.returned"] == ["slow"]
