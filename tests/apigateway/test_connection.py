"""Frames on a real socket, and what the take-over from aiohttp relies on."""

from __future__ import annotations

import asyncio
import gc
import os
import struct
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, Opcode

from labkit.apigateway.connection import Connection
from labkit.apigateway.limits import Limits
from tests.fidelity.plugin import Values

KB = 1024
DEADLINE = 5.0
Start = Callable[..., Any]
MakeStage = Callable[..., Any]


class RawClient:
    """A client that sends what it is told to, right or wrong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, path: str, *, behind: bytes = b"") -> RawClient:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            + behind
        )
        client = cls(reader, writer)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return client

    def send(self, opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = True) -> None:
        self.writer.write(Frame(opcode, data, fin).serialize(mask=mask))

    async def receive(self) -> tuple[int, bool, bytes]:
        """Opcode, FIN and data of the next frame, however large."""
        async with asyncio.timeout(DEADLINE):
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, bool(first & 0x80), await self.reader.readexactly(length)

    async def close_code(self) -> int:
        while True:
            opcode, _, data = await self.receive()
            if opcode == CLOSE:
                return int.from_bytes(data[:2], "big")

    async def leave(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
async def raw(start: Start, stage_with: MakeStage) -> Any:
    """A gateway that echoes, and a raw client connected to it."""
    async with start(stage_with("$default", "$disconnect", responses=("$default",))) as gateway:

        async def default(event: Any) -> Any:
            return {"statusCode": 200, "body": event["body"]}

        gateway.functions["default"] = default
        client = await RawClient.open(gateway.port, "/a1b2c3d4e5/prod")
        gateway.client = client
        yield gateway
        await client.leave()


# -- size, kind and form of frames ----------------------------------------------------------------


@pytest.mark.behaviour("websocket.frames.message")
async def test_message_of_128_kb_in_frames_of_32_kb_arrives(raw: Any, expected: Values) -> None:
    message = b"x" * (128 * KB)
    raw.client.send(TEXT, message[: 32 * KB], fin=False)
    raw.client.send(CONT, message[: 32 * KB], fin=False)
    raw.client.send(CONT, message[: 32 * KB], fin=False)
    raw.client.send(CONT, message[: 32 * KB])
    assert (await raw.event("frame.in"))["size"] == expected.largest


@pytest.mark.behaviour("websocket.frames.message")
async def test_message_over_128_kb_closes_with_1009(raw: Any, expected: Values) -> None:
    for opcode in (TEXT, CONT, CONT, CONT):
        raw.client.send(opcode, b"x" * (32 * KB), fin=False)
    raw.client.send(CONT, b"x")
    assert await raw.client.close_code() == expected.code
    assert (await raw.event("connection.closed"))["code"] == expected.code


@pytest.mark.behaviour("websocket.frames.frame")
async def test_frame_over_32_kb_closes_with_1009(raw: Any, expected: Values) -> None:
    raw.client.send(TEXT, b"x" * expected.largest)
    assert (await raw.event("frame.in"))["size"] == 32 * KB
    # Answered before the next is sent: a close drops answers.
    assert (await raw.client.receive())[0] == TEXT
    raw.client.send(TEXT, b"x" * (expected.largest + 1))
    assert await raw.client.close_code() == expected.code
    [event] = await raw.invoked("DISCONNECT")
    assert event["requestContext"]["disconnectStatusCode"] == expected.code


async def test_close_frame_arrives_although_the_client_goes_on_sending(raw: Any) -> None:
    raw.client.send(TEXT, b"x" * (2 * 1024 * KB))
    raw.client.send(TEXT, b"and on")
    assert await raw.client.close_code() == 1009


@pytest.mark.behaviour("websocket.frames.binary")
async def test_binary_message_closes_with_1003(raw: Any, expected: Values) -> None:
    raw.client.send(BINARY, b"\x00\x01")
    assert await raw.client.close_code() == expected.code
    assert (await raw.event("connection.closed"))["code"] == expected.code
    assert raw.count("frame.in") == 0


@pytest.mark.behaviour("websocket.frames.no-utf-8")
async def test_text_that_is_not_utf_8_closes_with_1007(raw: Any, expected: Values) -> None:
    raw.client.send(TEXT, b"\xff\xfe")
    assert await raw.client.close_code() == expected.code


async def test_character_may_be_split_between_frames(raw: Any) -> None:
    euro = "€".encode()
    raw.client.send(TEXT, euro[:1], fin=False)
    raw.client.send(CONT, euro[1:])
    assert (await raw.client.receive())[2] == euro


@pytest.mark.behaviour("websocket.frames.malformed")
@pytest.mark.parametrize(
    "frame",
    [
        Frame(TEXT, b"not masked").serialize(mask=False),
        Frame(CONT, b"nothing to continue").serialize(mask=True),
        bytes([0x80 | 3, 0x80, 0, 0, 0, 0]),  # an opcode that is reserved
        bytes([0xC0 | TEXT, 0x80, 0, 0, 0, 0]),  # a reserved bit
        bytes([CLOSE, 0x80, 0, 0, 0, 0]),  # a control frame in pieces
        Frame(CLOSE, struct.pack("!H", 999)).serialize(mask=True),  # a close code out of range
    ],
    # A mask is random, and so would be ids made of the frames.
    ids=["not masked", "continues nothing", "opcode", "reserved bit", "in pieces", "close code"],
)
async def test_malformed_frame_closes_with_1002(raw: Any, frame: bytes, expected: Values) -> None:
    raw.client.writer.write(frame)
    assert await raw.client.close_code() == expected.code
    assert (await raw.event("connection.closed"))["code"] == expected.code


async def test_random_bytes_leave_the_server_working(raw: Any) -> None:
    raw.client.writer.write(os.urandom(4 * KB))
    await raw.event("connection.closed")
    another = await RawClient.open(raw.port, "/a1b2c3d4e5/prod")
    another.send(TEXT, b"still there?")
    assert (await another.receive())[2] == b"still there?"
    await another.leave()


@pytest.mark.behaviour("websocket.frames.ping")
async def test_ping_is_answered(raw: Any) -> None:
    raw.client.send(PING, b"1")
    assert await raw.client.receive() == (PONG, True, b"1")


async def test_control_frame_may_come_between_the_frames_of_a_message(raw: Any) -> None:
    raw.client.send(TEXT, b"a", fin=False)
    raw.client.send(PING, b"")
    raw.client.send(CONT, b"b")
    assert (await raw.client.receive())[0] == PONG
    assert (await raw.client.receive())[2] == b"ab"


@pytest.mark.parametrize("last", [b"", b"x"])
async def test_control_frame_between_frames_counts_into_no_message(raw: Any, last: bytes) -> None:
    started = b"x" * (128 * KB - len(last))
    for at in range(0, len(started), 32 * KB):
        raw.client.send(CONT if at else TEXT, started[at : at + 32 * KB], fin=False)
    raw.client.send(PING, b"p" * 125)
    raw.client.send(PONG, b"p" * 125)
    assert await raw.client.receive() == (PONG, True, b"p" * 125)
    raw.client.send(CONT, last)
    assert (await raw.event("frame.in"))["size"] == 128 * KB


@pytest.mark.behaviour("websocket.frames.outgoing")
async def test_long_message_is_sent_in_frames_of_32_kb(raw: Any, expected: Values) -> None:
    [connection_id] = raw.apis.connections
    response = await raw.post(connection_id, b"y" * (70 * KB))
    assert response.status == 200
    frames = [await raw.client.receive() for _ in range(3)]
    assert [(opcode, fin, len(data)) for opcode, fin, data in frames] == [
        (TEXT, False, expected.largest),
        (CONT, False, expected.largest),
        (CONT, True, 6 * KB),
    ]


async def test_frames_that_come_in_single_bytes_are_put_together(raw: Any) -> None:
    for byte in Frame(TEXT, b"slow").serialize(mask=True):
        raw.client.writer.write(bytes([byte]))
        await raw.client.writer.drain()
    assert (await raw.client.receive())[2] == b"slow"


async def test_frame_sent_right_behind_the_request_is_not_lost(raw: Any) -> None:
    hasty = Frame(TEXT, b"hasty").serialize(mask=True)
    client = await RawClient.open(raw.port, "/a1b2c3d4e5/prod", behind=hasty)
    assert (await client.receive())[2] == b"hasty"
    await client.leave()


# -- how it ends ----------------------------------------------------------------------------------


@pytest.mark.behaviour("websocket.close.client")
async def test_clients_close_frame_is_answered_and_its_code_kept(raw: Any) -> None:
    raw.client.send(CLOSE, struct.pack("!H", 4000) + b"bye")
    assert await raw.client.close_code() == 4000
    closed = await raw.event("connection.closed")
    assert (closed["code"], closed["reason"]) == (4000, "bye")
    assert await raw.client.reader.read() == b""


@pytest.mark.behaviour("websocket.close.no-status")
async def test_close_frame_without_a_status_is_1005(raw: Any, expected: Values) -> None:
    raw.client.send(CLOSE, b"")
    closed = await raw.event("connection.closed")
    assert (closed["code"], closed["reason"]) == (expected.code, expected.reason)


@pytest.mark.behaviour("websocket.close.page-left")
async def test_browser_that_leaves_its_page_says_so(raw: Any, expected: Values) -> None:
    raw.client.send(CLOSE, struct.pack("!H", 1001))
    [event] = await raw.invoked("DISCONNECT")
    context = event["requestContext"]
    end = (context["disconnectStatusCode"], context["disconnectReason"])
    assert end == (expected.code, expected.reason)


@pytest.mark.behaviour("websocket.close.lost")
async def test_lost_connection_is_1006(raw: Any, expected: Values) -> None:
    raw.client.writer.transport.abort()
    [event] = await raw.invoked("DISCONNECT")
    assert event["requestContext"]["disconnectStatusCode"] == expected.code


@pytest.mark.behaviour("websocket.close.lost")
async def test_client_that_closes_only_its_half_is_gone(raw: Any, expected: Values) -> None:
    raw.client.writer.write_eof()
    assert (await raw.event("connection.closed"))["code"] == expected.code


async def test_message_before_the_close_frame_is_handled(raw: Any) -> None:
    raw.client.send(TEXT, b"last words")
    raw.client.send(CLOSE, struct.pack("!H", 1000))
    [event] = await raw.invoked("MESSAGE")
    assert event["body"] == "last words"
    assert len(await raw.invoked("DISCONNECT")) == 1


async def test_client_that_ignores_a_close_frame_is_cut_off(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default"), limits=Limits(closing=0.05)) as gateway:
        client = await RawClient.open(gateway.port, "/a1b2c3d4e5/prod")
        [connection_id] = gateway.apis.connections
        await gateway.manage("DELETE", connection_id)
        assert await client.close_code() == 1000
        async with asyncio.timeout(DEADLINE):
            assert await client.reader.read() == b""
        await client.leave()


# -- what the take-over relies on -------------------------------------------------------------------


async def test_aiohttp_has_the_members_that_upgrade_uses() -> None:
    hint = "labkit.apigateway.connection.upgrade relies on it: read it against the new aiohttp"
    handler: RequestHandler[Any] = web.Server(lambda _: None)()  # type: ignore[arg-type,return-value]
    assert handler._message_tail == b"", hint
    assert handler.transport is None, hint
    assert callable(handler.connection_lost), hint
    assert "protocol" in dir(web.BaseRequest), hint
    assert hasattr(asyncio.Transport, "set_protocol"), hint


async def test_aiohttp_lets_go_of_an_upgraded_connection(raw: Any) -> None:
    await raw.until(lambda: len(asyncio.all_tasks()) == 1)  # this test
    gc.collect()
    handlers = [each for each in gc.get_objects() if isinstance(each, RequestHandler)]
    assert handlers == []
    assert len(raw.apis.connections) == 1


async def test_connection_is_collected_after_its_end(raw: Any) -> None:
    [connection] = raw.apis.connections.values()
    frames = weakref.ref(connection._frames)
    del connection
    raw.client.send(CLOSE, b"")
    await raw.invoked("DISCONNECT")
    await raw.until(lambda: gc.collect() >= 0 and frames() is None)


def test_connection_has_no_dict() -> None:
    assert not hasattr(Connection.__new__(Connection), "__dict__")


async def test_idle_client_of_another_library_sees_the_same_close(
    start: Start, stage_with: MakeStage
) -> None:
    async with start(stage_with("$default")) as gateway, connect(gateway.url) as client:
        [connection_id] = gateway.apis.connections
        await gateway.manage("DELETE", connection_id)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000
