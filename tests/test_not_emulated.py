"""Calls that succeed here, and of which AWS would make more: the first of them warns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import boto3
import pytest

from labkit.lab import Lab, running

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
    }
)
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
MACHINE = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})


@pytest.fixture
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


def warnings(lab: Lab) -> list[str]:
    return [event["message"] for event in lab.log if event.kind == "cloud.warning"]


def put() -> None:
    boto3.client("iam").put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=POLICY)


def create() -> None:
    boto3.client("iam").create_policy(PolicyName="p", PolicyDocument=POLICY)


@pytest.mark.behaviour("cloud.machine.iam")
@pytest.mark.parametrize(("first", "second"), [(put, create), (create, put)])
def test_first_policy_of_iam_warns_and_no_other(
    lab: Lab, first: Callable[[], object], second: Callable[[], object]
) -> None:
    iam = boto3.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.put_role_policy(RoleName="nobody", PolicyName="p", PolicyDocument=POLICY)
    assert warnings(lab) == []
    first()
    (told,) = warnings(lab)
    assert "not enforced" in told
    second()
    boto3.client("iam").attach_role_policy(
        RoleName="r", PolicyArn="arn:aws:iam::123456789012:policy/p"
    )
    assert warnings(lab) == [told]


@pytest.mark.behaviour("states.express.at-least-once")
def test_asynchronous_express_execution_warns_once_for_each_machine(lab: Lab) -> None:
    states = boto3.client("stepfunctions")

    def machine(name: str, kind: str) -> str:
        role = "arn:aws:iam::123456789012:role/r"
        made = states.create_state_machine(name=name, definition=MACHINE, roleArn=role, type=kind)
        return str(made["stateMachineArn"])

    standard, orders, bills = (
        machine("standard", "STANDARD"),
        machine("orders", "EXPRESS"),
        machine("bills", "EXPRESS"),
    )
    states.start_execution(stateMachineArn=standard)
    states.start_sync_execution(stateMachineArn=orders)
    assert warnings(lab) == []
    for arn in (orders, orders, bills):
        states.start_execution(stateMachineArn=arn)
    first, second = warnings(lab)
    assert first.startswith("The state machine orders is of the type EXPRESS.")
    assert second.startswith("The state machine bills ")
