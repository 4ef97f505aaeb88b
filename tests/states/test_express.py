import json
from datetime import timedelta

import pytest

from labkit.states import express
from labkit.states.definition import message, problems

ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:pack"


def refused(resource, kind):
    machine = {
        "StartAt": "A",
        "States": {"A": {"Type": "Task", "Resource": resource, "End": True}},
    }
    return problems(json.dumps(machine), kind)


@pytest.mark.behaviour("states.express.no-token")
@pytest.mark.parametrize(
    ("resource", "words"),
    [
        # Answers of AWS that were published; the two spaces are its own.
        (
            "arn:aws:states:::sns:publish.waitForTaskToken",
            "Express state machine does not support '.waitForTaskToken' service integration  at "
            "/States/A/Resource",
        ),
        (
            "arn:aws:states:::states:startExecution.sync",
            "Express state machine does not support '.sync' service integration at "
            "/States/A/Resource",
        ),
        (ACTIVITY, "Express state machine does not support Activity ARN at /States/A/Resource"),
    ],
)
def test_what_express_does_not_support_is_refused_in_the_words_of_aws(resource, words):
    assert refused(resource, "STANDARD") == []
    assert message(refused(resource, "EXPRESS")) == (
        f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {words}'"
    )


def test_what_express_does_not_support_is_refused_inside_a_branch_too():
    branch = {
        "StartAt": "A",
        "States": {"A": {"Type": "Task", "Resource": ACTIVITY, "End": True}},
    }
    states = {"P": {"Type": "Parallel", "Branches": [branch], "End": True}}
    found = problems(json.dumps({"StartAt": "P", "States": states}), "EXPRESS")
    assert len(found) == 1
    assert found[0].endswith("Activity ARN at /States/P/Branches[0]/States/A/Resource")


@pytest.mark.parametrize(("mode", "count"), [("INLINE", 0), ("DISTRIBUTED", 1)])
def test_distributed_map_is_for_standard_only(mode, count):
    processor = {
        "ProcessorConfig": {"Mode": mode, "ExecutionType": "EXPRESS"},
        "StartAt": "A",
        "States": {"A": {"Type": "Pass", "End": True}},
    }
    states = {"M": {"Type": "Map", "ItemProcessor": processor, "End": True}}
    assert len(problems(json.dumps({"StartAt": "M", "States": states}), "EXPRESS")) == count


def test_execution_has_an_arn_of_its_own_form():
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:stateMachine"
    arn = express.arn_of(machine, "order-1", "d6e3")
    assert arn == "arn:aws:states:us-east-1:123456789012:express:stateMachine:order-1:d6e3"
    assert express.is_execution(arn)
    assert not express.is_execution(arn.replace(":express:", ":execution:"))
    assert express.execution_name(arn) == "order-1"


@pytest.mark.behaviour("states.express.longest")
@pytest.mark.parametrize("given", [None, 60, 301, 10**6])
def test_execution_has_five_minutes_at_most(given, expected):
    kept = min(given or expected.seconds, expected.seconds)
    machine = {"StartAt": "A", "States": {}} | ({} if given is None else {"TimeoutSeconds": given})
    assert json.loads(express.limited(json.dumps(machine)))["TimeoutSeconds"] == kept


@pytest.mark.behaviour("states.express.billing")
@pytest.mark.parametrize(("ms", "steps"), [(0, 1), (1, 1), (100, 1), (101, 2), (950, 10)])
def test_duration_is_billed_in_steps_of_100_ms(ms, steps, expected):
    billed = steps * expected.milliseconds
    details = express.billing(timedelta(milliseconds=ms))
    assert details == {"billedDurationInMilliseconds": billed, "billedMemoryUsedInMB": 64}
