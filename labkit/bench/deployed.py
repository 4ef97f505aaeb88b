"""What is measured on an emulator of AWS, deployed by boto3."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from labkit.bench.peer import NotOffered
from labkit.deployment_package import package
from labkit.pattern.build import System as Built
from labkit.pattern.build import build

HANDLERS = Path(__file__).parent / "handlers"
STAGE = "bench"
REGION = "us-east-1"

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

_NOTIFY: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {
        "Payload": {
            "connectionId.$": "$.execution.Item.connectionId.S",
            "message.$": "$.message",
        },
    },
    "ResultPath": None,
    "Catch": [
        {"ErrorEquals": ["GoneException"], "ResultPath": "$.failure", "Next": "ForgetConn"},
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Done"},
    ],
    "Next": "Done",
}
"""The pattern's last task, where there is no ``apigateway:invoke``."""

_IS_CONNECTED = [
    {"Variable": "$.execution.Item.connectionId.S", "IsPresent": True, "Next": "Notify"},
]
"""Its choice, where a Choice state compares no two timestamps."""


@dataclass
class Deployed:
    """An emulator in a process of its own, which boto3 of this process reaches: a ``System``.

    Attributes:
        pid: the emulator's process.
        folder: an empty folder for what functions write.
        reach_by: where a client connects, given an address that the emulator's answers name.
        runs_all: whether it runs the pattern's state machine as it is.
        needs_connect: whether an API without ``$connect`` lets nobody in.
    """

    pid: int
    folder: Path
    reach_by: Callable[[str], str] = str
    runs_all: bool = True
    needs_connect: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def _session(self) -> boto3.Session:
        # A new one for each server, as in a program that has just begun: botocore reads the
        # descriptions of the services again.
        return boto3.Session(region_name=REGION)

    @cached_property
    def _lambda(self) -> Any:
        return self._session.client("lambda")

    @cached_property
    def _role(self) -> str:
        made = self._session.client("iam").create_role(
            RoleName="bench", AssumeRolePolicyDocument=json.dumps(_TRUST)
        )
        return str(made["Role"]["Arn"])

    def deploy_echo(self) -> str:
        """Deploy a WebSocket API whose one function sends each message back."""
        connect = {"$connect": "accept"} if self.needs_connect else {}
        return self._deploy_api({**connect, "$default": "echo"}, {})

    def deploy_watched(self) -> tuple[str, Path]:
        """Deploy a WebSocket API with functions for ``$connect`` and ``$disconnect``."""
        left = self.folder / "left"
        left.touch()
        url = self._deploy_api({"$connect": "accept", "$disconnect": "left"}, {"LEFT": str(left)})
        return url, left

    def deploy_function(self) -> str:
        """Deploy a function that builds two clients at import."""
        return self._deploy_handler("two_clients", {}).rpartition(":")[2]

    def invoke(self, function: str) -> None:
        """Invoke a function and wait for its answer."""
        answer = self._lambda.invoke(FunctionName=function, Payload=b"{}")
        answer["Payload"].read()
        if "FunctionError" in answer:
            raise RuntimeError(f"the function {function} failed: {answer['FunctionError']}")

    def deploy_pattern(self, *, portable: bool) -> str:
        """Deploy the pattern's reference implementation."""
        if not portable and not self.runs_all:
            raise NotOffered("Its Step Functions does not run the pattern's state machine.")
        built = build(session=self._session)
        if portable:
            self._make_portable(built)
        return self.reach(built.orders_url)

    def reach(self, url: str) -> str:
        """Where a client connects, given an address that the emulator's answers name."""
        return self.reach_by(url)

    def _make_portable(self, built: Built) -> None:
        """Change what of the state machine not every emulator runs."""
        host = f"{built.websocket_api_id}.execute-api.{REGION}.amazonaws.com"
        stage = built.websocket_url.rpartition("/")[2]
        function = self._deploy_handler("notify", {"ENDPOINT": f"https://{host}/{stage}"})
        states = self._session.client("stepfunctions")
        found = states.describe_state_machine(stateMachineArn=built.state_machine_arn)
        definition = json.loads(found["definition"])
        definition["States"]["Notify"] = {
            **_NOTIFY,
            "Parameters": {**_NOTIFY["Parameters"], "FunctionName": function},
        }
        definition["States"]["IsConnected"]["Choices"] = _IS_CONNECTED
        states.update_state_machine(
            stateMachineArn=built.state_machine_arn, definition=json.dumps(definition)
        )

    def _deploy_api(self, routes: Mapping[str, str], environment: Mapping[str, str]) -> str:
        """Deploy a WebSocket API whose routes lead to these handlers; where to connect."""
        apis = self._session.client("apigatewayv2")
        api = apis.create_api(
            Name="bench",
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression="$request.body.action",
        )
        for key, handler in routes.items():
            function = self._deploy_handler(handler, environment)
            integration = apis.create_integration(
                ApiId=api["ApiId"],
                IntegrationType="AWS_PROXY",
                IntegrationMethod="POST",
                IntegrationUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/"
                f"{function}/invocations",
            )
            apis.create_route(
                ApiId=api["ApiId"],
                RouteKey=key,
                Target=f"integrations/{integration['IntegrationId']}",
            )
        deployment = apis.create_deployment(ApiId=api["ApiId"])
        apis.create_stage(
            ApiId=api["ApiId"], StageName=STAGE, DeploymentId=deployment["DeploymentId"]
        )
        return self.reach(f"{api['ApiEndpoint']}/{STAGE}")

    def _deploy_handler(self, handler: str, environment: Mapping[str, str]) -> str:
        """Deploy a handler as a function of its own; its ARN."""
        made = self._lambda.create_function(
            FunctionName=f"bench-{handler.replace('_', '-')}-{next(self._numbers)}",
            Runtime="python3.12",
            Handler=f"{handler}.handler",
            Role=self._role,
            Timeout=30,
            Code={"ZipFile": package(HANDLERS / f"{handler}.py")},
            Environment={"Variables": dict(environment)},
        )
        self._lambda.add_permission(
            FunctionName=made["FunctionName"],
            StatementId="any-api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
        return str(made["FunctionArn"])
