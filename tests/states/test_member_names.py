"""How a state machine names members, by the shapes of two services."""

from datetime import datetime, timedelta, timezone

import botocore.session
import pytest

from labkit.states.member_names import as_service, as_states


def shape(service, operation, side):
    model = botocore.session.Session().get_service_model(service).operation_model(operation)
    return getattr(model, f"{side}_shape")


def test_names_of_a_service_in_camel_case_begin_with_a_capital_in_a_state_machine():
    asked = shape("stepfunctions", "StartExecution", "input")
    given = {"StateMachineArn": "a", "Input": "{}"}
    assert as_service(given, asked) == {"stateMachineArn": "a", "input": "{}"}
    answered = shape("stepfunctions", "ListStateMachines", "output")
    answer = {"stateMachines": [{"stateMachineArn": "a"}]}
    assert as_states(answer, answered, sdk=True) == {"StateMachines": [{"StateMachineArn": "a"}]}


def test_names_within_structures_and_maps_are_changed_and_keys_of_maps_are_not():
    asked = shape("codebuild", "StartBuild", "input")
    given = {"ProjectName": "p", "EnvironmentVariablesOverride": [{"Name": "n", "Value": "v"}]}
    assert as_service(given, asked) == {
        "projectName": "p",
        "environmentVariablesOverride": [{"name": "n", "value": "v"}],
    }
    tags = shape("batch", "SubmitJob", "input")
    assert as_service({"Tags": {"Key": "v"}}, tags) == {"tags": {"Key": "v"}}


def test_what_has_capitals_already_and_what_is_unknown_stays():
    given = {"TableName": "t", "Key": {"id": {"S": "1"}}, "Strange": 1}
    for side in ("input", "output"):
        assert as_service(given, shape("dynamodb", "GetItem", side)) == given
        assert as_states(given, shape("dynamodb", "GetItem", side), sdk=True) == given
    assert as_service(given, None) == as_states(given, None, sdk=False) == given


@pytest.mark.behaviour("states.executions.times")
@pytest.mark.parametrize(
    ("sdk", "told"), [(True, "2026-11-24T08:00:00.125Z"), (False, 1_795_507_200_125)]
)
def test_time_is_text_or_milliseconds(sdk, told):
    moment = datetime(2026, 11, 24, 9, 0, 0, 125_000, tzinfo=timezone(timedelta(hours=1)))
    answered = shape("stepfunctions", "StartExecution", "output")
    assert as_states({"startDate": moment}, answered, sdk=sdk) == {"StartDate": told}
