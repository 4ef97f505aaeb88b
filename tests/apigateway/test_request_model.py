"""Models of routes: messages that fit, and the frame for those that do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect

from labkit.apigateway.data_mapping import RouteRequest
from labkit.apigateway.integrations import IntegrationProblem
from labkit.apigateway.model import Stage
from labkit.apigateway.request_model import misfit
from tests.fidelity.plugin import Values

Start = Callable[..., Any]
MakeStage = Callable[..., Stage]

ORDER = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {"type": "array", "items": {"$ref": "#/definitions/item"}, "minItems": 1}
    },
    "definitions": {
        "item": {"type": "object", "properties": {"n": {"minimum": 0, "exclusiveMinimum": True}}}
    },
}


def modelled(stage: Stage, schema: Any = ORDER, **raw: Any) -> Stage:
    """The stage with a model for its route ``send``."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    raw = {"RequestModels": {"$default": "order"}, **raw}
    route = replace(stage.api.routes["send"], raw=raw)
    api = replace(
        stage.api,
        models={"order": {"Name": "order", "Schema": text}},
        routes={**stage.api.routes, "send": route},
    )
    return replace(stage, api=api)


def check(stage: Stage, body: str) -> str | None:
    request = RouteRequest.of({"requestContext": {}, "body": body}, {})
    return misfit(stage.api, stage.api.routes["send"], request)


@pytest.mark.behaviour("websocket.messages.schema")
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"items": [{"n": 1}]}', None),
        ('{"items": [{}], "more": 1}', None),
        ("{}", "'items' is a required property"),
        ('{"items": []}', "items: "),
        ('{"items": [{"n": 0}]}', "items[0].n: "),
        ("hello", "it is not JSON"),
        ("[]", "not of type 'object'"),
    ],
)
def test_message_is_compared_with_the_model(
    stage_with: MakeStage, body: str, why: str | None
) -> None:
    found = check(modelled(stage_with("send")), body)
    assert found is None if why is None else why in (found or "")


@pytest.mark.behaviour("websocket.messages.model-choice")
def test_expression_chooses_the_model(stage_with: MakeStage) -> None:
    stage = modelled(
        stage_with("send"),
        RequestModels={"order": "order"},
        ModelSelectionExpression="${request.body.kind}",
    )
    assert check(stage, '{"kind": "order", "items": [{}]}') is None
    assert "'items' is a required" in (check(stage, '{"kind": "order"}') or "")
    assert "neither 'other' nor $default" in (check(stage, '{"kind": "other"}') or "")
    fallback = {"order": "order", "$default": "order"}
    stage = modelled(
        stage_with("send"),
        RequestModels=fallback,
        ModelSelectionExpression="${request.body.kind}",
    )
    assert "'items' is a required" in (check(stage, '{"kind": "other"}') or "")


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("{", "draft 4"),
        ({"type": "thing"}, "draft 4"),
        ({"$ref": "https://example.com/order.json"}, "not in it"),
        ({"properties": {"a": {"items": [{"$ref": "file:///etc/passwd"}]}}}, "not in it"),
    ],
)
def test_schema_that_cannot_be_used_is_explained(
    stage_with: MakeStage, schema: Any, why: str
) -> None:
    with pytest.raises(IntegrationProblem, match=why):
        check(modelled(stage_with("send"), schema), "{}")


def test_model_that_is_not_there_is_explained(stage_with: MakeStage) -> None:
    stage = modelled(stage_with("send"), RequestModels={"$default": "nothing"})
    with pytest.raises(IntegrationProblem, match="'nothing'"):
        check(stage, "{}")


@pytest.mark.behaviour("websocket.messages.bad-body")
async def test_client_hears_of_a_bad_request_body_and_the_function_does_not(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(modelled(stage_with("send"))) as gateway, connect(gateway.url) as client:
        await client.send('{"action": "send"}')
        async with asyncio.timeout(5):
            frame = json.loads(await client.recv())
        [connection_id] = gateway.apis.connections
        assert len(frame.pop(expected.id)) == 16
        assert frame == {"message": expected.message, "connectionId": connection_id}
        await client.send('{"action": "send", "items": [{"n": 1}]}')
        [event] = await gateway.invoked("MESSAGE")
        assert json.loads(event["body"])["items"] == [{"n": 1}]


@pytest.mark.behaviour("websocket.messages.bad-schema")
async def test_schema_that_cannot_be_used_is_an_internal_server_error(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(modelled(stage_with("send"), "{")) as gateway:
        async with connect(gateway.url) as client, asyncio.timeout(5):
            await client.send('{"action": "send"}')
            assert json.loads(await client.recv())["message"] == expected.message
        assert "draft 4" in (await gateway.event("cloud.warning"))["message"]
        assert gateway.functions.events == []


@pytest.mark.behaviour("websocket.messages.reference")
async def test_reference_to_another_model_is_warned_of(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    stage = modelled(stage_with("send"), {"$ref": "https://example.com/order.json"})
    async with start(stage) as gateway, connect(gateway.url) as client, asyncio.timeout(5):
        await client.send('{"action": "send"}')
        assert json.loads(await client.recv())["message"] == expected.message
        assert "not in it" in (await gateway.event("cloud.warning"))["message"]
