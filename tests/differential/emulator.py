"""The local cloud and the other emulators, as one script uses all of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config

from labkit.bench.deployed import Deployed
from labkit.bench.local_cloud import LocalCloud
from labkit.bench.ministack import Ministack
from labkit.bench.peer import Peer
from labkit.bench.serverless_offline import ServerlessOffline
from labkit.deployment_package import package

FUNCTIONS = Path(__file__).parent / "functions"
REGION = "us-east-1"
STAGE = "dev"

Routes = Mapping[str, str]
"""Functions of ``functions/recorder`` by the key of their route."""

ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=20)
_ROLE = json.dumps({"Version": "2012-10-17", "Statement": []})


@dataclass(frozen=True)
class Api:
    """A WebSocket API that is deployed.

    Attributes:
        url: where clients connect.
        elsewhere: the same with a stage that there is not.
        connections: a boto3 client for ``@connections``.
    """

    url: str
    elsewhere: str
    connections: Any


class Emulator(Protocol):
    """Something that says it behaves like AWS."""

    name: str

    def websocket_api(self, routes: Routes) -> Api:
        """Deploy a WebSocket API, the same one for the same routes."""

    def http_api(self) -> str:
        """Deploy an HTTP API once, with the function ``http`` at ``GET /there``; where its root is."""

    def client(self, service: str) -> Any:
        """A boto3 client, or ``None`` if the service is not there."""


@dataclass
class ByBoto3:
    """An emulator to which boto3 deploys, as to AWS.

    Attributes:
        name: the emulator's name.
        deployed: the emulator that runs.
        port: where functions tell what they got.
    """

    name: str
    deployed: Deployed
    port: int
    _apis: dict[str, Api] = field(default_factory=dict)
    _functions: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(region_name=REGION)

    def client(self, service: str) -> Any:
        return self._session.client(service, config=ONCE)

    @cached_property
    def role(self) -> str:
        """The ARN of a role."""
        iam = self.client("iam")
        return str(iam.create_role(RoleName="r", AssumeRolePolicyDocument=_ROLE)["Role"]["Arn"])

    def function(self, name: str) -> str:
        """The ARN of a function of the recorder's."""
        if name not in self._functions:
            made = self.client("lambda").create_function(
                FunctionName=name,
                Runtime="python3.12",
                Handler=f"recorder.{name}",
                Role=self.role,
                Timeout=20,
                Code={"ZipFile": package(FUNCTIONS / "recorder.py")},
                Environment={"Variables": {"RECORDER": str(self.port)}},
            )
            self.client("lambda").add_permission(
                FunctionName=made["FunctionName"],
                StatementId="any-api",
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
            )
            self._functions[name] = str(made["FunctionArn"])
        return self._functions[name]

    def websocket_api(self, routes: Routes) -> Api:
        key = json.dumps(routes)
        if key not in self._apis:
            apis = self.client("apigatewayv2")
            made = apis.create_api(
                Name="differential",
                ProtocolType="WEBSOCKET",
                RouteSelectionExpression="$request.body.action",
            )
            for route, function in routes.items():
                self._route(apis, made["ApiId"], route, function)
            deployment = apis.create_deployment(ApiId=made["ApiId"])["DeploymentId"]
            apis.create_stage(ApiId=made["ApiId"], StageName=STAGE, DeploymentId=deployment)
            root = self.deployed.reach(made["ApiEndpoint"]).replace("http", "ws", 1)
            management = self._session.client(
                "apigatewaymanagementapi",
                endpoint_url=f"https://{made['ApiId']}.execute-api.{REGION}.amazonaws.com/{STAGE}",
                config=ONCE,
            )
            self._apis[key] = Api(f"{root}/{STAGE}", f"{root}/nowhere", management)
        return self._apis[key]

    def http_api(self) -> str:
        return self._http_root

    @cached_property
    def _http_root(self) -> str:
        apis = self.client("apigatewayv2")
        made = apis.create_api(Name="differential-http", ProtocolType="HTTP")
        self._route(apis, made["ApiId"], "GET /there", "http", PayloadFormatVersion="2.0")
        apis.create_stage(ApiId=made["ApiId"], StageName="$default", AutoDeploy=True)
        return self.deployed.reach(made["ApiEndpoint"])

    def _route(self, apis: Any, api: str, key: str, function: str, **settings: str) -> None:
        integration = apis.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationMethod="POST",
            IntegrationUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/"
            f"{self.function(function)}/invocations",
            **settings,
        )
        target = f"integrations/{integration['IntegrationId']}"
        apis.create_route(ApiId=api, RouteKey=key, Target=target)


