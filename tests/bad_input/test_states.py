"""Definitions and inputs of state machines that are wrong in every way."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bad_input.port import DEADLINE, Answer, Port, deep, is_said_kindly, values
from tests.fidelity.plugin import Values

SPEED = 1000.0
ROLE = "arn:aws:iam::123456789012:role/states"
WHOLE: dict[str, Any] = {
    "Comment": "one state of every kind",
    "StartAt": "Pass",
    "TimeoutSeconds": 30,
    "States": {
        "Pass": {
            "Type": "Pass",
            "Parameters": {"a.$": "$.a", "b": 1},
            "ResultPath": "$.passed",
            "Next": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Choice"},
        "Choice": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.a", "NumericGreaterThan": 5, "Next": "Fail"},
                {"And": [{"Variable": "$.a", "IsPresent": True}], "Next": "Map"},
            ],
            "Default": "Parallel",
        },
        "Map": {
            "Type": "Map",
            "ItemsPath": "$.list",
            "MaxConcurrency": 2,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "Each",
                "States": {"Each": {"Type": "Pass", "End": True}},
            },
            "Next": "Parallel",
        },
        "Parallel": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Left", "States": {"Left": {"Type": "Succeed"}}},
                {"StartAt": "Right", "States": {"Right": {"Type": "Pass", "End": True}}},
            ],
            "Next": "Task",
        },
        "Task": {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:getItem",
            "Parameters": {"TableName": "t", "Key": {"id": {"S.$": "States.Format('{}', $.a)"}}},
            "TimeoutSeconds": 5,
            "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "JSONata"}],
            "Next": "JSONata",
        },
        "JSONata": {
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Output": "{% $states.input %}",
            "Next": "Done",
        },
        "Fail": {"Type": "Fail", "Error": "Wrong", "Cause": "too large"},
        "Done": {"Type": "Succeed"},
    },
}
Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Where something stands in a definition."""
    if at:
        yield at
    if isinstance(value, dict | list):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(member, (*at, name))


PLACES = list(places(WHOLE))


def changed(change: tuple[Place, Any]) -> dict[str, Any]:
    """The definition with another value at a place; :data:`GONE` takes it away."""
    place, value = change
    machine = copy.deepcopy(WHOLE)
    inside: Any = machine
    for name in place[:-1]:
        inside = inside[name]
    if value is GONE:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return machine


GONE = object()
odd = values | st.sampled_from(
    [
        GONE,
        [],
        {},
        [[]],
        "$",
        "$.a[",
        "$..*",
        "$$.Execution.Input",
        "States.Format('{}')",
        "{% $ %}",
        "{% ( %}",
        "Pass",
        "arn:aws:states:::lambda:invoke",
        -1,
        1e308,
    ]
)
definitions = st.one_of(
    st.tuples(st.sampled_from(PLACES), odd).map(changed).map(json.dumps),
    st.text(max_size=40),
    values.map(json.dumps),
    deep,
)


def call(port: Port, operation: str, **members: Any) -> Answer:
    return port.aws("states", f"AWSStepFunctions.{operation}", json.dumps(members).encode())


def run(port: Port, machine: str, text: str) -> dict[str, Any]:
    """Start an execution, wait for its end, and describe it."""
    began = port.lab.log.last
    started = call(port, "StartExecution", stateMachineArn=machine, input=text)
    assert started.status == 200, started.body
    arn = started.json()["executionArn"]
    port.lab.log.wait(
        lambda event: event.kind == "execution.ended" and event["execution"] == arn,
        after=began,
        timeout=DEADLINE,
    )
    described: dict[str, Any] = call(port, "DescribeExecution", executionArn=arn).json()
    assert described["status"] in ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
    history = call(port, "GetExecutionHistory", executionArn=arn)
    assert history.status == 200, history.body
    return described


