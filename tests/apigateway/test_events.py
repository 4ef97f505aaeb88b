import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.apigateway.events import (
    Origin,
    authorizer_event,
    connect_event,
    disconnect_event,
    message_event,
    new_id,
)
from labkit.apigateway.model import Stage
from labkit.apigateway.times import iso_8601, request_time
from tests.fidelity.plugin import Values

GOLDEN = Path(__file__).parents[1] / "events"
CONNECTED_AT = 1_707_502_303_120
ORIGIN = Origin("R1kmxc2VNjMCFIA=", CONNECTED_AT, "127.0.0.1")
MakeStage = Callable[..., Stage]


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"websocket_{name}.json").read_text(encoding="utf-8"))


@pytest.mark.behaviour("websocket.events.connect")
def test_connect_event_is_the_golden_one(stage_with: MakeStage, expected: Values) -> None:
    sent = [
        ("Host", "127.0.0.1:8080"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("User-Agent", "websocket-client"),
        ("x-tab", "first"),
        ("X-Tab", "second"),
    ]
    event = connect_event(
        stage_with("$connect"),
        Origin("R1kmxc2VNjMCFIA=", CONNECTED_AT, "127.0.0.1", "websocket-client"),
        request_id="R1kmxF3WtjMFZ0Q=",
        now=1_707_502_303_125,
        headers=sent,
        query="ticket=a%20b&tag=x&tag=y",
        trace_root="1-65c66adf-0123456789abcdef01234567",
    )
    assert event == golden("connect")
    kept = {name.lower() for name in event["headers"]}
    assert sorted(name for name, _ in sent if name.lower() not in kept) == expected.gone


@pytest.mark.behaviour("websocket.events.no-query")
def test_connect_event_without_query_has_no_query_members(
    stage_with: MakeStage, expected: Values
) -> None:
    event = connect_event(stage_with("$connect"), ORIGIN, request_id=new_id(), now=CONNECTED_AT)
    whole = connect_event(
        stage_with("$connect"), ORIGIN, request_id=new_id(), now=CONNECTED_AT, query="a=b"
    )
    assert [name for name in whole if name not in event] == expected.absent
    assert "body" not in event


def test_query_parameter_without_a_value_is_empty(stage_with: MakeStage) -> None:
    event = connect_event(
        stage_with("$connect"), ORIGIN, request_id=new_id(), now=CONNECTED_AT, query="debug&a="
    )
    assert event["queryStringParameters"] == {"debug": "", "a": ""}


@pytest.mark.behaviour("websocket.events.forwarded")
def test_forwarded_address_is_appended_to_the_clients_own(
    stage_with: MakeStage, expected: Values
) -> None:
    event = connect_event(
        stage_with("$connect"),
        ORIGIN,
        request_id=new_id(),
        now=CONNECTED_AT,
        headers=[("X-Forwarded-For", "192.0.2.1")],
    )
    assert event["headers"]["X-Forwarded-For"] == expected.chain


@pytest.mark.behaviour("websocket.authorizer.event")
def test_authorizer_event_is_the_golden_one(stage_with: MakeStage, expected: Values) -> None:
    """The golden one is AWS's example, with this API's names and without ``content-length``."""
    event = authorizer_event(
        stage_with("$connect"),
        Origin("R1kmxc2VNjMCFIA=", 1_674_162_806_344, "127.0.0.1"),
        request_id="R1kmxF3WtjMFZ0Q=",
        now=1_674_162_806_345,
        headers=[
            ("Host", "127.0.0.1:8080"),
            ("Upgrade", "websocket"),
            ("Connection", "upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
            ("HeaderAuth1", "headerValue1"),
        ],
        query="QueryString1=queryValue1",
        trace_root="1-63c9b2b6-0123456789abcdef01234567",
    )
    assert event == golden("authorizer")
    assert event["type"] == expected.type
    assert event["methodArn"].endswith(f":a1b2c3d4e5/prod{expected.ends}")


@pytest.mark.behaviour("websocket.events.message", "websocket.events.direction")
def test_message_event_is_the_golden_one(stage_with: MakeStage, expected: Values) -> None:
    event = message_event(
        stage_with("subscribe"),
        ORIGIN,
        route_key="subscribe",
        message_id="R1knzdbzNjMCFIA=",
        request_id="R1knzE0MtjMFlLQ=",
        now=1_707_502_303_980,
        body='{"action": "subscribe", "order": "o-1"}',
    )
    assert event == golden("message")
    assert list(event) == expected.members
    assert event["requestContext"]["messageDirection"] == expected.direction


@pytest.mark.behaviour("websocket.events.disconnect")
def test_disconnect_event_is_the_golden_one(stage_with: MakeStage, expected: Values) -> None:
    event = disconnect_event(
        stage_with("$disconnect"),
        ORIGIN,
        request_id="R1lBbHzyNjMF9-w=",
        now=1_707_502_467_001,
        code=1005,
        reason="Client-side close frame status not set",
    )
    assert event == golden("disconnect")
    assert list(event["headers"]) == expected.headers
    assert event["requestContext"][expected.code] == 1005
    assert event["requestContext"][expected.reason] == "Client-side close frame status not set"


@pytest.mark.behaviour("websocket.events.stage-variables")
def test_stage_variables_are_in_the_event(stage_with: MakeStage) -> None:
    stage = stage_with("$connect", variables={"table": "orders"})
    event = connect_event(stage, ORIGIN, request_id=new_id(), now=CONNECTED_AT)
    assert event["stageVariables"] == {"table": "orders"}


@pytest.mark.behaviour("websocket.events.stage-variables-later")
def test_stage_variables_are_in_later_events_too(stage_with: MakeStage, expected: Values) -> None:
    stage = stage_with("$default", variables={"table": "orders"})
    message = message_event(
        stage, ORIGIN, route_key="$default", message_id="m", request_id="r", now=1, body=""
    )
    end = disconnect_event(stage, ORIGIN, request_id="r", now=1, code=1000, reason="")
    assert message[expected.member] == end[expected.member] == {"table": "orders"}


@pytest.mark.behaviour("websocket.authorizer.context")
def test_authorizer_context_is_in_every_event(stage_with: MakeStage) -> None:
    origin = Origin("R1kmxc2VNjMCFIA=", CONNECTED_AT, "127.0.0.1", authorizer={"user": "ada"})
    stage = stage_with("$disconnect")
    event = disconnect_event(
        stage, origin, request_id=new_id(), now=CONNECTED_AT, code=1000, reason=""
    )
    assert event["requestContext"]["authorizer"] == {"user": "ada"}


@pytest.mark.behaviour("websocket.events.id-form")
def test_id_is_eleven_bytes_in_url_safe_base64(expected: Values) -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    for each in ids:
        assert len(each) == expected.length
        assert len(base64.urlsafe_b64decode(each)) == expected.bytes


@pytest.mark.behaviour("websocket.events.time")
def test_request_time_has_english_months_and_leading_zeros(expected: Values) -> None:
    assert request_time(1_707_502_303_999) == expected.form


@pytest.mark.behaviour("connections.calls.get")
def test_iso_time_has_milliseconds() -> None:
    assert iso_8601(1_588_277_433_036) == "2020-04-30T20:10:33.036Z"