@dataclass
class ByDescription:
    """serverless-offline, which gets all of it in a file before it starts.

    Attributes:
        name: the emulator's name.
        peer: serverless-offline.
        folder: where services are put.
        port: where functions tell what they got.
        running: the servers, one for each API.
    """

    name: str
    peer: ServerlessOffline
    folder: Path
    port: int
    running: ExitStack
    _apis: dict[str, Api] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return None

    def websocket_api(self, routes: Routes) -> Api:
        key = json.dumps(routes)
        if key not in self._apis:
            events = {
                function: [
                    {"websocket": route} for route, named in routes.items() if named == function
                ]
                for function in routes.values()
            }
            at = self._serve(events)
            management = boto3.client(
                "apigatewaymanagementapi",
                endpoint_url=f"http://127.0.0.1:{at.websocket_port}",
                config=ONCE,
                region_name=REGION,
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )
            url = f"ws://127.0.0.1:{at.websocket_port}"
            self._apis[key] = Api(f"{url}/{STAGE}", f"{url}/nowhere", management)
        return self._apis[key]

    def http_api(self) -> str:
        return self._http_root

    @cached_property
    def _http_root(self) -> str:
        at = self._serve({"http": [{"httpApi": {"method": "GET", "path": "/there"}}]})
        return f"http://127.0.0.1:{at.http_port}"

    def _serve(self, events: Mapping[str, list[Any]]) -> Any:
        service = self.folder / f"service-{len(list(self.folder.iterdir()))}"
        shutil.copytree(FUNCTIONS, service, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        description = {
            "service": "differential",
            "frameworkVersion": "*",
            "provider": {
                "name": "aws",
                "runtime": "nodejs20.x",
                "stage": STAGE,
                "region": REGION,
                "websocketsApiRouteSelectionExpression": "$request.body.action",
                "environment": {
                    "RECORDER": str(self.port),
                    "ENDPOINT": "${env:BENCH_ENDPOINT}",
                },
            },
            "plugins": ["serverless-offline"],
            "functions": {
                name: {"handler": f"recorder.{name}", "timeout": 20, "events": its}
                for name, its in events.items()
            },
        }
        (service / "serverless.yml").write_text(json.dumps(description), "utf-8")
        return self.running.enter_context(self.peer.serving(service))


NAMES = ("labkit", "ministack", "serverless-offline")


@contextmanager
def emulator(name: str, folder: Path, port: int) -> Iterator[Emulator | None]:
    """Start one of :data:`NAMES`; ``None`` if it is not installed.

    Args:
        name: which.
        folder: an empty folder.
        port: where functions tell what they got.
    """
    peers = Path(os.environ.get("LABKIT_PEERS") or folder)
    if name == "serverless-offline":
        node = ServerlessOffline(peers)
        if not node.is_installed:
            yield None
            return
        with ExitStack() as running:
            yield ByDescription(name, node, folder, port, running)
        return
    by_boto3: Peer = LocalCloud() if name == "labkit" else Ministack(peers)
    if isinstance(by_boto3, Ministack) and not by_boto3.is_installed:
        yield None
        return
    with by_boto3.serve() as deployed:
        assert isinstance(deployed, Deployed)
        yield ByBoto3(name, deployed, port)