@given(definitions)
@example('{"StartAt": "a", "States": {"a": {"Type": ["Pass"], "End": true}}}')
@example('{"StartAt": "a", "States": {"a": {"Type": "Parallel", "Branches": 5, "End": true}}}')
@example('{"StartAt":"a","States":{"a":{"Type":"Pass","ItemProcessor":5,"End":true}}}')
@example("[" * 3000)
@example('"\\ud800"')
def test_definition_is_taken_and_runs_or_is_refused_as_invalid(port: Port, text: str) -> None:
    with port.unharmed():
        made = call(
            port,
            "CreateStateMachine",
            name=f"m{port.lab.log.last}",
            definition=text,
            roleArn=ROLE,
        )
        if made.status == 200:
            machine = made.json()["stateMachineArn"]
            assert call(port, "DescribeStateMachine", stateMachineArn=machine).status == 200
            run(port, machine, '{"a": 1, "list": [1, 2, 3]}')
            assert call(port, "DeleteStateMachine", stateMachineArn=machine).status == 200
        else:
            is_said_kindly(made)
            known = ("InvalidDefinition", "NotImplemented", "ValidationException")
            assert made.headers["x-amzn-errortype"] in known, made.body


@pytest.mark.behaviour("states.definitions.longest")
def test_definition_that_is_too_long_is_refused(port: Port, expected: Values) -> None:
    def create(size: int) -> Answer:
        machine = {"StartAt": "a", "States": {"a": {"Type": "Succeed"}}, "Comment": ""}
        machine["Comment"] = "x" * (size - len(json.dumps(machine)))
        text = json.dumps(machine)
        assert len(text) == size
        return call(port, "CreateStateMachine", name=f"m{size}", definition=text, roleArn=ROLE)

    with port.unharmed():
        assert create(expected.largest).status == 200
        refused = create(expected.largest + 1)
    is_said_kindly(refused)
    assert refused.headers["x-amzn-errortype"] == expected.error
    assert str(expected.largest) in refused.json()["message"]


@pytest.fixture(scope="module")
def passing(port: Port) -> str:
    """A state machine that gives back what it gets."""
    definition = {"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": True}}}
    made = call(
        port,
        "CreateStateMachine",
        name="passing",
        definition=json.dumps(definition),
        roleArn=ROLE,
    )
    return str(made.json()["stateMachineArn"])


@given(values.map(json.dumps) | st.text(max_size=20) | deep | st.sampled_from(["NaN", "-Infinity"]))
@example("[" * 3000)
@example('"\ud800"')
@example("1" * 5000)
def test_input_comes_out_again_or_is_refused_as_invalid(
    port: Port, passing: str, text: str
) -> None:
    with port.unharmed():
        started = call(port, "StartExecution", stateMachineArn=passing, input=text)
        if started.status == 200:
            described = run(port, passing, text)
            assert described["status"] == "SUCCEEDED", described
            assert json.loads(described["output"]) == json.loads(text)
        else:
            is_said_kindly(started)
            assert started.headers["x-amzn-errortype"] == "InvalidExecutionInput"


@given(
    st.sampled_from(
        ["CreateStateMachine", "StartExecution", "StopExecution", "DescribeExecution", "Nothing"]
    ),
    st.dictionaries(
        st.sampled_from(["name", "definition", "roleArn", "stateMachineArn", "input", "type"]),
        values,
        max_size=4,
    ),
)
@example("StartExecution", {"stateMachineArn": "x", "name": 5})
@example("StartExecution", {"stateMachineArn": None})
@example("CreateStateMachine", {"name": "n", "definition": 5, "roleArn": ROLE})
def test_member_of_another_kind_is_the_callers_mistake(
    port: Port, operation: str, members: dict[str, Any]
) -> None:
    with port.unharmed():
        got = call(port, operation, **members)
        if got.status != 200:
            is_said_kindly(got)
            assert got.headers.get("x-amzn-errortype") or got.json().get("__type")
