"""The definition would pass on AWS: a States Language validator, the resources, and its own rules."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from statelint.linter import Linter

from labkit.states.definition import problems
from labkit.states.resources import is_known
from tests.pattern.conftest import PATTERN, Shop

TEXT = (PATTERN / "state_machine.asl.json").read_text("utf-8")
MACHINE: dict[str, Any] = json.loads(TEXT)
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
TASKS = [name for name, state in STATES.items() if state["Type"] == "Task"]


def test_validator_of_the_states_language_finds_nothing() -> None:
    assert Linter.validate(MACHINE) == []


def test_nothing_that_aws_refuses_is_found() -> None:
    assert problems(TEXT) == []
    assert all(is_known(STATES[name]["Resource"]) for name in TASKS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"Next": "GetConn"', '"Next": "GetConnection"'),
        ('"Type": "Choice"', '"Type": "Choose"'),
        ('"ErrorEquals": ["ApiGateway.410"]', '"ErrorEquals": "ApiGateway.410"'),
        ('"MaxAttempts": 8', '"MaxAttempts": "8"'),
        ('"ResultPath": "$.execution"', '"ResultPath": "execution"'),
    ],
)
def test_validator_notices_a_mistake(before: str, after: str) -> None:
    assert before in TEXT
    assert Linter.validate(json.loads(TEXT.replace(before, after))) != []


def test_resource_that_does_not_exist_is_noticed() -> None:
    post = "arn:aws:states:::aws-sdk:apigatewaymanagementapi:postToConnection"
    (said,) = problems(TEXT.replace("arn:aws:states:::apigateway:invoke", post))
    assert f"The resource provided {post} is not recognized" in said


def test_definition_names_no_account_region_or_stage() -> None:
    assert set(re.findall(r"\$\{(\w+)\}", TEXT)) == {
        "DoWorkFunctionArn",
        "ReleaseStockFunctionArn",
        "ExecutionsTable",
        "WebSocketApiId",
        "Region",
        "Stage",
    }
    assert not re.search(r"\d{12}|us-east-1|prod", TEXT)


def test_what_is_deployed_has_every_name_filled_in(shop: Shop) -> None:
    states = boto3.client("stepfunctions")
    deployed = states.describe_state_machine(stateMachineArn=shop.system.state_machine_arn)
    definition = deployed["definition"]
    assert "${" not in definition
    assert Linter.validate(json.loads(definition)) == []
    assert json.loads(definition)["States"].keys() == STATES.keys()


# -- its own rules ---------------------------------------------------------------------------------


def test_nothing_after_the_stored_result_can_fail_the_order() -> None:
    after = ["GetConn", "Notify", "ForgetConn"]
    assert set(TASKS) - set(after) == {"DoWork", "ReleaseStock", "SaveResult"}
    for name in after:
        *_, last = STATES[name]["Catch"]
        assert last["ErrorEquals"] == ["States.ALL"]
        assert last["Next"] == "Done"


def test_gone_is_caught_and_never_tried_again() -> None:
    notify = STATES["Notify"]
    retried = [error for rule in notify["Retry"] for error in rule["ErrorEquals"]]
    assert not {"ApiGateway.410", "States.ALL", "States.TaskFailed"} & set(retried)
    assert {"ApiGateway.429", "ApiGateway.500", "ApiGateway.503"} <= set(retried)
    assert notify["Catch"][0] == {
        "ErrorEquals": ["ApiGateway.410"],
        "ResultPath": "$.failure",
        "Next": "ForgetConn",
    }


def test_connection_is_read_consistently_when_it_is_needed_and_not_before() -> None:
    assert STATES["GetConn"]["Parameters"]["ConsistentRead"] is True
    assert STATES["SaveResult"]["Next"] == "GetConn"
    assert "onnectionId" not in json.dumps([STATES["DoWork"], STATES["SaveResult"]])


def test_every_call_of_a_function_is_retried_as_aws_recommends() -> None:
    recommended = {
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    }
    for name in ("DoWork", "ReleaseStock"):
        (rule,) = STATES[name]["Retry"]
        assert recommended <= set(rule["ErrorEquals"]) or rule["ErrorEquals"] == ["States.ALL"]
        assert (rule["IntervalSeconds"], rule["BackoffRate"], rule["MaxAttempts"]) == (2, 2.0, 6)
