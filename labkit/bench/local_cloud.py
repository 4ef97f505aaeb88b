"""``labkit serve`` as a peer, with boto3 to deploy what is measured, unmodified."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from labkit.bench.child import Child
from labkit.bench.measurement import LAB
from labkit.deployment_package import package
from labkit.pattern.build import build
from labkit.runtime import redirect

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


@dataclass
class _CloudSystem:
    """A local cloud in a process of its own."""

    pid: int
    folder: Path
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
        return self._deploy_api({"$default": "echo"}, {})

    def deploy_watched(self) -> tuple[str, Path]:
        left = self.folder / "left"
        left.touch()
        url = self._deploy_api({"$connect": "accept", "$disconnect": "left"}, {"LEFT": str(left)})
        return url, left

    def deploy_function(self) -> str:
        return self._deploy_handler("two_clients", {}).rpartition(":")[2]

    def invoke(self, function: str) -> None:
        answer = self._lambda.invoke(FunctionName=function, Payload=b"{}")
        answer["Payload"].read()
        if "FunctionError" in answer:
            raise RuntimeError(f"the function {function} failed: {answer['FunctionError']}")

    def deploy_pattern(self) -> str:
        return build(session=self._session).orders_url

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
        return f"{api['ApiEndpoint']}/{STAGE}"

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
        return str(made["FunctionArn"])


QUOTA = "1000000"
"""New connections a second: no bare server has AWS's quota of 500, so here nothing comes near it."""


class LocalCloud:
    """The local cloud, as ``labkit serve`` runs it."""

    name = LAB

    @contextmanager
    def serve(self) -> Iterator[_CloudSystem]:
        """Start a fresh cloud, which has ended when the block ends.

        Every AWS call of this process goes to it meanwhile, as in a notebook.
        """
        with (
            tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder,
            Child("labkit", "serve", "--new-connections", QUOTA) as child,
        ):
            redirect.install(child.line()["endpoint"])
            try:
                yield _CloudSystem(child.pid, Path(folder))
            finally:
                redirect.uninstall()
