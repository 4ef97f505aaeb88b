"""The one port: whom a request reaches, and the lab's own addresses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest_asyncio

from labkit.apigateway.http_message import HttpRequest, HttpResponse
from labkit.cloud import Cloud
from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.origin import Origins
from labkit.server import Server
from labkit.wire import AwsRequest, AwsResponse

DEADLINE = 10.0


@pytest_asyncio.fixture
async def cloud() -> AsyncIterator[Cloud]:
    cloud = Cloud()
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest_asyncio.fixture
async def http(cloud: Cloud) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cloud.endpoint) as session:
        yield session


async def told(response: aiohttp.ClientResponse) -> tuple[int, Any]:
    async with response:
        return response.status, await response.json()


# -- whom a request reaches -----------------------------------------------------------------------


async def test_request_that_names_nobody_is_told_what_is_missing(
    http: aiohttp.ClientSession,
) -> None:
    status, answer = await told(await http.get("/", headers={"Host": "localhost"}))
    assert status == 404
    assert "not signed and its Host is 'localhost'" in answer["message"]


async def test_body_that_is_no_json_is_the_callers_mistake(
    cloud: Cloud, http: aiohttp.ClientSession
) -> None:
    before = cloud.log.last
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/lambda/aws4_request"
    }
    status, _ = await told(await http.post("/2015-03-31/functions", data=b"{", headers=headers))
    assert status == 400
    (call,) = cloud.log.after(before)
    assert (call.kind, call["operation"], call["status"]) == ("aws.call", "CreateFunction", 400)


async def test_failure_of_the_cloud_is_answered_and_logged_and_the_port_goes_on() -> None:
    class Broken:
        async def answer(self, request: AwsRequest) -> AwsResponse:
            raise ZeroDivisionError("a mistake of ours")

    log = EventLog()
    parts: dict[str, Any] = dict.fromkeys(["websocket_apis", "http_apis", "stage"])
    server = Server(
        port=0,
        log=log,
        faults=Faults(log),
        aws=Broken(),
        remove_account=_no_account,
        origins=Origins(),
        **parts,
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(server.endpoint) as http:
            for _ in range(2):
                signed = {"Host": "sqs.us-east-1.amazonaws.com"}
                status, answer = await told(await http.post("/", headers=signed))
                assert status == 500
                assert "ZeroDivisionError: a mistake of ours" in answer["message"]
    finally:
        await server.stop()
    assert [event.kind for event in log] == ["cloud.error", "cloud.error"]
    assert "Traceback" in log.after(0)[0]["detail"]


async def test_work_for_a_client_that_has_gone_is_given_up() -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    class Slow:
        async def answer(self, api_id: str, request: HttpRequest) -> HttpResponse:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()
            raise AssertionError

    log = EventLog()
    parts: dict[str, Any] = dict.fromkeys(["websocket_apis", "aws"])
    server = Server(
        port=0,
        log=log,
        faults=Faults(log),
        http_apis=Slow(),
        stage=lambda api_id, name: None,
        remove_account=_no_account,
        origins=Origins(),
        **parts,
    )
    await server.start()
    try:
        host, port = server.endpoint.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /execute-api/a/prod HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            await asked.wait()
            writer.close()
            await given_up.wait()
    finally:
        await server.stop()
    assert list(log) == []


async def _no_account(account: str) -> None:
    raise AssertionError(account)


# -- the event log --------------------------------------------------------------------------------


async def test_events_are_one_json_object_a_line_from_behind_a_number(
    cloud: Cloud, http: aiohttp.ClientSession
) -> None:
    events = [cloud.log.append("cloud.warning", message=f"{number}") for number in range(3)]
    async with http.get(f"/_labkit/events?after={events[0].seq}&follow=0") as response:
        assert response.content_type == "application/x-ndjson"
        lines = (await response.text()).splitlines()
    assert [json.loads(line) for line in lines] == [event.to_dict() for event in events[1:]]


async def test_events_go_on_and_end_with_the_cloud(
    cloud: Cloud, http: aiohttp.ClientSession
) -> None:
    response = await http.get(f"/_labkit/events?after={cloud.log.last}")
    async with asyncio.timeout(DEADLINE):
        for number in range(3):
            sent = cloud.log.append("cloud.warning", message=f"{number}")
            assert json.loads(await response.content.readline()) == sent.to_dict()
        ending = asyncio.create_task(cloud.stop())
        # The last chunk comes: a stream that breaks off would raise here.
        assert await response.content.read() == b""
        await ending


async def test_reader_that_left_leaves_nothing_behind(cloud: Cloud) -> None:
    host, port = cloud.endpoint.removeprefix("http://").split(":")
    before = asyncio.all_tasks()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /_labkit/events HTTP/1.1\r\nHost: lab\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        await reader.readuntil(b"\r\n\r\n")
        assert len(asyncio.all_tasks()) > len(before)
        writer.close()
        await writer.wait_closed()
        await cloud.stop()
    assert asyncio.all_tasks() <= before


async def test_number_that_is_none_is_said(http: aiohttp.ClientSession) -> None:
    status, answer = await told(await http.get("/_labkit/events?after=x"))
    assert (status, answer) == (400, {"message": "after= takes the sequence number of an event."})


# -- the rest of the lab's addresses --------------------------------------------------------------


async def test_faults_are_set_listed_and_taken_back(
    cloud: Cloud, http: aiohttp.ClientSession
) -> None:
    wishes = [
        {"step": "frame.out", "action": "delay", "seconds": 0.5, "match": {"connection": "c"}},
        {"step": "function.invoke", "action": "kill", "times": 2},
    ]
    for wish in wishes:
        status, made = await told(await http.post("/_labkit/faults", json=wish))
        assert status == 201
        assert wish.items() <= made.items()
    first, second = [fault.id for fault in cloud.faults]
    _, left = await told(await http.delete(f"/_labkit/faults/{first}"))
    assert [fault["id"] for fault in left] == [second]
    assert await told(await http.delete("/_labkit/faults")) == (200, [])
    assert await told(await http.get("/_labkit/faults")) == (200, [])
    assert list(cloud.faults) == []


async def test_fault_that_is_none_is_said(http: aiohttp.ClientSession) -> None:
    for wish in (b"{", b"[]", b'{"step": "frame.out"}', b'{"step": "x", "action": "drop"}'):
        status, answer = await told(await http.post("/_labkit/faults", data=wish))
        assert status == 400
        assert answer["message"].startswith("That is no fault: ")


async def test_unknown_address_of_the_lab_names_the_known_ones(
    http: aiohttp.ClientSession,
) -> None:
    for path in ("/_labkit/nothing", "/_labkit/accounts/12"):
        status, answer = await told(await http.delete(path))
        assert status == 404
        assert f"The lab has no DELETE {path}. It has: GET /_labkit," in answer["message"]


async def test_web_page_of_another_machine_is_refused(
    cloud: Cloud, http: aiohttp.ClientSession
) -> None:
    fault = {"step": "frame.out", "action": "drop"}
    for origin in ("https://example.com", "null"):
        headers = {"Origin": origin}
        status, answer = await told(await http.post("/_labkit/faults", json=fault, headers=headers))
        assert status == 403
        assert origin in answer["message"]
    assert list(cloud.faults) == []
    headers = {"Origin": "http://localhost:8888"}
    assert (await told(await http.get("/_labkit", headers=headers)))[0] == 200
