import json

import pytest

from labkit.states.redrive import resumption, status_of, warning


@pytest.mark.behaviour("states.executions.redrive")
@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT"])
def test_execution_that_did_not_succeed_can_be_redriven(status):
    assert status_of(status) == {"redriveStatus": "REDRIVABLE"}


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_execution_that_runs_or_succeeded_cannot(status):
    # The reasons are those of DescribeExecution's redriveStatusReason.
    assert status_of(status) == {
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": f"Execution is {status} and cannot be redriven",
    }


def entered(name, given):
    return {
        "type": "TaskStateEntered",
        "stateEnteredEventDetails": {"name": name, "input": json.dumps(given)},
    }


BEGUN = {"type": "ExecutionStarted", "executionStartedEventDetails": {"input": '{"o":1}'}}
BRANCH = {"StartAt": "Inside", "States": {"Inside": {"Type": "Pass", "End": True}}}
MACHINE = json.dumps(
    {
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Next": "P"},
            "P": {"Type": "Parallel", "Branches": [BRANCH], "End": True},
        },
    }
)


@pytest.mark.behaviour("states.executions.redrive")
@pytest.mark.parametrize(
    ("events", "start", "given"),
    [
        ([BEGUN], "A", {"o": 1}),
        ([BEGUN, entered("A", 1)], "A", 1),
        ([BEGUN, entered("A", 1), entered("P", 2)], "P", 2),
        ([BEGUN, entered("A", 1), entered("P", 2), entered("Inside", 3)], "P", 2),
        ([BEGUN, entered("A", 1), entered("P", 2), entered("A", 4)], "A", 4),
    ],
)
def test_execution_goes_on_with_the_state_that_was_entered_last(events, start, given):
    definition, data = resumption(MACHINE, events)
    assert (json.loads(definition)["StartAt"], data) == (start, given)
    assert json.loads(definition)["States"] == json.loads(MACHINE)["States"]


@pytest.mark.behaviour("states.executions.redrive-branches")
def test_branches_that_run_again_are_told_of():
    within, _ = resumption(MACHINE, [BEGUN, entered("P", 2)])
    assert "The Parallel state P is entered again" in warning(within)
    before, _ = resumption(MACHINE, [BEGUN, entered("A", 1)])
    assert warning(before) is None
