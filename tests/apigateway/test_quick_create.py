"""``create_api`` with a target, and what becomes of connections whose API or stage is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
import websocket
from botocore.exceptions import ClientError

from labkit import package
from labkit.lab import Lab, running
from labkit.resources import permission
from tests.fidelity.plugin import Values

DEADLINE = 20.0
HANDLER = (
    b"def handler(event, context): return {'version': event['version'], 'path': event['rawPath']}"
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


@pytest.fixture(scope="module")
def function(lab: Lab) -> str:
    """The ARN of a function that says what it got."""
    role = boto3.client("iam").create_role(RoleName="quick", AssumeRolePolicyDocument="{}")
    made = boto3.client("lambda").create_function(
        FunctionName="quick",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="quick.handler",
        Code={"ZipFile": package({"quick.py": HANDLER})},
    )
    return str(made["FunctionArn"])


@pytest.mark.behaviour("http.routes.quick-create")
@pytest.mark.parametrize(
    ("more", "key", "path"),
    [({}, "$default", "/any/where"), ({"RouteKey": "GET /orders"}, "GET /orders", "/orders")],
)
def test_api_with_a_target_answers_at_once(
    function: str, more: dict[str, Any], key: str, path: str, expected: Values
) -> None:
    apis = boto3.client("apigatewayv2")
    api = apis.create_api(Name="quick", ProtocolType="HTTP", Target=function, **more)
    permission(function, api["ApiId"])
    with urlopen(api["ApiEndpoint"] + path, timeout=DEADLINE) as answer:
        assert json.load(answer) == {"version": "2.0", "path": path}
    [route] = apis.get_routes(ApiId=api["ApiId"])["Items"]
    [integration] = apis.get_integrations(ApiId=api["ApiId"])["Items"]
    [stage] = apis.get_stages(ApiId=api["ApiId"])["Items"]
    assert (route["RouteKey"], stage["AutoDeploy"]) == (key, True)
    assert stage["StageName"] == expected.stage
    assert (integration["IntegrationType"], integration["IntegrationUri"]) == (
        "AWS_PROXY",
        function,
    )


def test_api_with_a_url_gets_an_http_proxy(lab: Lab) -> None:
    apis = boto3.client("apigatewayv2")
    api = apis.create_api(Name="quick", ProtocolType="HTTP", Target="https://example.com/orders")
    [integration] = apis.get_integrations(ApiId=api["ApiId"])["Items"]
    assert integration["IntegrationType"] == "HTTP_PROXY"


def test_api_without_a_target_has_nothing(lab: Lab) -> None:
    apis = boto3.client("apigatewayv2")
    api = apis.create_api(Name="slow", ProtocolType="HTTP")
    assert apis.get_routes(ApiId=api["ApiId"])["Items"] == []
    assert apis.get_stages(ApiId=api["ApiId"])["Items"] == []


@pytest.mark.parametrize(
    "wish",
    [
        {"ProtocolType": "HTTP", "RouteKey": "GET /orders"},
        {"ProtocolType": "HTTP", "Target": "orders"},
        {"ProtocolType": "WEBSOCKET", "Target": "https://example.com"},
    ],
)
def test_quick_create_that_cannot_be_is_refused_and_leaves_no_api(
    lab: Lab, wish: dict[str, Any]
) -> None:
    apis = boto3.client("apigatewayv2")
    before = len(apis.get_apis()["Items"])
    with pytest.raises(ClientError) as refused:
        apis.create_api(Name="no", **wish)
    assert refused.value.response["Error"]["Code"] == "BadRequestException"
    assert len(apis.get_apis()["Items"]) == before


@pytest.mark.behaviour("websocket.close.api-deleted")
def test_connections_end_with_their_stage_and_with_their_api(lab: Lab, expected: Values) -> None:
    apis = boto3.client("apigatewayv2")
    api = apis.create_api(
        Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    api_id = api["ApiId"]
    mock = apis.create_integration(ApiId=api_id, IntegrationType="MOCK")["IntegrationId"]
    apis.create_route(ApiId=api_id, RouteKey="$default", Target=f"integrations/{mock}")
    clients = {}
    for stage in ("prod", "test"):
        apis.create_stage(ApiId=api_id, StageName=stage, AutoDeploy=True)
        url = f"{api['ApiEndpoint']}/{stage}"
        clients[stage] = websocket.create_connection(url, timeout=DEADLINE)

    def end(stage: str) -> tuple[int, bytes]:
        return clients[stage].recv_data()

    close = expected.code.to_bytes(2, "big") + expected.reason.encode()
    going_away = (websocket.ABNF.OPCODE_CLOSE, close)
    apis.delete_stage(ApiId=api_id, StageName="test")
    assert end("test") == going_away
    clients["prod"].ping()
    assert clients["prod"].recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG
    apis.delete_api(ApiId=api_id)
    assert end("prod") == going_away
    for client in clients.values():
        client.shutdown()


@pytest.mark.behaviour("websocket.quotas.stages", "websocket.quotas.refusal")
def test_api_has_only_so_many_stages(lab: Lab, expected: Values) -> None:
    apis = boto3.client("apigatewayv2")
    api_id = apis.create_api(Name="full", ProtocolType="HTTP")["ApiId"]
    for number in range(expected.most):
        apis.create_stage(ApiId=api_id, StageName=f"n{number}")
    with pytest.raises(ClientError, match="as many as it may have") as refused:
        apis.create_stage(ApiId=api_id, StageName="more")
    error = refused.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == expected.status
    assert error["Error"]["Code"] == expected.code
    apis.delete_api(ApiId=api_id)
