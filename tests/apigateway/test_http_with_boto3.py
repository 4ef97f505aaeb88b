"""An HTTP API with an authorizer, an HTTP backend and state machines, built with boto3 and asked by urllib."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from labkit import package
from labkit.lab import Lab, running
from tests.fidelity.plugin import Values

DEADLINE = 20.0
GUARD = b"""
calls = 0

def handler(event, context):
    global calls
    calls += 1
    [token] = event["identitySource"]
    return {"isAuthorized": token == "secret", "context": {"calls": calls, "route": event["routeArn"]}}
"""
ORDERS = b"""
def handler(event, context):
    return event["requestContext"]["authorizer"]["lambda"]
"""
MACHINE = {
    "StartAt": "Double",
    "States": {"Double": {"Type": "Pass", "Parameters": {"got.$": "$.n"}, "End": True}},
}
WAITING = {
    "StartAt": "Wait",
    "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}},
}


class Backend(BaseHTTPRequestHandler):
    """Answers every POST with what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        seen = {"path": self.path, "name": self.headers["x-name"], "body": body}
        answer = json.dumps(seen).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@dataclass
class Shop:
    """The API under test."""

    url: str
    waiting: str

    def post(
        self, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        request = Request(self.url + path, json.dumps(body).encode(), headers, method="POST")
        try:
            with urlopen(request, timeout=DEADLINE) as answer:
                return answer.status, json.load(answer), dict(answer.headers)
        except HTTPError as error:
            with error:
                return error.code, json.load(error), dict(error.headers)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def shop(lab: Lab, backend: str) -> Shop:
    apis, functions = boto3.client("apigatewayv2"), boto3.client("lambda")
    machines, region = boto3.client("stepfunctions"), boto3.session.Session().region_name
    role = boto3.client("iam").create_role(RoleName="shop", AssumeRolePolicyDocument="{}")
    role_arn = role["Role"]["Arn"]

    def function(name: str, source: bytes) -> str:
        made = functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role_arn,
            Handler="code.handler",
            Code={"ZipFile": package({"code.py": source})},
        )
        return str(made["FunctionArn"])

    def permit(arn: str, what: str) -> None:
        functions.add_permission(
            FunctionName=arn,
            StatementId="gateway",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{region}:{arn.split(':')[4]}:{api_id}/{what}",
        )

    def machine(name: str, definition: dict[str, Any], kind: str) -> str:
        made = machines.create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=role_arn, type=kind
        )
        return str(made["stateMachineArn"])

    def route(key: str, integration: dict[str, Any], **more: Any) -> None:
        made = apis.create_integration(ApiId=api_id, **integration)
        target = f"integrations/{made['IntegrationId']}"
        apis.create_route(ApiId=api_id, RouteKey=key, Target=target, **more)

    api = apis.create_api(Name="shop", ProtocolType="HTTP")
    api_id = api["ApiId"]
    guard, orders = function("shop-guard", GUARD), function("shop-orders", ORDERS)
    authorizer = apis.create_authorizer(
        ApiId=api_id,
        Name="guard",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{guard}/invocations",
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        AuthorizerResultTtlInSeconds=300,
        IdentitySource=["$request.header.Authorization"],
    )["AuthorizerId"]
    permit(guard, f"authorizers/{authorizer}")
    permit(orders, "*/*/orders")
    route(
        "POST /orders",
        {
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": orders,
            "PayloadFormatVersion": "2.0",
        },
        AuthorizationType="CUSTOM",
        AuthorizerId=authorizer,
    )
    route(
        "ANY /away/{proxy+}",
        {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "ANY",
            "IntegrationUri": backend + "/there/{proxy}",
            "PayloadFormatVersion": "1.0",
            "RequestParameters": {"append:header.x-name": "$context.stage"},
            "ResponseParameters": {
                "201": {
                    "overwrite:statuscode": "200",
                    "append:header.x-path": "$response.body.path",
                }
            },
        },
    )
    calls: dict[str, dict[str, str]] = {
        "StartExecution": {
            "StateMachineArn": machine("waiting", WAITING, "STANDARD"),
            "Name": "$request.body.name",
            "Input": "$request.body",
        },
        "StartSyncExecution": {
            "StateMachineArn": machine("quick", MACHINE, "EXPRESS"),
            "Input": "$request.body",
        },
        "StopExecution": {"ExecutionArn": "$request.body.execution", "Error": "Cancelled"},
    }
    for action, parameters in calls.items():
        route(
            f"POST /{action}",
            {
                "IntegrationType": "AWS_PROXY",
                "IntegrationSubtype": f"StepFunctions-{action}",
                "PayloadFormatVersion": "1.0",
                "CredentialsArn": role_arn,
                "RequestParameters": parameters,
            },
        )
    apis.create_stage(ApiId=api_id, StageName="prod", AutoDeploy=True)
    return Shop(f"{api['ApiEndpoint']}/prod", calls["StartExecution"]["StateMachineArn"])


