"""What is asked of a function in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from labkit import package
from labkit.functions.passed_over import passed_over
from labkit.lab import Lab, running

CONFIGURED = {
    "Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:tools:1"],
    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:lost"},
    "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:q"}},
    "MaximumEventAgeInSeconds": 60,
    "MaximumRetryAttempts": 0,
    "ProvisionedConcurrentExecutions": 2,
    "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}},
    "SnapStart": {"ApplyOn": "PublishedVersions"},
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


@pytest.mark.behaviour("lambda.invocations.passed-over")
@pytest.mark.parametrize("member", CONFIGURED)
def test_what_has_no_effect_is_named(member: str) -> None:
    [told] = passed_over({"FunctionName": "f", member: CONFIGURED[member]})
    assert told.startswith(f"The local cloud passes over {member}: ")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"Layers": []},
        {"DeadLetterConfig": {}},
        {"SnapStart": {"ApplyOn": "None"}},
        {"Role": "r"},
    ],
)
def test_what_asks_for_nothing_is_not_named(wish: dict[str, Any]) -> None:
    assert list(passed_over(wish)) == []


@pytest.mark.behaviour("lambda.invocations.passed-over")
def test_call_with_it_succeeds_and_is_warned_of(lab: Lab) -> None:
    before = lab.log.last
    role = boto3.client("iam").create_role(RoleName="passed", AssumeRolePolicyDocument="{}")
    functions = boto3.client("lambda")
    functions.create_function(
        FunctionName="passed",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": package({"app.py": b"def handler(event, context): return 1"})},
        DeadLetterConfig=CONFIGURED["DeadLetterConfig"],
    )
    functions.put_function_event_invoke_config(FunctionName="passed", MaximumRetryAttempts=0)
    warnings = [e["message"] for e in lab.log.after(before) if e.kind == "cloud.warning"]
    assert [text.split(":")[0].rsplit(" ", 1)[1] for text in warnings] == [
        "DeadLetterConfig",
        "MaximumRetryAttempts",
    ]
