"""Token buckets, and stages and accounts that have them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from labkit.apigateway.limits import Limits
from labkit.apigateway.model import Stage, StageSettings
from labkit.apigateway.throttle import Rate, Throttle, rate_of
from tests.fidelity.plugin import Values

Start = Callable[..., Any]
MakeStage = Callable[..., Stage]


# -- the rules ------------------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.messages.bucket")
def test_bucket_takes_its_burst_at_once_and_then_its_rate() -> None:
    throttle, rate = Throttle(), Rate(rate=10, burst=3)
    assert [throttle.admits("a", rate, 0.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert [throttle.admits("a", rate, 0.125) for _ in range(2)] == [True, False]
    assert [throttle.admits("a", rate, 60.0) for _ in range(4)] == [True] * 3 + [False]


def test_each_key_has_a_bucket_of_its_own_and_new_limits_fill_it() -> None:
    throttle, rate = Throttle(), Rate(rate=1, burst=1)
    assert throttle.admits("a", rate, 0.0)
    assert throttle.admits("b", rate, 0.0)
    assert not throttle.admits("a", rate, 0.0)
    assert throttle.admits("a", Rate(rate=1, burst=2), 0.0)


@pytest.mark.behaviour("websocket.messages.bucket")
@given(
    st.lists(st.floats(0, 3), max_size=40),
    st.integers(0, 20),
    st.integers(0, 8),
)
def test_no_bucket_gives_more_than_its_burst_and_its_rate(
    pauses: list[float], rate: int, burst: int
) -> None:
    throttle, now, admitted = Throttle(), 0.0, 0
    for pause in pauses:
        now += pause
        admitted += throttle.admits("a", Rate(rate, burst), now)
    assert admitted <= burst + rate * now + 1e-6


@pytest.mark.behaviour("websocket.messages.bucket")
@pytest.mark.parametrize(
    ("raw", "limits"),
    [
        ({}, None),
        ({"DefaultRouteSettings": {"detailedMetricsEnabled": True}}, None),
        (
            {"DefaultRouteSettings": {"throttlingRateLimit": 5.5, "throttlingBurstLimit": 2}},
            Rate(5.5, 2),
        ),
        ({"DefaultRouteSettings": {"throttlingBurstLimit": 2}}, Rate(2, 2)),
        ({"DefaultRouteSettings": {"throttlingRateLimit": 0}}, Rate(0, 0)),
        (
            {
                "DefaultRouteSettings": {"throttlingRateLimit": 5, "throttlingBurstLimit": 2},
                "RouteSettings": {
                    "send": {"throttlingRateLimit": 1},
                    "other": {"throttlingBurstLimit": 9},
                },
            },
            Rate(1, 2),
        ),
    ],
)
def test_settings_of_the_route_come_before_those_of_the_stage(
    raw: dict[str, Any], limits: Rate | None
) -> None:
    assert rate_of(StageSettings("prod", raw=raw), "send") == limits


# -- on real sockets ------------------------------------------------------------------------------


def with_settings(stage: Stage, **raw: Any) -> Stage:
    return replace(stage, settings=replace(stage.settings, raw=raw))


async def status_of(url: str) -> int:
    try:
        async with connect(url):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.behaviour("websocket.messages.throttled")
async def test_throttled_message_gets_a_frame_and_the_connection_stays(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    limits = {"send": {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 1}}
    stage = with_settings(
        stage_with("send", "$default", responses=("$default",)), RouteSettings=limits
    )
    async with start(stage) as gateway, connect(gateway.url) as client:

        async def body(event: dict[str, Any]) -> dict[str, Any]:
            return {"statusCode": 200, "body": "served"}

        gateway.functions["default"] = body
        await client.send('{"action": "send"}')
        await gateway.invoked("MESSAGE")
        await client.send('{"action": "send"}')
        async with asyncio.timeout(5):
            frame = json.loads(await client.recv())
            [connection_id] = gateway.apis.connections
            assert frame.pop("requestId")
            assert frame == {"message": expected.message, "connectionId": connection_id}
            await client.send("another route")
            assert await client.recv() == "served"
        routes = [e["requestContext"]["routeKey"] for e in gateway.functions.of("MESSAGE")]
        assert routes == ["send", "$default"]


@pytest.mark.behaviour("websocket.handshake.throttled")
async def test_throttled_handshake_is_429(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    limits = {"$connect": {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 2}}
    stage = with_settings(stage_with("$connect"), RouteSettings=limits)
    async with start(stage) as gateway:
        statuses = [await status_of(gateway.url) for _ in range(3)]
        assert statuses == [101, 101, expected.status]
        assert len(gateway.functions.events) == 2


@pytest.mark.behaviour("websocket.handshake.new-connections")
async def test_account_opens_only_so_many_connections_a_second(
    start: Start, stage_with: MakeStage
) -> None:
    other = replace(stage_with("$default"), settings=StageSettings("test"))
    async with start(stage_with("$default"), other, limits=Limits(new_connections=4)) as gateway:
        urls = [gateway.url, gateway.url.replace("prod", "test")] * 4
        statuses = await asyncio.gather(*map(status_of, urls))
        assert sorted(statuses)[:4] == [101] * 4
        assert 429 in statuses
        refused = await gateway.event("handshake.refused", status=429)
        assert "4 connections a second" in refused["reason"]
