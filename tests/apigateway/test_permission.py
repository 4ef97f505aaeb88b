"""API Gateway invokes a function only if its resource policy allows it, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest
import websocket

from labkit.lab import Lab, running
from labkit.resources import client, function, integration, permission, role
from labkit.timeline import timeline
from tests.fidelity.plugin import Values

DEADLINE = 20
CODE = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'ran'}\n"
ALLOW = """def handler(event, context):
    allow = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [allow]}}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


class Api:
    """A WebSocket API or an HTTP API, whose routes lead to a function that it may not call."""

    def __init__(self, protocol: str, *keys: str, name: str, **settings: Any) -> None:
        self.function = function(name, {"app.py": CODE})
        apis = client("apigatewayv2")
        made = apis.create_api(
            Name=name, ProtocolType=protocol, RouteSelectionExpression="$request.body.action"
        )
        self.id = made["ApiId"]
        target = integration(self.id, self.function)
        if settings:
            apis.update_integration(ApiId=self.id, IntegrationId=target, **settings)
        for key in keys:
            route = apis.create_route(
                ApiId=self.id,
                RouteKey=key,
                Target=f"integrations/{target}",
                RouteResponseSelectionExpression="$default",
            )
            if protocol == "WEBSOCKET":
                apis.create_route_response(
                    ApiId=self.id, RouteId=route["RouteId"], RouteResponseKey="$default"
                )
        apis.create_stage(ApiId=self.id, StageName="prod", AutoDeploy=True)
        self.url = f"{made['ApiEndpoint']}/prod"

    def connect(self) -> closing[websocket.WebSocket]:
        return closing(websocket.create_connection(self.url, timeout=DEADLINE))

    def status(self) -> int:
        """The status of a handshake."""
        try:
            with self.connect():
                return 101
        except websocket.WebSocketBadStatusException as refused:
            return int(refused.status_code)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urlopen(self.url + path, timeout=DEADLINE) as answer:
                return answer.status, answer.read()
        except HTTPError as refused:
            with refused:
                return refused.code, refused.read()

    def revoke(self) -> None:
        boto3.client("lambda").remove_permission(
            FunctionName=self.function, StatementId=f"invoked-by-{self.id}"
        )


def warned(lab: Lab, after: int) -> list[str]:
    return [e["message"] for e in lab.log.after(after) if e.kind == "cloud.warning"]


@pytest.mark.behaviour("websocket.handshake.permission")
def test_connect_without_permission_is_an_error_until_it_is_given(
    lab: Lab, expected: Values
) -> None:
    api, before = Api("WEBSOCKET", "$connect", name="may-connect"), lab.log.last
    assert api.status() == expected.status
    (message,) = warned(lab, before)
    assert "route $connect" in message
    assert "add_permission(FunctionName='may-connect'" in message
    permission(api.function, api.id)
    assert api.status() == 101
    api.revoke()
    assert api.status() == expected.status


@pytest.mark.behaviour("websocket.integrations.permission")
def test_message_without_permission_is_an_error_until_it_is_given(
    lab: Lab, expected: Values
) -> None:
    api = Api("WEBSOCKET", "$default", name="may-answer")
    before = lab.log.last
    with api.connect() as socket:
        socket.send("one")
        assert json.loads(socket.recv())["message"] == expected.message
        permission(api.function, api.id)
        socket.send("two")
        assert socket.recv() == "ran"
        api.revoke()
        socket.send("three")
        assert json.loads(socket.recv())["message"] == expected.message
    assert len(warned(lab, before)) == 2
    assert timeline(lab.log.after(before)).count("add_permission(FunctionName='may-answer'") == 2
    # The process has gone on: a permission is no change of the function.
    invoked = [e for e in lab.log.after(before) if e.kind == "function.invoked"]
    assert [e["cold"] for e in invoked] == [True]


@pytest.mark.behaviour("http.integration.permission")
def test_request_without_permission_is_an_error_until_it_is_given(
    lab: Lab, expected: Values
) -> None:
    api = Api("HTTP", "GET /things/{id}", name="may-get")
    status, body = api.get("/things/7")
    assert (status, json.loads(body)) == (expected.status, {"message": expected.message})
    permission(api.function, api.id)
    assert api.get("/things/7") == (200, b"ran")