@pytest.mark.behaviour("http.authorizer.cache", "http.authorizer.context")
def test_authorizer_decides_and_its_answer_is_kept(shop: Shop) -> None:
    assert shop.post("/orders")[:2] == (401, {"message": "Unauthorized"})
    assert shop.post("/orders", Authorization="wrong")[:2] == (403, {"message": "Forbidden"})
    status, first, _ = shop.post("/orders", Authorization="secret")
    assert (status, first["calls"]) == (200, 2)
    assert first["route"].endswith("/prod/POST/orders")
    assert shop.post("/orders", Authorization="secret")[:2] == (200, first)


@pytest.mark.behaviour("http.proxy.passed", "http.proxy.path", "http.mapping.response")
def test_request_goes_on_to_a_backend_and_its_answer_is_mapped(shop: Shop) -> None:
    status, seen, headers = shop.post("/away/a/b?c=d", {"n": 1})
    assert status == 200
    assert seen == {"path": "/there/a/b?c=d", "name": "prod", "body": '{"n": 1}'}
    assert headers["x-path"] == "/there/a/b?c=d"


@pytest.mark.behaviour("http.services.subtypes", "http.services.answer")
def test_request_starts_an_execution_and_another_stops_it(shop: Shop) -> None:
    machines = boto3.client("stepfunctions")
    status, started, _ = shop.post("/StartExecution", {"name": "first", "n": 1})
    assert status == 200
    assert started["executionArn"].endswith(":waiting:first")
    there = machines.describe_execution(executionArn=started["executionArn"])
    assert (there["status"], json.loads(there["input"])["n"]) == ("RUNNING", 1)
    status, refused, _ = shop.post("/StartExecution", {"name": "first", "n": 2})
    assert (status, refused["__type"].rpartition("#")[2]) == (400, "ExecutionAlreadyExists")
    status, stopped, _ = shop.post("/StopExecution", {"execution": started["executionArn"]})
    assert (status, list(stopped)) == (200, ["stopDate"])
    there = machines.describe_execution(executionArn=started["executionArn"])
    assert (there["status"], there["error"]) == ("ABORTED", "Cancelled")


@pytest.mark.behaviour("http.services.subtypes", "http.services.answer")
def test_request_waits_for_an_express_execution(shop: Shop) -> None:
    status, execution, _ = shop.post("/StartSyncExecution", {"n": 7})
    assert (status, execution["status"]) == (200, "SUCCEEDED")
    assert json.loads(execution["output"]) == {"got": 7}
    status, execution, _ = shop.post("/StartSyncExecution", {"m": 7})
    assert (status, execution["status"], execution["error"]) == (200, "FAILED", "States.Runtime")


SERVICE = {
    "IntegrationType": "AWS_PROXY",
    "IntegrationSubtype": "StepFunctions-StartExecution",
    "PayloadFormatVersion": "1.0",
    "CredentialsArn": "arn:aws:iam::123456789012:role/starts",
    "RequestParameters": {"StateMachineArn": "$stageVariables.machine"},
}
PROXY = {
    "IntegrationType": "HTTP_PROXY",
    "IntegrationMethod": "ANY",
    "IntegrationUri": "http://localhost/",
    "PayloadFormatVersion": "1.0",
}


@pytest.mark.behaviour("http.services.create", "http.mapping.create")
@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (SERVICE, {"CredentialsArn": ""}, "CredentialsArn"),
        (SERVICE, {"RequestParameters": {"Input": "{}"}}, "StateMachineArn"),
        (SERVICE, {"RequestParameters": {"StateMachineArn": "a", "Inputs": "{}"}}, "Inputs"),
        (SERVICE, {"PayloadFormatVersion": "2.0"}, "PayloadFormatVersion"),
        (PROXY, {"RequestParameters": {"append:header.Via": "me"}}, "'Via'"),
        (PROXY, {"RequestParameters": {"append:path": "/a"}}, "'append:path'"),
        (PROXY, {"ResponseParameters": {"200": {"append:path": "/a"}}}, "'append:path'"),
    ],
)
def test_integration_that_can_never_work_is_not_created(
    lab: Lab, right: dict[str, Any], wrong: dict[str, Any], said: str, expected: Values
) -> None:
    apis = boto3.client("apigatewayv2")
    api = apis.create_api(Name="refuses", ProtocolType="HTTP")["ApiId"]
    with pytest.raises(ClientError, match=said) as refused:
        apis.create_integration(ApiId=api, **{**right, **wrong})
    assert refused.value.response["Error"]["Code"] == expected["http.services.create"].code
    assert refused.value.response["Error"]["Code"] == expected["http.mapping.create"].code
    apis.create_integration(ApiId=api, **right)
    assert len(apis.get_integrations(ApiId=api)["Items"]) == 1
