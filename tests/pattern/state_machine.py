"""The states of the pattern's state machine, one call after the other.

A reader of ``state_machine.asl.json`` that knows as much of the States Language as the file uses, so
that the file itself can be gone through in every order of steps.  The whole language is the local
cloud's business.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


class TaskFailed(Exception):
    """A task failed; ``error`` is its name in the States Language."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Passing:
    """How time passes for an execution; by itself, none does.

    Attributes:
        now: what time it is.
        enter: told of each state that is entered.
        wait: waits so many seconds before a task is tried again.
        draw: a random number between two, for waits with jitter.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    enter: Callable[[str], object] = lambda state: None
    wait: Callable[[float], object] = lambda seconds: None
    draw: Callable[[float, float], float] = lambda low, high: high


AT_ONCE = Passing()


def run(
    definition: Json,
    name: str,
    data: Json,
    task: Callable[[str, str, Json], Any],
    start: str = "",
    time: Passing = AT_ONCE,
) -> str:
    """Run an execution.

    Args:
        definition: the state machine.
        name: the execution's.
        data: its input.
        task: does a Task's work, by the state's name, its resource and parameters.
        start: the state to begin with, if not the first.
        time: how it passes.

    Returns:
        Its status.
    """
    at = start or definition["StartAt"]
    while True:
        state = definition["States"][at]
        time.enter(at)
        context = {
            "Execution": {"Name": name},
            "State": {"EnteredTime": time.now().isoformat()},
        }
        match state["Type"]:
            case "Succeed":
                return "SUCCEEDED"
            case "Choice":
                chosen = [c["Next"] for c in state["Choices"] if _all(c["And"], data, context)]
                at = chosen[0] if chosen else state["Default"]
            case "Task":
                try:
                    result = _try(at, state, data, context, task, time)
                except TaskFailed as failed:
                    caught = _matching(state.get("Catch", []), failed.error)
                    if caught is None:
                        return "FAILED"
                    data = _put(data, caught["ResultPath"], {"Error": failed.error})
                    at = caught["Next"]
                else:
                    if "ResultSelector" in state:
                        result = _filled(state["ResultSelector"], result, context)
                    data = _put(data, state.get("ResultPath", "$"), result)
                    at = state["Next"]


def _try(
    name: str,
    state: Json,
    data: Json,
    context: Json,
    task: Callable[[str, str, Json], Any],
    time: Passing,
) -> Any:
    parameters = _filled(state["Parameters"], data, context)
    attempts = 0
    while True:
        try:
            return task(name, state["Resource"], parameters)
        except TaskFailed as failed:
            retry = _matching(state.get("Retry", []), failed.error)
            attempts += 1
            if retry is None or attempts > retry["MaxAttempts"]:
                raise
            pause = min(
                retry["IntervalSeconds"] * retry["BackoffRate"] ** (attempts - 1),
                retry.get("MaxDelaySeconds", math.inf),
            )
            jitter = retry.get("JitterStrategy") == "FULL"
            time.wait(time.draw(0, pause) if jitter else pause)


def _matching(rules: list[Json], error: str) -> Json | None:
    return next((r for r in rules if {error, "States.ALL"} & set(r["ErrorEquals"])), None)


def _all(rules: list[Json], data: Json, context: Json) -> bool:
    for rule in rules:
        try:
            value = _at(rule["Variable"], data, context)
            if "TimestampLessThanPath" in rule:
                other = _at(rule["TimestampLessThanPath"], data, context)
                if not datetime.fromisoformat(value) < datetime.fromisoformat(other):
                    return False
        except KeyError:
            return False
    return True


def _filled(template: Any, data: Json, context: Json) -> Any:
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): (
            _evaluated(value, data, context)
            if key.endswith(".$")
            else _filled(value, data, context)
        )
        for key, value in template.items()
    }


def _evaluated(expression: str, data: Json, context: Json) -> Any:
    if found := re.fullmatch(r"States\.JsonToString\((.+)\)", expression):
        return json.dumps(_at(found[1], data, context))
    if found := re.fullmatch(r"States\.Format\('(.+)', (.+)\)", expression):
        return found[1].replace("{}", _at(found[2], data, context))
    return _at(expression, data, context)


def _at(path: str, data: Json, context: Json) -> Any:
    value: Any = context if path.startswith("$$") else data
    for name in path.split(".")[1:]:
        value = value[name]
    return value


def _put(data: Json, path: str | None, result: Any) -> Json:
    if path is None:
        return data
    return result if path == "$" else {**data, path.removeprefix("$."): result}
