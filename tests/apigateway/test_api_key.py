"""API keys: which open a stage, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from labkit.apigateway.api_key import ApiKey, opens
from labkit.apigateway.model import Stage
from tests.fidelity.plugin import Values

KEY = ApiKey("k" * 20, True, frozenset({("a1b2c3d4e5", "prod")}))
Start = Callable[..., Any]
MakeStage = Callable[..., Stage]


@pytest.mark.behaviour("websocket.api-key.plans")
@pytest.mark.parametrize(
    ("key", "value", "open_"),
    [
        (KEY, KEY.value, True),
        (KEY, "k" * 19, False),
        (KEY, "", False),
        (replace(KEY, value=""), "", False),
        (replace(KEY, enabled=False), KEY.value, False),
        (replace(KEY, stages=frozenset()), KEY.value, False),
        (replace(KEY, stages=frozenset({("a1b2c3d4e5", "test")})), KEY.value, False),
    ],
)
def test_key_opens_the_stages_of_its_usage_plans(key: ApiKey, value: str, open_: bool) -> None:
    assert opens([key], value, "a1b2c3d4e5", "prod") is open_


def keyed(stage: Stage, **api: Any) -> Stage:
    route = replace(stage.api.routes["$connect"], raw={"ApiKeyRequired": True})
    return replace(stage, api=replace(stage.api, routes={"$connect": route}, raw=api))


async def status_of(url: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        async with connect(url, additional_headers=named):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.behaviour("websocket.api-key.header")
async def test_key_is_taken_from_the_header(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(keyed(stage_with("$connect"))) as gateway:
        gateway.api_keys = [KEY]
        assert await status_of(gateway.url) == expected.status
        assert await status_of(gateway.url, **{expected.header: "wrong"}) == expected.status
        assert gateway.functions.events == []
        assert await status_of(gateway.url, **{expected.header.upper(): KEY.value}) == 101


@pytest.mark.behaviour("websocket.api-key.quotas")
async def test_quota_of_a_usage_plan_is_warned_of(start: Start, stage_with: MakeStage) -> None:
    async with start(keyed(stage_with("$connect"))) as gateway:
        for limited in (False, True):
            gateway.api_keys = [replace(KEY, limited=limited)]
            assert await status_of(gateway.url, x_api_key=KEY.value) == 101
            assert gateway.count("cloud.warning") == limited
        assert "quota" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.api-key.authorizer")
async def test_key_is_taken_from_the_authorizer(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    expression = {"ApiKeySelectionExpression": "$context.authorizer.usageIdentifierKey"}
    stage = keyed(stage_with("$connect"), **expression)
    uri = "arn:aws:lambda:eu-central-1:123456789012:function:authorizer"
    route = replace(stage.api.routes["$connect"], authorization_type="CUSTOM", authorizer_id="a1")
    authorizers = {"a1": {"AuthorizerType": "REQUEST", "AuthorizerUri": uri}}
    stage = replace(
        stage, api=replace(stage.api, routes={"$connect": route}, authorizers=authorizers)
    )
    async with start(stage) as gateway:
        gateway.api_keys = [KEY]

        async def authorizer(event: dict[str, Any]) -> Any:
            statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
            return {
                "principalId": "ada",
                "policyDocument": {"Statement": [statement]},
                expected.member: event["headers"].get("who"),
            }

        gateway.functions["authorizer"] = authorizer
        assert await status_of(gateway.url, x_api_key=KEY.value) == 403
        assert await status_of(gateway.url, who=KEY.value) == 101


@pytest.mark.behaviour("websocket.api-key.other-routes")
async def test_key_of_another_route_is_warned_of(start: Start, stage_with: MakeStage) -> None:
    stage = stage_with("send")
    route = replace(stage.api.routes["send"], raw={"ApiKeyRequired": True})
    stage = replace(stage, api=replace(stage.api, routes={"send": route}))
    async with start(stage) as gateway, connect(gateway.url) as client:
        await client.send('{"action": "send"}')
        assert "$connect only" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.api-key.expression")
async def test_expression_that_aws_lacks_lets_nobody_in(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    stage = keyed(stage_with("$connect"), ApiKeySelectionExpression="$request.querystring.key")
    async with start(stage) as gateway:
        gateway.api_keys = [KEY]
        assert await status_of(gateway.url, x_api_key=KEY.value) == expected.status
        warned = await gateway.event("cloud.warning")
        assert json.dumps("$request.querystring.key")[1:-1] in warned["message"]
