"""What the event log says about an execution, from the events of its history.

Source of the types and their details: AWS Step Functions API reference, ``HistoryEvent``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.eventlog import shorten

ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}
"""The types that end a history, and the status that each stands for."""

FAILURES = frozenset(
    {
        "ActivityFailed",
        "ActivityTimedOut",
        "EvaluationFailed",
        "LambdaFunctionFailed",
        "LambdaFunctionTimedOut",
        "TaskFailed",
        "TaskTimedOut",
    }
)

ITERATIONS = {
    "MapIterationSucceeded": "SUCCEEDED",
    "MapIterationFailed": "FAILED",
    "MapIterationAborted": "ABORTED",
}
"""The types that end an iteration of a Map state, and how."""

ITERATION_STARTED = "MapIterationStarted"

ENTERED = "StateEntered"
STARTED = "StateStarted"
EXITED = "StateExited"


def log_entry(
    type_: str, details: Mapping[str, Any] | None, state: str
) -> tuple[str, dict[str, Any]] | None:
    """What to log of a history event.

    Args:
        type_: the event's type, such as ``TaskStateEntered``.
        details: its details under their member, as in ``{"stateEnteredEventDetails": {…}}``.
        state: the state in which it happens.

    Returns:
        The kind and the data beside ``execution``; ``None`` if the log does not show it.  Input and
        output are JSON text, shortened.
    """
    facts: Mapping[str, Any] = next(iter((details or {}).values()), {}) or {}
    if type_.endswith(ENTERED):
        return "state.entered", {
            "state": facts["name"],
            "type": type_.removesuffix(ENTERED),
            "input": shorten(facts.get("input") or ""),
        }
    if type_.endswith(EXITED):
        return "state.exited", {
            "state": facts["name"],
            "output": shorten(facts.get("output") or ""),
        }
    if type_ in FAILURES:
        return "task.failed", {
            "state": state,
            "error": facts.get("error") or "",
            "cause": shorten(facts.get("cause") or ""),
        }
    if type_ == "MapStateStarted":
        return "map.started", {"state": state, "length": facts.get("length", 0)}
    if type_ in ITERATIONS:
        return "iteration.ended", {
            "state": facts["name"],
            "index": facts["index"],
            "status": ITERATIONS[type_],
        }
    if type_ in ENDS:
        return "execution.ended", {"status": ENDS[type_], "error": facts.get("error")}
    return None