@pytest.mark.behaviour("websocket.integrations.permission-arn", "http.integration.permission-arn")
@pytest.mark.parametrize(
    ("source", "message"),
    [("{api}/prod/$default", "ran"), ("{api}/*/other", "error"), ("{api}/test/*", "error")],
)
def test_permission_may_name_stage_and_route(lab: Lab, source: str, message: str) -> None:
    api = Api("WEBSOCKET", "$default", name=f"named-{len(lab.log)}")
    give(api, source)
    with api.connect() as socket:
        socket.send("hello")
        assert message in socket.recv()


@pytest.mark.behaviour("http.integration.permission-arn")
@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("{api}/prod/GET/things/*", 200),
        ("{api}/*/GET/things/{{id}}", 200),
        ("{api}/*/POST/things/*", 500),
        ("{api}/$default/*", 500),
    ],
)
def test_permission_may_name_method_and_path(lab: Lab, source: str, status: int) -> None:
    api = Api("HTTP", "GET /things/{id}", name=f"named-{len(lab.log)}")
    give(api, source)
    assert api.get("/things/7")[0] == status


def give(api: Api, source: str) -> None:
    boto3.client("lambda").add_permission(
        FunctionName=api.function,
        StatementId="named",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{source.format(api=api.id)}",
    )


@pytest.mark.behaviour("websocket.integrations.permission-role")
def test_integration_with_a_role_needs_no_permission(lab: Lab) -> None:
    socket_api = Api("WEBSOCKET", "$connect", name="by-role", CredentialsArn=role())
    assert socket_api.status() == 101
    http_api = Api("HTTP", "GET /", name="by-role-too", CredentialsArn=role())
    assert http_api.get("/") == (200, b"ran")


@pytest.mark.behaviour("websocket.integrations.permission-qualifier")
def test_alias_behind_a_route_needs_a_permission_of_its_own(lab: Lab) -> None:
    api, functions = Api("WEBSOCKET", "$connect", name="by-alias"), boto3.client("lambda")
    permission(api.function, api.id)
    functions.publish_version(FunctionName=api.function)
    functions.create_alias(FunctionName=api.function, Name="live", FunctionVersion="1")
    live, apis = f"{api.function}:live", client("apigatewayv2")
    (route,) = apis.get_routes(ApiId=api.id)["Items"]
    apis.update_route(
        ApiId=api.id, RouteId=route["RouteId"], Target=f"integrations/{integration(api.id, live)}"
    )
    before = lab.log.last
    assert api.status() == 500
    (message,) = warned(lab, before)
    assert "FunctionName='by-alias', Qualifier='live'" in message
    functions.add_permission(
        FunctionName="by-alias",
        Qualifier="live",
        StatementId="live",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/*",
    )
    assert api.status() == 101


@pytest.mark.behaviour("websocket.authorizer.permission")
@pytest.mark.parametrize("by_role", [False, True])
def test_authorizer_without_permission_lets_nobody_in(
    lab: Lab, expected: Values, by_role: bool
) -> None:
    api = Api("WEBSOCKET", "$connect", name=f"guarded-{by_role}")
    permission(api.function, api.id)
    guard = function(f"guard-{by_role}", {"app.py": ALLOW})
    apis = client("apigatewayv2")
    made = apis.create_authorizer(
        ApiId=api.id,
        Name="guard",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{guard}/invocations",
        IdentitySource=[],
        **({"AuthorizerCredentialsArn": role()} if by_role else {}),
    )["AuthorizerId"]
    (route,) = apis.get_routes(ApiId=api.id)["Items"]
    apis.update_route(
        ApiId=api.id, RouteId=route["RouteId"], AuthorizationType="CUSTOM", AuthorizerId=made
    )
    before = lab.log.last
    if by_role:
        assert api.status() == 101
        return
    assert api.status() == expected.status
    assert f"authorizer {made} of API {api.id}" in warned(lab, before)[0]
    permission(guard, api.id)
    assert api.status() == 101
