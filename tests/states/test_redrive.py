import pytest

from labkit.states.redrive import status_of


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
