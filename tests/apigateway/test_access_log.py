"""Access logs: the format, and the lines of a connection's life."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from labkit.apigateway.access_log import line
from labkit.apigateway.model import Stage
from tests.fidelity.plugin import Values

GROUP = "arn:aws:logs:eu-central-1:123456789012:log-group:orders-access"
FORM = (
    '{"event":"$context.eventType","route":"$context.routeKey","status":"$context.status",'
    '"error":$context.error.messageString,"connection":"$context.connectionId"}'
)
Start = Callable[..., Any]
MakeStage = Callable[..., Stage]


def logged(stage: Stage, destination: str = GROUP, form: str = FORM) -> Stage:
    settings = {"destinationArn": destination, "format": form}
    return replace(stage, settings=replace(stage.settings, raw={"AccessLogSettings": settings}))


@pytest.mark.behaviour("websocket.access-log.lines")
@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("$context.requestId", "R1="),
        ("$context.identity.sourceIp [$context.status]", "127.0.0.1 [200]"),
        ("$context|$other.x", "$context|$other.x"),
        ("$context.identity", '{"sourceIp":"127.0.0.1"}'),
        ("a\n", "a"),
    ],
)
def test_variables_are_put_into_the_format(form: str, text: str) -> None:
    context = {
        "requestId": "R1=",
        "identity": {"sourceIp": "127.0.0.1"},
        "status": 200,
        "empty": "",
    }
    assert line(form, context) == text


@pytest.mark.behaviour("websocket.access-log.missing")
@pytest.mark.parametrize("name", ["missing", "identity.missing.too", "empty"])
def test_variable_without_a_value_is_marked(name: str, expected: Values) -> None:
    assert line(f"<$context.{name}>", {"identity": {}, "empty": ""}) == f"<{expected.text}>"


@pytest.mark.behaviour("websocket.access-log.lines")
async def test_every_request_of_a_connection_is_one_line(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(logged(stage_with("$connect", "send", "$disconnect"))) as gateway:

        async def fails(event: dict[str, Any]) -> Any:
            raise RuntimeError("no")

        async with connect(gateway.url) as client:
            await client.send('{"action": "send"}')
            await gateway.event("message.handled")
            await client.send("no route takes this")
            await client.recv()
            gateway.functions["send"] = fails
            await client.send('{"action": "send"}')
            await client.recv()
        await gateway.event("disconnect.handled")
        await gateway.until(lambda: len(gateway.lines) == 5)
        where = {entry[:4] for entry in gateway.lines}
        assert where == {("123456789012", "eu-central-1", "orders-access", "a1b2c3d4e5/prod")}
        entries = [
            json.loads(entry[4].replace('"error":-', '"error":null')) for entry in gateway.lines
        ]
        assert len({entry["connection"] for entry in entries}) == 1
        assert [(e["event"], e["route"], e["status"], e["error"] is None) for e in entries] == [
            ("CONNECT", "$connect", "200", True),
            ("MESSAGE", "send", "200", True),
            ("MESSAGE", "-", "403", False),
            ("MESSAGE", "send", "500", False),
            ("DISCONNECT", "$disconnect", "200", True),
        ]


@pytest.mark.behaviour("websocket.access-log.lines")
async def test_refused_handshake_is_a_line_with_its_status(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(logged(stage_with("$connect"), form="$context.status")) as gateway:

        async def refuses(event: dict[str, Any]) -> Any:
            return {"statusCode": 401}

        gateway.functions["connect"] = refuses
        with pytest.raises(InvalidStatus):
            await connect(gateway.url)
        await gateway.until(lambda: len(gateway.lines) == 1)
        assert gateway.lines[0][4] == "401"


@pytest.mark.behaviour("websocket.access-log.destination")
async def test_destination_that_is_no_log_group_is_warned_of(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(logged(stage_with("$connect"), "orders-access")) as gateway:
        async with connect(gateway.url):
            pass
        assert "names no log group" in (await gateway.event("cloud.warning"))["message"]


async def test_stage_without_an_access_log_writes_none(start: Start, stage_with: MakeStage) -> None:
    async with start(stage_with("$disconnect")) as gateway:
        async with connect(gateway.url):
            pass
        await gateway.event("disconnect.handled")
        await gateway.apis._access_logs.stop()
        assert gateway.lines == []
