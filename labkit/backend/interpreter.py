"""The parts of moto's interpreter of the States Language: where they are, and its failures.

moto imports the interpreter when it is first used, so its classes are looked up by name.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import Any

import moto

SAMPLE = {
    "StartAt": "A",
    "States": {
        "A": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "f", "Payload.$": "$"},
            "ResultPath": "$.a",
            "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}],
            "Next": "B",
        },
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "C"}]},
        "C": {"Type": "Succeed"},
    },
}
"""A definition that takes the grammar's tables through their first, slow use."""

PARSER = "moto.stepfunctions.parser"

ASL = f"{PARSER}.asl"

STATE = f"{ASL}.component.state"

TASK = f"{STATE}.exec.state_task"


def failure(
    env: Any, error: str, cause: str, *, event: str = "TaskFailed", **details: Any
) -> Exception:
    """Moto's exception for a state that fails."""
    made: Exception = error_class("FailureEventException")(
        failure_event=failure_event(env, error, cause, event=event, **details)
    )
    return made


def failure_event(
    env: Any, error: str, cause: str, *, event: str = "TaskFailed", **details: Any
) -> Any:
    """Moto's event of a state that fails; ``details`` are further members of its history event."""
    member = event[:1].lower() + event[1:] + "EventDetails"
    return error_class("FailureEvent")(
        env=env,
        error_name=_error_name(error),
        event_type=getattr(enum("HistoryEventType"), event),
        event_details={member: {"error": error, "cause": cause, **details}},
    )


def _error_name(name: str) -> Any:
    names = sys.modules[f"{ASL}.component.common.error_name.states_error_name"]
    types_ = sys.modules[f"{ASL}.component.common.error_name.states_error_name_type"]
    try:
        return names.StatesErrorName(types_.StatesErrorNameType.from_name(name))
    except ValueError:
        custom = sys.modules[f"{ASL}.component.common.error_name.custom_error_name"]
        return custom.CustomErrorName(name)


def error_class(name: str) -> Any:
    """A class of moto's failures, by name."""
    return getattr(sys.modules[f"{ASL}.component.common.error_name.failure_event"], name)


def enum(name: str) -> Any:
    """An enumeration of Step Functions' API, by name."""
    return getattr(sys.modules[f"{PARSER}.api"], name)


def load_interpreter() -> None:
    """Import the interpreter without EC2.

    Its task for Batch imports ``moto.batch.utils``, and with it the package, which imports all of
    EC2's instance types: a second that nothing here needs.  So the package stands as an empty one
    while the interpreter is imported.
    """
    if "moto.batch" in sys.modules:
        importlib.import_module(f"{PARSER}.models")
        return
    package = types.ModuleType("moto.batch")
    package.__path__ = [os.path.join(path, "batch") for path in moto.__path__]
    sys.modules["moto.batch"] = package
    try:
        importlib.import_module(f"{PARSER}.models")
    finally:
        del sys.modules["moto.batch"]
