"""``@connections``, called by boto3 and directly."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from labkit.trace import Trace
from tests.fidelity.plugin import Values

KB = 1024
NOBODY = "R1kmxc2VNjMCFIA="
Start = Callable[..., Any]
MakeStage = Callable[..., Any]


@pytest.fixture
async def gateway(start: Start, stage_with: MakeStage) -> Any:
    other_stage = stage_with("$default", name="dev")
    other_api = stage_with("$default", id="z9y8x7w6v5")
    async with start(stage_with("$default", "$disconnect"), other_stage, other_api) as running:
        yield running


def client_of(gateway: Any, stage: str = "prod") -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=f"http://127.0.0.1:{gateway.port}/a1b2c3d4e5/{stage}",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def status_of(answer: Any) -> int:
    """The status of an answer that boto3 gives."""
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status


def code(response: Any) -> tuple[int, str]:
    return response.status, response.headers["x-amzn-ErrorType"]


# -- boto3, unchanged -----------------------------------------------------------------------------


@pytest.mark.behaviour(
    "connections.calls.post",
    "connections.calls.get",
    "connections.calls.delete",
)
async def test_boto3_sends_looks_and_disconnects(gateway: Any, expected: Values) -> None:
    async with connect(gateway.url, user_agent_header="tests") as client:
        [connection_id] = gateway.apis.connections
        api = await asyncio.to_thread(client_of, gateway)
        posted = await asyncio.to_thread(
            api.post_to_connection, ConnectionId=connection_id, Data=b"hi"
        )
        assert status_of(posted) == expected["connections.calls.post"].status
        message = await client.recv()
        assert message == "hi"  # a str: the frame was text
        shown = await asyncio.to_thread(api.get_connection, ConnectionId=connection_id)
        assert status_of(shown) == expected["connections.calls.get"].status
        raw = json.loads((await gateway.manage("GET", connection_id)).body)
        assert list(raw) == expected.members
        assert shown["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tests"}
        assert abs(shown["ConnectedAt"] - datetime.now(UTC)) < timedelta(minutes=1)
        assert shown["ConnectedAt"] <= shown["LastActiveAt"]
        deleted = await asyncio.to_thread(api.delete_connection, ConnectionId=connection_id)
        assert status_of(deleted) == expected["connections.calls.delete"].status
        with pytest.raises(ConnectionClosed):
            await client.recv()
        with pytest.raises(api.exceptions.GoneException):
            await asyncio.to_thread(api.post_to_connection, ConnectionId=connection_id, Data=b"?")


@pytest.mark.behaviour("connections.refusals.error-type")
async def test_boto3_raises_the_exception_of_each_refusal(gateway: Any, expected: Values) -> None:
    api = await asyncio.to_thread(client_of, gateway)
    elsewhere = await asyncio.to_thread(client_of, gateway, "nope")
    gateway.faults.add("management", "throttle", operation="GetConnection")
    refused: list[tuple[Any, Any, dict[str, Any]]] = [
        (api.exceptions.GoneException, api.post_to_connection, {"Data": b"?"}),
        (elsewhere.exceptions.ForbiddenException, elsewhere.post_to_connection, {"Data": b"?"}),
        (api.exceptions.LimitExceededException, api.get_connection, {}),
    ]
    for exception, call, arguments in refused:
        with pytest.raises(exception):
            await asyncio.to_thread(call, ConnectionId=NOBODY, **arguments)
    assert expected.header in (await gateway.manage("GET", NOBODY)).headers


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.behaviour("connections.refusals.gone")
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_unknown_id_is_gone(gateway: Any, method: str, expected: Values) -> None:
    for unknown in (NOBODY, "gbgBP48K7QAYKEj4XA=="):
        answer = await gateway.manage(method, unknown)
        assert code(answer) == (expected.status, expected.code)


@pytest.mark.behaviour("connections.refusals.malformed")
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("malformed", ["nope", "", "R1kmxc2VNjMCFIA", "R1kmxc2VNjMCFI/="])
async def test_malformed_id_is_a_bad_request(
    gateway: Any, method: str, malformed: str, expected: Values
) -> None:
    response = await gateway.manage(method, malformed)
    assert code(response) == (expected.status, expected.code)
    assert json.loads(response.body)["message"] == f"{expected.message}{malformed}"


@pytest.mark.behaviour("connections.refusals.elsewhere")
@pytest.mark.parametrize(
    "where", [{"stage": "nope"}, {"api": "nope"}, {"stage": "dev"}, {"api": "z9y8x7w6v5"}]
)
async def test_wrong_stage_or_api_is_forbidden(
    gateway: Any, where: dict[str, str], expected: Values
) -> None:
    async with connect(gateway.url):
        [connection_id] = gateway.apis.connections
        response = await gateway.manage("POST", connection_id, b"hi", **where)
        assert code(response) == (expected.status, expected.code)
        assert gateway.count("frame.out") == 0


@pytest.mark.behaviour("connections.refusals.large")
async def test_data_of_128_kb_is_sent_and_one_byte_more_is_refused(
    gateway: Any, expected: Values
) -> None:
    async with connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections
        assert (await gateway.post(connection_id, b"x" * expected.largest)).status == 200
        assert len(await client.recv()) == expected.largest
        response = await gateway.post(connection_id, b"x" * (expected.largest + 1))
        assert code(response) == (expected.status, expected.code)


@pytest.mark.behaviour("connections.refusals.unsigned")
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_call_without_a_signature_does_nothing_and_is_explained(
    gateway: Any, expected: Values, method: str
) -> None:
    async with connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections
        answer = await gateway.manage(method, connection_id, b"forged", signed=False)
        assert code(answer) == (expected.status, expected.code)
        assert json.loads(answer.body)["message"] == expected.message
        (warning,) = [e["message"] for e in gateway.log if e.kind == "cloud.warning"]
        assert "AuthType 'IAM_ROLE'" in warning
        assert (await gateway.post(connection_id, "real")).status == 200
        assert await client.recv() == "real"


@pytest.mark.behaviour("connections.refusals.method")
async def test_other_method_is_forbidden(gateway: Any, expected: Values) -> None:
    async with connect(gateway.url):
        [connection_id] = gateway.apis.connections
        answer = await gateway.manage("PUT", connection_id)
        assert code(answer) == (expected.status, expected.code)


@pytest.mark.behaviour("connections.refusals.full", "connections.refusals.unsent")
async def test_client_that_does_not_read_is_refused_more_and_slows_nobody(
    gateway: Any, expected: Values
) -> None:
    async with connect(gateway.url) as reading:
        [reads] = gateway.apis.connections
        deaf = socket.create_connection(("127.0.0.1", gateway.port))
        try:
            deaf.sendall(
                b"GET /a1b2c3d4e5/prod HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await gateway.until(lambda: len(gateway.apis.connections) == 2)
            [does_not_read] = set(gateway.apis.connections) - {reads}
            response = await gateway.post(does_not_read, b"x" * (128 * KB))
            sent = 0
            while response.status == 200 and sent < 1_000:
                response = await gateway.post(does_not_read, b"x" * (128 * KB))
                sent += 1
            assert code(response) == (expected.status, expected.code)
            connection = gateway.apis.connections[does_not_read]
            assert connection._transport.get_write_buffer_size() <= expected.largest
            assert (await gateway.post(reads, "hi")).status == 200
            assert await reading.recv() == "hi"
        finally:
            deaf.close()


# -- what a call does -----------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.close.deleted", "connections.calls.delete")
async def test_deleted_connection_runs_disconnect_with_1000(gateway: Any, expected: Values) -> None:
    async with connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections
        assert (await gateway.manage("DELETE", connection_id)).status == expected.status
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == expected.code
        assert code(await gateway.manage("DELETE", connection_id)) == (410, "GoneException")
    [event] = await gateway.invoked("DISCONNECT")
    assert event["requestContext"]["disconnectStatusCode"] == expected.code
    assert event["requestContext"]["disconnectReason"] == expected.reason


@pytest.mark.behaviour("connections.calls.no-utf-8")
async def test_data_that_is_not_utf_8_does_not_break_the_connection(gateway: Any) -> None:
    async with connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections
        assert (await gateway.post(connection_id, b"a\xffb")).status == 200
        assert await client.recv() == "a\ufffdb"


async def test_frame_and_its_end_belong_to_the_callers_trace(gateway: Any) -> None:
    caller = Trace("1-65c66adf-0123456789abcdef01234567", 42)
    async with connect(gateway.url):
        [connection_id] = gateway.apis.connections
        await gateway.manage("POST", connection_id, b"hi", trace=caller)
        sent = await gateway.event("frame.out")
        assert (sent.trace, sent.cause) == (caller.root, 42)
        await gateway.manage("DELETE", connection_id, trace=caller)
        closed = await gateway.event("connection.closed")
        assert (closed.trace, closed.cause) == (caller.root, 42)
        await gateway.invoked("DISCONNECT")
        assert gateway.functions.traces[-1] == caller.after(closed.seq)


@pytest.mark.behaviour("connections.calls.last-active")
async def test_last_activity_moves_on_with_messages(gateway: Any) -> None:
    async with connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections

        async def last_active() -> str:
            response = await gateway.manage("GET", connection_id)
            shown: dict[str, str] = json.loads(response.body)
            return shown["lastActiveAt"]

        before = await last_active()
        while await last_active() == before:  # at most a millisecond or two
            await client.send("hello")
            await gateway.event("frame.in", connection=connection_id)


async def test_a_call_is_logged_with_the_account_of_another_than_the_labs_own(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default", account="210987654321")) as gateway:
        await gateway.post(NOBODY, "1")
        logged = await gateway.event("aws.call", operation="PostToConnection")
        assert logged["account"] == "210987654321"
    async with start(stage_with("$default")) as gateway:
        await gateway.post(NOBODY, "1")
        assert "account" not in (await gateway.event("aws.call")).data


# -- faults ---------------------------------------------------------------------------------------


async def test_fault_makes_a_connection_look_gone_once(gateway: Any) -> None:
    async with connect(gateway.url):
        [connection_id] = gateway.apis.connections
        gateway.faults.add("management", "error", status=410, connection=connection_id)
        assert code(await gateway.post(connection_id, "1")) == (410, "GoneException")
        assert (await gateway.post(connection_id, "2")).status == 200


async def test_fault_gives_any_error_that_is_asked_for(gateway: Any) -> None:
    gateway.faults.add("management", "error", status=503, code="ServiceUnavailableException")
    response = await gateway.post(NOBODY, "1")
    assert code(response) == (503, "ServiceUnavailableException")


async def test_fault_delays_a_call(gateway: Any) -> None:
    gateway.faults.add("management", "delay", seconds=0.05)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await gateway.post(NOBODY, "1")
    assert loop.time() - before >= 0.05
