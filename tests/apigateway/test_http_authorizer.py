"""Lambda authorizers of HTTP APIs: what they get, whom they let in, and how long an answer counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.apigateway.model import Api, Integration, Route
from labkit.errors import AwsError
from labkit.functions.model import Invocation
from tests.apigateway.test_http_api import API, LAMBDA, URI, Gateway
from tests.fidelity.plugin import Values

GET = HttpRequest(
    "GET",
    "/pets/6%20a",
    query="token=t1&token=t2",
    headers=[("Authorization", "secret"), ("Cookie", "a=1; b=2")],
    body=b"never shown",
)
ARN = f"arn:aws:execute-api:us-east-1:123456789012:{API.id}/$default/GET/pets/6 a"
ALLOW = {"isAuthorized": True, "context": {"user": "ada", "level": 7, "tags": ["a"]}}


def guarded(integration: Integration = LAMBDA, **members: Any) -> Api:
    """An API whose routes are guarded by a function of the name ``guard``."""
    authorizer = {
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": URI.replace(":orders/", ":guard/"),
        "AuthorizerPayloadFormatVersion": "2.0",
        "EnableSimpleResponses": True,
        "IdentitySource": ["$request.header.authorization"],
        **members,
    }
    keys = ("GET /pets/{id}", "GET /shops")
    routes = {
        key: Route("r1", key, "i1", authorization_type="CUSTOM", authorizer_id="z1") for key in keys
    }
    return replace(
        API, routes=routes, integrations={"i1": integration}, authorizers={"z1": authorizer}
    )


class Guarded(Gateway):
    """An API whose authorizer always gives one answer."""

    def __init__(self, answer: object, api: Api) -> None:
        self.said = answer
        super().__init__(self.handle, api)

    async def handle(self, event: dict[str, Any]) -> object:
        if event.get("type") != "REQUEST":
            return {"statusCode": 200, "body": "in"}
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def events(self, function: str) -> list[dict[str, Any]]:
        """What a function got."""
        return [event for name, event, _ in self.function.calls if name.endswith(f":{function}")]

    def warning(self) -> str:
        return str(self.logged("cloud.warning")["message"])


def policy(effect: str = "Allow", resource: str = ARN, **more: object) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource, **more}
    return {
        "principalId": "ada",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"level": 7},
    }


def seen(response: HttpResponse) -> tuple[int, str]:
    return response.status, response.body.decode()


@pytest.mark.behaviour("http.authorizer.event")
async def test_function_gets_the_request_without_its_body(expected: Values) -> None:
    sources = ["$request.header.AUTHORIZATION", "$request.querystring.token", "$context.httpMethod"]
    gateway = Guarded(ALLOW, guarded(IdentitySource=sources))
    assert (await gateway.send(GET)).status == 200
    [event] = gateway.events("guard")
    assert (event["version"], event["type"], event["routeArn"]) == ("2.0", expected.type, ARN)
    assert event["identitySource"] == ["secret", "t1,t2", "GET"]
    assert (event["routeKey"], event["rawPath"]) == ("GET /pets/{id}", "/pets/6 a")
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["pathParameters"] == {"id": "6 a"}
    assert event["requestContext"]["http"]["method"] == "GET"
    assert "body" not in event
    assert "isBase64Encoded" not in event


@pytest.mark.behaviour("http.authorizer.event")
async def test_function_of_format_1_gets_texts_and_empty_maps(expected: Values) -> None:
    api = guarded(AuthorizerPayloadFormatVersion="1.0", EnableSimpleResponses=False)
    gateway = Guarded(policy(resource="*"), api)
    assert (await gateway.send(replace(GET, path="/shops", query=""))).status == 200
    [event] = gateway.events("guard")
    assert (event["version"], event["type"]) == ("1.0", expected.type)
    assert event["methodArn"] == ARN.replace("pets/6 a", "shops")
    assert (event["identitySource"], event["authorizationToken"]) == ("secret", "secret")
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/shops", "/shops", "GET")
    assert event["queryStringParameters"] == event["pathParameters"] == {}
    assert "authorizer" not in event["requestContext"]
    assert "body" not in event


@pytest.mark.behaviour("http.authorizer.missing")
@pytest.mark.parametrize(
    "source",
    [
        "$request.header.x-token",
        "$request.querystring.Token",
        "$stageVariables.key",
        "$context.authorizer.user",
    ],
)
async def test_request_without_an_identity_source_is_401(source: str, expected: Values) -> None:
    sources = ["$request.header.Authorization", source]
    gateway = Guarded(ALLOW, guarded(IdentitySource=sources))
    assert seen(await gateway.send(GET)) == (expected.status, expected.body)
    assert gateway.function.calls == []
    assert source in gateway.logged("http.response")["error"]


@pytest.mark.behaviour("http.authorizer.missing")
async def test_empty_identity_source_is_401(expected: Values) -> None:
    gateway = Guarded(ALLOW, guarded())
    response = await gateway.send(replace(GET, headers=[("authorization", "")]))
    assert response.status == expected.status
    assert gateway.function.calls == []


@pytest.mark.behaviour("http.authorizer.denied", "http.authorizer.simple")
async def test_who_is_not_authorized_gets_403(expected: Values) -> None:
    values = expected["http.authorizer.denied"]
    gateway = Guarded({"isAuthorized": False}, guarded())
    assert seen(await gateway.send(GET)) == (values.status, values.body)
    assert gateway.events("orders") == []


@pytest.mark.behaviour("http.authorizer.policy", "http.authorizer.denied")
@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        (policy(), True),
        (policy(resource=ARN.replace("/pets/6 a", "/*")), True),
        (policy(resource=ARN.replace("GET", "POST")), False),
        (policy("Deny"), False),
    ],
)
async def test_policy_decides_by_method_and_path(
    answer: dict[str, Any], allowed: bool, expected: Values
) -> None:
    answer["policyDocument"]["Statement"][0]["Action"] = expected["http.authorizer.policy"].action
    gateway = Guarded(answer, guarded(EnableSimpleResponses=False))
    denied = expected["http.authorizer.denied"].status
    assert (await gateway.send(GET)).status == (200 if allowed else denied)


@pytest.mark.behaviour("http.authorizer.fails")
@pytest.mark.parametrize(
    ("answer", "members"),
    [
        (Invocation(200, b'{"errorMessage": "Unauthorized"}', function_error="Unhandled"), {}),
        (AwsError("ResourceNotFoundException", "no such function", 404), {}),
        (AwsError("AccessDeniedException", "not permitted", 403), {}),
        ({"isAuthorized": "yes"}, {}),
        ({"isAuthorized": True, "context": "ada"}, {}),
        (policy(), {}),
        (ALLOW, {"EnableSimpleResponses": False}),
        ({**policy(), "policyDocument": {}}, {"EnableSimpleResponses": False}),
        ([True], {}),
        ({**ALLOW, "context": {"long": "x" * 9000}}, {}),
        (ALLOW, {"AuthorizerPayloadFormatVersion": None}),
        (ALLOW, {"AuthorizerPayloadFormatVersion": "1.0"}),
        (ALLOW, {"IdentitySource": ["route.request.header.Auth"]}),
        (ALLOW, {"AuthorizerType": "JWT"}),
        (ALLOW, {"AuthorizerUri": "arn:aws:sqs:us-east-1:123456789012:queue"}),
    ],
)
async def test_authorizer_that_fails_is_500(
    answer: object, members: Mapping[str, Any], expected: Values
) -> None:
    gateway = Guarded(answer, guarded(**members))
    assert seen(await gateway.send(GET)) == (expected.status, expected.body)
    assert gateway.events("orders") == []
    assert gateway.logged("http.response")["error"]


async def test_route_with_an_authorizer_that_is_not_there_is_500() -> None:
    gateway = Guarded(ALLOW, replace(guarded(), authorizers={}))
    assert (await gateway.send(GET)).status == 500
    assert "no authorizer of this id" in gateway.warning()


@pytest.mark.behaviour("http.authorizer.context")
async def test_context_reaches_the_function_with_its_types() -> None:
    gateway = Guarded(ALLOW, guarded())
    await gateway.send(GET)
    [event] = gateway.events("orders")
    assert event["requestContext"]["authorizer"] == {
        "lambda": {"user": "ada", "level": 7, "tags": ["a"]}
    }


@pytest.mark.behaviour("http.authorizer.context-1")
async def test_context_of_format_1_stands_beside_the_principal() -> None:
    integration = replace(LAMBDA, payload_format_version="1.0")
    gateway = Guarded(policy(), guarded(integration, EnableSimpleResponses=False))
    await gateway.send(GET)
    [event] = gateway.events("orders")
    assert event["requestContext"]["authorizer"] == {"level": 7, "principalId": "ada"}


@pytest.mark.behaviour("http.authorizer.cache")
async def test_answer_counts_for_the_same_identity_until_it_is_too_old() -> None:
    gateway = Guarded(ALLOW, guarded(AuthorizerResultTtlInSeconds=60))
    other = replace(GET, headers=[("Authorization", "other")])
    for request in (GET, GET, other):
        assert (await gateway.send(request)).status == 200
    assert [event["identitySource"] for event in gateway.events("guard")] == [["secret"], ["other"]]
    gateway.seconds = 29.9  # the clock of these tests runs at double speed
    await gateway.send(GET)
    assert len(gateway.events("guard")) == 2
    gateway.seconds = 30.0
    await gateway.send(GET)
    assert len(gateway.events("guard")) == 3
    assert [
        e["requestContext"]["authorizer"]["lambda"]["user"] for e in gateway.events("orders")
    ] == (["ada"] * 5)


@pytest.mark.behaviour("http.authorizer.cache")
async def test_kept_policy_is_asked_anew_for_each_route() -> None:
    api = guarded(AuthorizerResultTtlInSeconds=60, EnableSimpleResponses=False)
    gateway = Guarded(policy(), api)
    assert (await gateway.send(GET)).status == 200
    assert (await gateway.send(replace(GET, path="/shops"))).status == 403
    assert len(gateway.events("guard")) == 1


@pytest.mark.behaviour("http.authorizer.cache")
async def test_route_key_as_identity_source_keeps_an_answer_for_each_route() -> None:
    sources = ["$request.header.Authorization", "$context.routeKey"]
    gateway = Guarded(ALLOW, guarded(AuthorizerResultTtlInSeconds=60, IdentitySource=sources))
    for path in ("/pets/1", "/pets/2", "/shops"):
        await gateway.send(replace(GET, path=path))
    assert [event["rawPath"] for event in gateway.events("guard")] == ["/pets/1", "/shops"]


@pytest.mark.behaviour("http.authorizer.cache-none")
async def test_nothing_is_kept_without_identity_sources() -> None:
    gateway = Guarded(ALLOW, guarded(AuthorizerResultTtlInSeconds=60, IdentitySource=None))
    await gateway.send(GET)
    await gateway.send(GET)
    assert [event["identitySource"] for event in gateway.events("guard")] == [None, None]


async def test_failure_is_not_kept() -> None:
    gateway = Guarded({}, guarded(AuthorizerResultTtlInSeconds=60))
    assert (await gateway.send(GET)).status == 500
    gateway.said = ALLOW
    assert (await gateway.send(GET)).status == 200


async def test_authorizer_that_was_changed_is_asked_anew() -> None:
    gateway = Guarded(ALLOW, guarded(AuthorizerResultTtlInSeconds=60))
    await gateway.send(GET)
    stage = gateway.stages["$default"]
    gateway.stages = {
        "$default": replace(stage, api=guarded(AuthorizerResultTtlInSeconds=60, Name="new"))
    }
    await gateway.send(GET)
    assert len(gateway.events("guard")) == 2


@pytest.mark.behaviour("http.authorizer.condition")
async def test_condition_allows_nothing_and_is_warned_of() -> None:
    condition = {"IpAddress": {"aws:SourceIp": "127.0.0.1"}}
    gateway = Guarded(policy(Condition=condition), guarded(EnableSimpleResponses=False))
    assert (await gateway.send(GET)).status == 403
    assert "Condition" in gateway.warning()


@pytest.mark.behaviour("http.authorizer.credentials")
async def test_role_of_an_authorizer_is_warned_of() -> None:
    role = "arn:aws:iam::123456789012:role/none"
    gateway = Guarded(ALLOW, guarded(AuthorizerCredentialsArn=role))
    assert (await gateway.send(GET)).status == 200
    assert "AuthorizerCredentialsArn" in gateway.warning()
