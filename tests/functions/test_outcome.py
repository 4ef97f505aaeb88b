"""What Lambda says of an invocation; the expected lines are those of AWS's documentation."""

from __future__ import annotations

import json

import pytest

from labkit.functions import outcome
from labkit.functions.outcome import Outcome

ID = "b70435cc-261c-4438-b9b6-efe4c8f04b21"


def test_time_out_is_told_as_aws_tells_it() -> None:
    ended = outcome.timed_out(ID, 3, 1709572958.033)
    assert json.loads(ended.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {ID} Error: Task timed out after 3.00 seconds",
    }
    assert ended.line == f"2024-03-04T17:22:38.033Z {ID} Task timed out after 3.00 seconds"
    assert ended.status == "timeout"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
        (-6, "Runtime exited with error: signal: aborted"),
    ],
)
def test_exit_is_told_as_aws_tells_it(code: int, reason: str) -> None:
    ended = outcome.exited(ID, code)
    assert json.loads(ended.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {ID} Error: {reason}",
    }


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b'{"errorType": "OutOfStock"}', "OutOfStock"),
        (b'{"errorType": 3}', "Unhandled"),
        (b"[]", "Unhandled"),
        (b"no json", "Unhandled"),
    ],
)
def test_reported_error_is_known_by_its_type(payload: bytes, kind: str) -> None:
    assert outcome.failed(payload) == Outcome(payload, kind, "error")


def test_lines_of_an_invocation() -> None:
    assert outcome.start_line(ID, "$LATEST") == f"START RequestId: {ID} Version: $LATEST"
    assert outcome.end_line(ID) == f"END RequestId: {ID}"


def report(ended: Outcome, init: float | None = None) -> str:
    return outcome.report_line(ID, ended, duration=12.345, init=init, memory=128, used=46)


def test_report_of_a_warm_invocation() -> None:
    assert report(Outcome(b"")) == (
        f"REPORT RequestId: {ID}\tDuration: 12.35 ms\tBilled Duration: 13 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 46 MB\t"
    ).replace("12.35", f"{12.345:.2f}")


def test_report_of_a_cold_invocation_bills_initialisation() -> None:
    line = report(Outcome(b""), init=80.0)
    assert "\tBilled Duration: 93 ms\t" in line
    assert line.endswith("\tInit Duration: 80.00 ms\t")


def test_report_says_how_it_failed() -> None:
    assert report(outcome.timed_out(ID, 3, 0)).endswith("\tStatus: timeout\t")
    crash = report(outcome.exited(ID, 1))
    assert crash.endswith("\tStatus: error\tError Type: Runtime.ExitError\t")
    assert "Status" not in report(outcome.failed(b"{}"))


def test_report_of_an_initialisation_that_failed() -> None:
    assert outcome.init_report_line(1236.04, "timeout") == (
        "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: timeout"
    )
    assert outcome.init_report_line(1236.04, "error", "Extension.Crash") == (
        "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: error\t"
        "Error Type: Extension.Crash"
    )
