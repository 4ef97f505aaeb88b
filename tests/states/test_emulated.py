import json

import pytest

from labkit.states.emulated import interpretable, refusals, warnings

INNER = {"StartAt": "X", "States": {"X": {"Type": "Pass", "End": True}}}
DISTRIBUTED = {**INNER, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}}


def machine(state, name="A"):
    return json.dumps({"StartAt": name, "States": {name: {**state, "End": True}}})


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::lambda:invoke",
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "arn:aws:lambda:us-east-1:123456789012:function:f",
        "arn:aws:states:::dynamodb:putItem",
        "arn:aws:states:::apigateway:invoke.waitForTaskToken",
        "arn:aws:states:::aws-sdk:sqs:sendMessage.waitForTaskToken",
        "arn:aws:states:::states:startExecution.sync:2",
        "arn:aws:states:::aws-sdk:dynamodb:query",
    ],
)
def test_what_runs_here_is_not_refused(resource):
    assert refusals(machine({"Type": "Task", "Resource": resource})) == []


@pytest.mark.behaviour("states.definitions.unrunnable")
@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::codebuild:startBuild.sync",
        "arn:aws:states:::ecs:runTask.sync",
        "arn:aws:states:::glue:startJobRun",
        "arn:aws:states:::http:invoke",
        "arn:aws:states:us-east-1:123456789012:activity:pack",
    ],
)
def test_resource_that_nothing_runs_is_refused_by_name(resource):
    (refusal,) = refusals(machine({"Type": "Task", "Resource": resource}))
    assert refusal == (
        f"The local cloud does not emulate the resource {resource} (state A). It works on AWS only."
    )


def test_state_in_a_branch_is_looked_at_too():
    task = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke"}
    branch = json.loads(machine(task, "Inside"))
    assert len(refusals(machine({"Type": "Parallel", "Branches": [branch, branch]}))) == 2
    assert "(state Inside)" in refusals(machine({"Type": "Map", "Iterator": branch}))[0]


@pytest.mark.behaviour("states.executions.distributed-only")
@pytest.mark.parametrize("field", ["ItemReader", "ItemBatcher", "ResultWriter",
                                   "ToleratedFailureCount", "ToleratedFailurePercentage"])  # fmt: skip
def test_what_only_a_distributed_map_has_is_refused(field):
    state = {"Type": "Map", "ItemProcessor": DISTRIBUTED, field: {}}
    assert f"does not emulate {field} of a Map (state A)" in refusals(machine(state))[0]


@pytest.mark.behaviour("states.executions.distributed")
def test_distributed_map_becomes_an_inline_one_with_a_warning():
    state = {"Type": "Map", "ItemProcessor": DISTRIBUTED, "Label": "L", "MaxConcurrency": 9}
    inner = machine({"Type": "Parallel", "Branches": [json.loads(machine(state, "M"))]})
    assert refusals(inner) == []
    assert "The Map state M is distributed." in warnings(inner)[0]
    branch = json.loads(interpretable(inner))["States"]["A"]["Branches"][0]
    assert branch["States"]["M"] == {
        "Type": "Map",
        "ItemProcessor": {**INNER, "ProcessorConfig": {"Mode": "INLINE"}},
        "MaxConcurrency": 9,
        "End": True,
    }


@pytest.mark.parametrize("text", ["{", "[]", '{"States": []}', machine({"Type": "Pass"}) + " \n"])
def test_everything_else_goes_to_the_interpreter_as_it_is(text):
    assert interpretable(text) == text
