"""Handshake, messages and ends on real sockets, with two client libraries."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import websocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from labkit.apigateway.limits import Limits
from labkit.apigateway.model import Stage
from labkit.errors import AwsError
from tests.fidelity.plugin import Values

OK = {"statusCode": 200}
Start = Callable[..., Any]
MakeStage = Callable[..., Any]
Event = dict[str, Any]


def answers(answer: Any) -> Any:
    """A function that always gives this answer."""

    async def handler(event: Event) -> Any:
        return answer

    return handler


async def raises(event: Event) -> Any:
    raise RuntimeError("a secret of the function")


async def refusal(url: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, **options):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body)


async def receive_error(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        frame: dict[str, Any] = json.loads(await client.recv())
    return frame


# -- the opening handshake ------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.handshake.pending")
async def test_connect_runs_while_the_upgrade_is_pending(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$connect")) as gateway:
        posted, release = asyncio.Event(), asyncio.Event()
        posts = []

        async def on_connect(event: Event) -> Any:
            connection_id = event["requestContext"]["connectionId"]
            posts.append(await gateway.post(connection_id, "too early"))
            posted.set()
            await release.wait()
            return OK

        gateway.functions["connect"] = on_connect
        opening = asyncio.create_task(aopen(gateway.url))
        await posted.wait()
        assert posts[0].status == expected.status
        assert posts[0].headers["x-amzn-ErrorType"] == expected.code
        assert not gateway.apis.connections
        assert not opening.done()
        release.set()
        client = await opening
        [connection_id] = gateway.apis.connections
        assert (await gateway.post(connection_id, "now")).status == 200
        assert await client.recv() == "now"
        await client.close()


async def aopen(url: str, **options: Any) -> ClientConnection:
    return await connect(url, **options)


@pytest.mark.behaviour("websocket.handshake.no-connect-route")
async def test_api_without_connect_route_accepts_everybody(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway, connect(gateway.url):
        assert len(gateway.apis.connections) == 1
        assert gateway.functions.events == []


@pytest.mark.behaviour("websocket.routing.default-lifecycle")
async def test_default_runs_neither_at_the_handshake_nor_at_the_end(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway:
        async with connect(gateway.url) as client:
            await client.send("hello")
            await gateway.invoked("MESSAGE")
        await gateway.event("connection.closed")
        await gateway.until(lambda: not gateway.apis._tasks)
        types = [event["requestContext"]["eventType"] for event in gateway.functions.events]
        assert types == ["MESSAGE"]


@pytest.mark.behaviour("websocket.handshake.refused")
@pytest.mark.parametrize("status", [301, 400, 401, 403, 418, 500, 501, 503])
async def test_status_of_the_connect_function_is_the_handshakes(
    start: Start, stage_with: MakeStage, status: int
) -> None:
    async with start(stage_with("$connect", "$disconnect")) as gateway:
        gateway.functions["connect"] = answers({"statusCode": status, "body": "secret"})
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(gateway.url)
        assert refused.value.status == status
        assert (await gateway.event("handshake.refused"))["status"] == status
        assert not gateway.apis.connections
        assert gateway.functions.of("DISCONNECT") == []


@pytest.mark.behaviour("websocket.handshake.told")
async def test_client_gets_the_body_of_a_function_that_refuses(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$connect")) as gateway:
        gateway.functions["connect"] = answers({"statusCode": 403, "body": '{"not": "today"}'})
        async with aiohttp.ClientSession() as session:
            address = gateway.url.replace("ws://", "http://")
            asked = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }
            async with session.get(address, headers=asked) as refused:
                assert (refused.status, await refused.text()) == (403, '{"not": "today"}')
                assert refused.headers["content-type"] == expected.type
                [event] = await gateway.invoked("CONNECT")
                assert refused.headers[expected.header] == event["requestContext"]["requestId"]


@pytest.mark.behaviour("websocket.handshake.success")
@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_opens_the_connection(
    start: Start, stage_with: MakeStage, status: int
) -> None:
    async with start(stage_with("$connect")) as gateway:
        gateway.functions["connect"] = answers({"statusCode": status})
        async with connect(gateway.url):
            assert len(gateway.apis.connections) == 1


@pytest.mark.behaviour("websocket.handshake.raises")
async def test_connect_function_that_raises_gives_502_and_keeps_its_secrets(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$connect")) as gateway:
        gateway.functions["connect"] = raises
        status, body = await refusal(gateway.url)
        assert (status, body["message"]) == (expected.status, expected.message)
        assert "secret" not in json.dumps(body)


@pytest.mark.behaviour("websocket.handshake.out-of-form")
@pytest.mark.parametrize("answer", [None, "ok", {}, {"statusCode": "fine"}, b"{"])
async def test_malformed_answer_of_the_connect_function_gives_502_and_is_explained(
    start: Start, stage_with: MakeStage, answer: Any, expected: Values
) -> None:
    async with start(stage_with("$connect")) as gateway:
        gateway.functions["connect"] = answers(answer)
        assert (await refusal(gateway.url))[0] == expected.status
        assert "statusCode" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.handshake.not-invoked")
async def test_function_that_cannot_be_invoked_gives_500(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$connect")) as gateway:

        async def missing(event: Event) -> Any:
            raise AwsError("ResourceNotFoundException", "Function not found", 404)

        gateway.functions["connect"] = missing
        assert (await refusal(gateway.url))[0] == expected.status


@pytest.mark.behaviour("websocket.handshake.too-slow")
async def test_connect_function_that_takes_too_long_gives_504_and_goes_on(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$connect", timeout_ms=50)) as gateway:
        release, finished = asyncio.Event(), asyncio.Event()

        async def slow(event: Event) -> Any:
            await release.wait()
            finished.set()
            raise RuntimeError("nobody listens any more")

        unseen: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unseen.append(what))
        gateway.functions["connect"] = slow
        assert (await refusal(gateway.url))[0] == expected.status
        release.set()
        await finished.wait()
        await gateway.until(lambda: not gateway.apis._tasks)
        gc.collect()
        assert unseen == []


@pytest.mark.behaviour("websocket.handshake.nobody-serves")
@pytest.mark.parametrize("path", ["/a1b2c3d4e5/nope", "/other/prod"])
async def test_unknown_stage_or_api_is_forbidden(
    start: Start, stage_with: MakeStage, path: str, expected: Values
) -> None:
    async with start(stage_with("$default")) as gateway:
        status, body = await refusal(f"ws://127.0.0.1:{gateway.port}{path}")
        assert (status, body["message"]) == (expected.status, expected.message)


@pytest.mark.behaviour("websocket.handshake.no-upgrade")
async def test_request_that_is_no_upgrade_is_told_to_upgrade(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$default")) as gateway, aiohttp.ClientSession() as session:
        response = await session.get(gateway.url.replace("ws://", "http://"))
        assert response.status == expected.status
        assert (await response.json())["message"] == expected.message


@pytest.mark.behaviour("websocket.handshake.url", "websocket.handshake.url-too-long")
async def test_url_over_4096_characters_is_refused(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$default")) as gateway:
        status, _ = await refusal(f"{gateway.url}?ticket={'x' * expected.longest}")
        assert status == expected.status


@pytest.mark.behaviour("websocket.handshake.malformed")
async def test_wrong_websocket_version_is_refused(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "8",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with start(stage_with("$default")) as gateway, aiohttp.ClientSession() as session:
        url = gateway.url.replace("ws://", "http://")
        async with session.get(url, headers=headers) as response:
            assert response.status == expected.status


@pytest.mark.behaviour("websocket.handshake.subprotocol")
async def test_subprotocol_is_the_one_that_the_function_returned(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$connect")) as gateway:
        headers = {expected.header.lower(): "orders.v2"}
        gateway.functions["connect"] = answers({"statusCode": 200, "headers": headers})
        async with connect(gateway.url, subprotocols=["orders.v1", "orders.v2"]) as client:
            assert client.subprotocol == "orders.v2"


@pytest.mark.behaviour("websocket.handshake.subprotocol")
async def test_subprotocol_that_no_function_returned_is_not_accepted(
    start: Start, stage_with: MakeStage
) -> None:
    async with (
        start(stage_with("$connect")) as gateway,
        connect(gateway.url, subprotocols=["orders.v1"]) as client,
    ):
        assert client.subprotocol is None


@pytest.mark.behaviour("websocket.handshake.extensions")
async def test_no_extension_is_accepted(start: Start, stage_with: MakeStage) -> None:
    async with (
        start(stage_with("$default")) as gateway,
        connect(gateway.url, compression="deflate") as client,
    ):
        assert client.request is not None
        assert "permessage-deflate" in client.request.headers["Sec-WebSocket-Extensions"]
        assert client.protocol.extensions == []


async def test_client_that_leaves_a_pending_handshake_leaves_nothing_behind(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$connect", "$disconnect")) as gateway:
        release = asyncio.Event()

        async def slow(event: Event) -> Any:
            await release.wait()
            return OK

        gateway.functions["connect"] = slow
        opening = asyncio.create_task(aopen(gateway.url))
        await gateway.invoked("CONNECT")
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await gateway.until(lambda: all(c.transport is None for c in gateway.server.connections))
        release.set()
        refused = await gateway.event("handshake.refused", status=499)
        assert "gone" in refused["reason"]
        assert not gateway.apis.connections
        assert not gateway.apis._sockets
        assert gateway.functions.of("DISCONNECT") == []


def authorized_by(stage: Stage, kind: str) -> Stage:
    """A stage whose ``$connect`` route has an ``AuthorizationType``."""
    routes = {"$connect": replace(stage.api.routes["$connect"], authorization_type=kind)}
    return replace(stage, api=replace(stage.api, routes=routes))


@pytest.mark.behaviour("websocket.handshake.other-authorization")
async def test_what_is_not_emulated_lets_nobody_in_and_says_so(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(authorized_by(stage_with("$connect"), "JWT")) as gateway:
        assert (await refusal(gateway.url))[0] == expected.status
        assert "the local cloud does not" in (await gateway.event("cloud.warning"))["message"]
        assert gateway.functions.events == []


@pytest.mark.behaviour("websocket.handshake.unsigned")
async def test_iam_authorization_refuses_a_handshake_that_is_not_signed(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(authorized_by(stage_with("$connect"), "AWS_IAM")) as gateway:
        assert (await refusal(gateway.url))[0] == expected.status
        assert gateway.functions.events == []


@pytest.mark.behaviour("websocket.handshake.iam")
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?X-Amz-Signature=any", {}),
        ("", {"Authorization": "AWS4-HMAC-SHA256 Credential=any"}),
    ],
)
async def test_any_signature_opens_a_connection_and_that_is_said(
    start: Start, stage_with: MakeStage, query: str, headers: dict[str, str]
) -> None:
    async with start(authorized_by(stage_with("$connect"), "AWS_IAM")) as gateway:
        async with connect(gateway.url + query, additional_headers=headers):
            pass
        assert "does not check" in (await gateway.event("cloud.warning"))["message"]


# -- events ---------------------------------------------------------------------------------------


@pytest.mark.behaviour(
    "websocket.events.ids",
    "websocket.events.direction",
    "websocket.events.domain",
    "websocket.events.connect",
    "websocket.events.message",
)
async def test_events_of_a_connection_belong_together(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$connect", "$disconnect", "$default")) as gateway:
        async with connect(f"{gateway.url}?ticket=t%201", user_agent_header="tests") as client:
            await client.send("hello")
            await gateway.invoked("MESSAGE")
        await gateway.invoked("DISCONNECT")
        contexts = [event["requestContext"] for event in gateway.functions.events]
        assert [c["eventType"] for c in contexts] == ["CONNECT", "MESSAGE", "DISCONNECT"]
        assert len({c["connectionId"] for c in contexts}) == 1
        assert len({c["connectedAt"] for c in contexts}) == 1
        assert len({c["requestId"] for c in contexts}) == 3
        for context in contexts:
            assert context["extendedRequestId"] == context["requestId"]
            assert context["messageDirection"] == expected.direction
            assert context["domainName"] == expected.domain
            assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "tests"}
        [connected, message, _] = gateway.functions.events
        assert connected["queryStringParameters"] == {"ticket": "t 1"}
        assert connected["headers"]["Host"] == contexts[0]["domainName"]
        assert not {"Connection", "Upgrade"} & connected["headers"].keys()
        assert list(message) == expected.members


async def test_handshake_and_each_message_begin_a_trace(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$connect", "$default")) as gateway:
        async with connect(gateway.url) as client:
            await client.send("1")
            await client.send("2")
            await gateway.invoked("MESSAGE", 2)
        asked = await gateway.event("handshake.request")
        connected, first, second = gateway.functions.traces
        assert (connected.root, connected.cause) == (asked.trace, asked.seq)
        assert len({connected.root, first.root, second.root}) == 3
        selected = await gateway.event("route.selected")
        arrived = await gateway.event("frame.in")
        assert selected.cause == arrived.seq
        assert first.cause == selected.seq


async def test_handshake_goes_on_with_the_clients_own_trace(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway:
        root = "1-65c66adf-0123456789abcdef01234567"
        header = f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"
        async with connect(gateway.url, additional_headers={"X-Amzn-Trace-Id": header}):
            asked = await gateway.event("handshake.request")
            assert (asked.trace, asked.cause) == (root, None)


# -- messages -------------------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.routing.no-match", "websocket.routing.no-json")
async def test_message_reaches_the_function_of_its_route(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$default", "send")) as gateway:
        async with connect(gateway.url) as client:
            await client.send('{"action": "send"}')
            await client.send('{"action": "unknown"}')
            await client.send("no JSON")
            events = await gateway.invoked("MESSAGE", 3)
        no_match = expected["websocket.routing.no-match"].route
        no_json = expected["websocket.routing.no-json"].route
        assert [e["requestContext"]["routeKey"] for e in events] == ["send", no_match, no_json]


@pytest.mark.behaviour("websocket.routing.lifecycle")
@pytest.mark.parametrize("action", ["$connect", "$disconnect"])
async def test_message_cannot_run_the_connect_or_disconnect_function(
    start: Start, stage_with: MakeStage, action: str, expected: Values
) -> None:
    stage = stage_with("$connect", "$disconnect", "$default")
    async with start(stage) as gateway, connect(gateway.url) as client:
        await client.send(json.dumps({"action": action}))
        [event] = await gateway.invoked("MESSAGE")
        assert event["requestContext"]["routeKey"] == expected.route
        assert len(gateway.functions.of("CONNECT")) == 1
        assert gateway.functions.of("DISCONNECT") == []


@pytest.mark.behaviour("websocket.routing.nowhere", "websocket.routing.spacing")
async def test_message_without_a_route_is_forbidden_and_the_connection_stays(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("send")) as gateway, connect(gateway.url) as client:
        await client.send('{"action": "nope"}')
        text = await client.recv()
        frame = json.loads(text)
        [connection_id] = gateway.apis.connections
        assert list(frame) == expected.members
        assert frame["message"] == expected.message
        assert frame["connectionId"] == connection_id
        assert text.replace(connection_id, "C").replace(frame["requestId"], "R") == expected.frame
        await client.send('{"action": "send"}')
        await gateway.invoked("MESSAGE")


@pytest.mark.behaviour("websocket.messages.route-response")
async def test_body_is_sent_back_only_with_a_route_response(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("ask", "tell", responses=("ask",))) as gateway:
        gateway.functions["tell"] = answers({"statusCode": 200, "body": "not to be seen"})
        gateway.functions["ask"] = answers({"statusCode": 500, "body": "answer"})
        async with connect(gateway.url) as client:
            await client.send('{"action": "tell"}')
            await gateway.invoked("MESSAGE")
            await client.send('{"action": "ask"}')
            assert await client.recv() == "answer"
        assert gateway.count("frame.out") == 1


@pytest.mark.behaviour("websocket.messages.function-fails")
@pytest.mark.parametrize(
    "broken",
    [raises, answers(None), answers("ok"), answers(b"{")],
    ids=["raises", "null", "text", "broken JSON"],
)
async def test_function_that_fails_gives_an_error_frame_and_keeps_its_secrets(
    start: Start, stage_with: MakeStage, broken: Any, expected: Values
) -> None:
    async with start(stage_with("$default", "send")) as gateway, connect(gateway.url) as client:
        gateway.functions["default"] = broken
        await client.send("hello")
        frame = await receive_error(client)
        assert frame.pop("message") == expected.message
        assert set(frame) == {"connectionId", "requestId"}
        [event] = gateway.functions.of("MESSAGE")
        assert frame["requestId"] == event["requestContext"]["requestId"]
        await client.send('{"action": "send"}')
        await gateway.invoked("MESSAGE", 2)


@pytest.mark.behaviour("websocket.messages.time-out")
@pytest.mark.parametrize(
    "late",
    [answers({"statusCode": 200, "body": "too late"}), raises, answers(None)],
    ids=["answers", "raises", "null"],
)
async def test_function_that_takes_too_long_gives_one_error_frame_and_goes_on(
    start: Start, stage_with: MakeStage, late: Any, expected: Values
) -> None:
    stage = stage_with("$default", responses=("$default",), timeout_ms=50)
    async with start(stage) as gateway, connect(gateway.url) as client:
        release, finished = asyncio.Event(), asyncio.Event()

        async def slow(event: Event) -> Any:
            await release.wait()
            finished.set()
            return await late(event)

        gateway.functions["default"] = slow
        await client.send("hello")
        assert (await receive_error(client))["message"] == expected.message
        release.set()
        await finished.wait()
        gateway.functions["default"] = answers({"statusCode": 200, "body": "in time"})
        await client.send("hello")
        assert await client.recv() == "in time"


async def test_unexpected_failure_is_the_clouds_and_gives_an_error_frame(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway, connect(gateway.url) as client:

        async def bug(event: Event) -> Any:
            raise LookupError("in the cloud itself")

        gateway.functions["default"] = bug
        await client.send("hello")
        assert (await receive_error(client))["message"] == "Internal server error"
        assert "LookupError" in (await gateway.event("cloud.error"))["message"]


@pytest.mark.behaviour("websocket.messages.overlap")
async def test_messages_of_one_connection_overlap(start: Start, stage_with: MakeStage) -> None:
    async with start(stage_with("$default")) as gateway, connect(gateway.url) as client:
        both = asyncio.Barrier(2)

        async def meet(event: Event) -> Any:
            await both.wait()
            await gateway.post(event["requestContext"]["connectionId"], event["body"])
            return OK

        gateway.functions["default"] = meet
        await client.send("1")
        await client.send("2")
        assert {await client.recv(), await client.recv()} == {"1", "2"}


async def test_flood_of_messages_is_handled_a_few_at_a_time_and_none_is_lost(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default"), limits=Limits(at_once=4)) as gateway:
        running, most = 0, 0
        four = asyncio.Barrier(4)

        async def busy(event: Event) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await four.wait()
            running -= 1
            return OK

        gateway.functions["default"] = busy
        async with connect(gateway.url) as client:
            for number in range(500):
                await client.send(str(number))
            events = await gateway.invoked("MESSAGE", 500)
        assert most == 4
        assert [int(event["body"]) for event in events] == list(range(500))


@pytest.mark.behaviour("websocket.messages.at-once")
async def test_socket_is_read_no_further_while_too_many_messages_are_being_handled(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default"), limits=Limits(at_once=1)) as gateway:
        release = asyncio.Event()

        async def slow(event: Event) -> Any:
            await release.wait()
            return OK

        gateway.functions["default"] = slow
        async with connect(gateway.url) as client:
            [connection] = gateway.apis.connections.values()
            await client.send("being handled")
            await client.send("waits")
            await gateway.event("frame.in", body="waits")
            assert not connection._transport.is_reading()
            await client.send("not read")
            release.set()
            assert [e["body"] for e in await gateway.invoked("MESSAGE", 3)][-1] == "not read"
            assert connection._transport.is_reading()


@pytest.mark.behaviour("websocket.integrations.other-services")
async def test_integration_of_another_type_is_named_as_not_emulated(
    start: Start, stage_with: MakeStage
) -> None:
    stage = stage_with("$default")
    other = {"i-$default": replace(stage.api.integrations["i-$default"], type="WAITING")}
    async with start(replace(stage, api=replace(stage.api, integrations=other))) as gateway:
        async with connect(gateway.url) as client:
            await client.send("hello")
            assert (await receive_error(client))["message"] == "Internal server error"
        assert "WAITING" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.messages.no-target")
async def test_route_without_an_integration_is_named(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$default", integrations={})) as gateway:
        async with connect(gateway.url) as client:
            await client.send("hello")
            assert (await receive_error(client))["message"] == expected.message
        assert "no integration" in (await gateway.event("cloud.warning"))["message"]


@pytest.mark.behaviour("websocket.deployments.open-connections")
async def test_new_deployment_serves_connections_that_are_open(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway, connect(gateway.url) as client:
        gateway.stages["a1b2c3d4e5", "prod"] = stage_with("$default", "send")
        await client.send('{"action": "send"}')
        [event] = await gateway.invoked("MESSAGE")
        assert event["requestContext"]["routeKey"] == "send"


# -- the end --------------------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.close.client")
async def test_websocket_client_connects_sends_receives_and_leaves(
    start: Start, stage_with: MakeStage
) -> None:
    stage = stage_with("$connect", "$disconnect", "$default", responses=("$default",))
    async with start(stage) as gateway:
        gateway.functions["default"] = answers({"statusCode": 200, "body": "hi"})

        def talk() -> Any:
            client = websocket.create_connection(gateway.url, timeout=5)
            client.send("hello")
            answer = client.recv()
            client.close(4001, b"done")
            return answer

        assert await asyncio.to_thread(talk) == "hi"
        [event] = await gateway.invoked("DISCONNECT")
        assert event["requestContext"]["disconnectStatusCode"] == 4001
        assert event["requestContext"]["disconnectReason"] == "done"


@pytest.mark.behaviour("websocket.close.idle")
async def test_idle_connection_is_closed_with_1001(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    # 600 s of AWS's time in a tenth of a second
    async with start(stage_with("$disconnect"), speed=6_000) as gateway:
        async with connect(gateway.url, ping_interval=None) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            end = (expected.code, expected.reason)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == end
        [event] = await gateway.invoked("DISCONNECT")
        context = event["requestContext"]
        assert (context["disconnectStatusCode"], context["disconnectReason"]) == end


async def keep_busy(client: ClientConnection) -> None:
    while True:
        await client.send("busy")
        await client.recv()


@pytest.mark.behaviour("websocket.close.duration-code")
async def test_connection_is_closed_after_its_longest_duration_however_busy(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    limits = Limits(idle=600, duration=700)
    stage = stage_with("$default", responses=("$default",))
    async with start(stage, limits=limits, speed=3_000) as gateway:
        gateway.functions["default"] = answers({"statusCode": 200, "body": "still here"})
        opened = asyncio.get_running_loop().time()
        async with connect(gateway.url) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await keep_busy(client)
            assert closed.value.rcvd is not None
            end = (expected.code, expected.reason)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == end
            assert asyncio.get_running_loop().time() - opened >= 700 / 3_000


@pytest.mark.behaviour("websocket.close.idle")
async def test_message_to_the_client_keeps_a_connection_from_being_idle(
    start: Start, stage_with: MakeStage
) -> None:
    async with (
        start(stage_with("$default"), speed=3_000) as gateway,  # idle after 0.2 s
        connect(gateway.url) as spoken_to,
        connect(gateway.url) as idle,  # opened later, and idle earlier
    ):
        connection_id, _ = gateway.apis.connections
        waiting = asyncio.create_task(idle.recv())
        while not waiting.done():
            assert (await gateway.post(connection_id, "tick")).status == 200
            assert await spoken_to.recv() == "tick"
        with pytest.raises(ConnectionClosed):
            await waiting
        assert list(gateway.apis.connections) == [connection_id]


@pytest.mark.behaviour("websocket.close.once")
async def test_all_leaving_at_once_runs_every_disconnect_a_few_at_a_time(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$disconnect"), limits=Limits(farewells=3)) as gateway:
        running, most = 0, 0
        three = asyncio.Barrier(3)

        async def farewell(event: Event) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await three.wait()
            running -= 1
            return OK

        gateway.functions["disconnect"] = farewell
        clients = await asyncio.gather(*(aopen(gateway.url) for _ in range(51)))
        await asyncio.gather(*(client.close() for client in clients))
        events = await gateway.invoked("DISCONNECT", 51)
        assert len({event["requestContext"]["connectionId"] for event in events}) == 51
        assert most == 3


@pytest.mark.behaviour("websocket.close.once")
async def test_disconnect_function_that_fails_harms_nobody(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$disconnect"), limits=Limits(farewells=1)) as gateway:
        gateway.functions["disconnect"] = raises
        clients = await asyncio.gather(*(aopen(gateway.url) for _ in range(3)))
        await asyncio.gather(*(client.close() for client in clients))
        await gateway.invoked("DISCONNECT", 3)
        async with connect(gateway.url):
            pass
        await gateway.invoked("DISCONNECT", 4)


@pytest.mark.behaviour("websocket.handshake.stopping")
async def test_stop_tells_clients_and_runs_no_function(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$disconnect")) as gateway, connect(gateway.url) as client:
        await gateway.apis.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert gateway.functions.events == []
        await gateway.apis.stop()
        assert (await refusal(gateway.url))[0] == expected.status


# -- faults ---------------------------------------------------------------------------------------


async def test_fault_at_the_handshake_refuses_once(start: Start, stage_with: MakeStage) -> None:
    async with start(stage_with("$connect")) as gateway:
        gateway.faults.add("handshake", "throttle", api="a1b2c3d4e5")
        gateway.faults.add("handshake", "error", status=503)
        assert (await refusal(gateway.url))[0] == 429
        assert (await refusal(gateway.url))[0] == 503
        async with connect(gateway.url):
            assert gateway.count("fault.applied") == 2


async def test_fault_drops_or_doubles_a_message(start: Start, stage_with: MakeStage) -> None:
    async with start(stage_with("lost", "twice")) as gateway, connect(gateway.url) as client:
        gateway.faults.add("frame.in", "drop", route="lost")
        gateway.faults.add("frame.in", "duplicate", route="twice")
        await client.send('{"action": "lost"}')
        await client.send('{"action": "twice"}')
        events = await gateway.invoked("MESSAGE", 2)
        assert [e["requestContext"]["routeKey"] for e in events] == ["twice", "twice"]
        assert len({e["requestContext"]["messageId"] for e in events}) == 2


async def test_fault_drops_doubles_or_delays_a_frame_to_the_client(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway, connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections
        for action in ("drop", "duplicate", "delay"):
            gateway.faults.add("frame.out", action, seconds=0.05)
        for text in ("dropped", "doubled", "delayed", "plain"):
            assert (await gateway.post(connection_id, text)).status == 200
        received = [await client.recv() for _ in range(4)]
        assert received == ["doubled", "doubled", "plain", "delayed"]


@pytest.mark.behaviour("websocket.close.lost")
async def test_fault_cuts_the_socket_on_a_frame(
    start: Start, stage_with: MakeStage, expected: Values
) -> None:
    async with start(stage_with("$default", "$disconnect")) as gateway:
        gateway.faults.add("connection", "drop")
        async with connect(gateway.url) as client:
            await client.send("hello")
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is None  # no close frame
        [event] = await gateway.invoked("DISCONNECT")
        assert event["requestContext"]["disconnectStatusCode"] == expected.code
        assert gateway.functions.of("MESSAGE") == []
        async with connect(gateway.url) as another:
            await another.send("hello")
            await gateway.invoked("MESSAGE")


async def test_socket_that_is_cut_before_a_frame_goes_out_is_gone(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway, connect(gateway.url):
        [connection_id] = gateway.apis.connections
        gateway.faults.add("connection", "drop", connection=connection_id)
        assert (await gateway.post(connection_id, "hello")).status == 410
        assert not gateway.apis.connections


async def test_drop_cuts_the_socket_without_a_close_frame(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$disconnect")) as gateway, connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections
        gateway.apis.drop(connection_id)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is None
        assert len(await gateway.invoked("DISCONNECT")) == 1
        gateway.apis.drop(connection_id)
