import pytest

from labkit.states.errors import matches


@pytest.mark.behaviour("states.errors.all", "states.errors.task-failed")
def test_wildcards_match_all_but_some(expected):
    errors = ["Boom", "States.Timeout", "States.DataLimitExceeded", "States.Runtime"]
    unmatched = [error for error in errors if not matches(["States.ALL"], error)]
    assert unmatched == expected.terminal
    failures = [error for error in errors if not matches(["States.TaskFailed"], error)]
    assert failures == [expected.error, *unmatched]


@pytest.mark.behaviour("states.errors.all", "states.errors.task-failed")
@pytest.mark.parametrize(
    ("error_equals", "error", "matched"),
    [
        (["States.ALL"], "Boom", True),
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.ALL"], "States.Runtime", False),
        (["States.TaskFailed"], "Boom", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.TaskFailed"], "States.Runtime", False),
        (["ApiGateway.410"], "ApiGateway.410", True),
        (["ApiGateway.410"], "ApiGateway.429", False),
        (["A", "B"], "B", True),
        (["States.DataLimitExceeded"], "States.DataLimitExceeded", True),
        ([], "Boom", False),
    ],
)
def test_error_matches_as_the_developer_guide_says(error_equals, error, matched):
    assert matches(error_equals, error) is matched


@pytest.mark.behaviour("states.errors.heartbeat")
@pytest.mark.parametrize("wanted", ["States.Timeout", "States.HeartbeatTimeout", "States.ALL"])
def test_missed_heartbeat_is_caught_under_either_name(wanted):
    assert matches([wanted], "States.Timeout", "States.HeartbeatTimeout")


def test_ordinary_timeout_is_no_missed_heartbeat():
    assert not matches(["States.HeartbeatTimeout"], "States.Timeout")
