"""``RedriveExecution``: from where an execution that did not succeed goes on.

"It continues the failed execution from the unsuccessful step and uses the same input", under the same
ARN, with the definition that it began with, and its history goes on.

Source: AWS Step Functions API reference, ``RedriveExecution`` and ``DescribeExecution``; developer
guide, "Restarting state machine executions with redrive".  The message of ``ExecutionNotRedrivable`` is
captured.  Not verified: that the state is entered again in the history.

Not emulated: a Parallel or Map state runs all of its branches again, not only those that failed; the
period of 14 days; ``clientToken``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.states.history import ENTERED

REDRIVABLE = frozenset({"FAILED", "ABORTED", "TIMED_OUT"})


def status_of(status: str) -> dict[str, str]:
    """``redriveStatus`` of an execution, with the reason if it cannot be redriven.

    Args:
        status: the execution's status.
    """
    if status in REDRIVABLE:
        return {"redriveStatus": "REDRIVABLE"}
    reason = f"Execution is {status} and cannot be redriven"
    return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}


def resumption(definition: str, events: Iterable[Mapping[str, Any]]) -> tuple[str, Any]:
    """Where an execution goes on.

    Args:
        definition: the one that it began with.
        events: its history.

    Returns:
        The definition, beginning with the state that was entered last (of those that are in no Map or
        Parallel state), and that state's input.
    """
    machine = json.loads(definition)
    start, given = machine["StartAt"], None
    for event in events:
        if event["type"] == "ExecutionStarted":
            given = json.loads(event["executionStartedEventDetails"]["input"])
        if event["type"].endswith(ENTERED):
            details = event["stateEnteredEventDetails"]
            if details["name"] in machine["States"]:
                start, given = details["name"], json.loads(details["input"])
    return json.dumps({**machine, "StartAt": start}), given


def warning(definition: str) -> str | None:
    """What of an execution that goes on is otherwise than on AWS; ``None`` if nothing is.

    Args:
        definition: the one that it goes on with.
    """
    machine = json.loads(definition)
    name = machine["StartAt"]
    kind = machine["States"][name]["Type"]
    if kind not in ("Map", "Parallel"):
        return None
    return (
        f"The {kind} state {name} is entered again: here all of its branches run, on AWS those only "
        "that did not succeed."
    )
