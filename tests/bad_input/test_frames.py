"""Frames that are wrong in every way, against the rules of RFC 6455 and of API Gateway.

What must come of a row of frames is worked out here, without the library that the cloud reads frames
with.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bad_input.port import DEADLINE, LongBytes, Port, answer
from tests.bad_input.test_http import handshake

ECHO = """
def handler(event, context):
    return {"statusCode": 200, "body": event.get("body")}
"""
KB = 1024
LARGEST_FRAME, LARGEST_MESSAGE = 32 * KB, 128 * KB

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CODES = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
"""Codes that a close frame may hold (RFC 6455, 7.4, and IANA's registry)."""


@dataclass(frozen=True)
class Frame:
    """A frame as a client might send it."""

    opcode: int
    data: bytes = b""
    fin: bool = True
    masked: bool = True
    reserved: int = 0

    @property
    def wire(self) -> bytes:
        mask = os.urandom(4) if self.masked else b""
        size = len(self.data)
        if size < 126:
            length = bytes([size | 0x80 * self.masked])
        elif size < 65_536:
            length = struct.pack("!BH", 126 | 0x80 * self.masked, size)
        else:
            length = struct.pack("!BQ", 127 | 0x80 * self.masked, size)
        first = self.opcode | self.reserved << 4 | 0x80 * self.fin
        data = bytes(b ^ mask[at % 4] for at, b in enumerate(self.data)) if mask else self.data
        return bytes([first]) + length + mask + data


@dataclass
class Fate:
    """What must come of a row of frames.

    Attributes:
        messages: the texts that are handed on.
        pongs: what is answered to pings.
        codes: close codes, any of which may end the connection; none if it stays open.
    """

    messages: list[bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> Fate:
        """Go through the rules, one frame after the other."""
        fate = cls()
        partial: bytes | None = None
        for frame in frames:
            fate.codes = broken(frame, partial)
            if fate.codes:
                return fate
            if frame.opcode == PING:
                fate.pongs.append(frame.data)
            elif frame.opcode == CLOSE:
                fate.codes = {int.from_bytes(frame.data[:2]) if frame.data else 1005}
                return fate
            elif frame.opcode in (TEXT, CONT):
                partial = (partial or b"") + frame.data
                if frame.fin:
                    if not is_text(partial):
                        fate.codes = {1007}
                        return fate
                    fate.messages.append(partial)
                    partial = None
        return fate


def broken(frame: Frame, partial: bytes | None) -> set[int]:
    """The codes of the rules that a frame breaks; which one is told is not laid down."""
    codes = set()
    control = frame.opcode >= 8
    size = len(frame.data)
    if frame.opcode not in (CONT, TEXT, BINARY, CLOSE, PING, PONG) or frame.reserved:
        codes.add(1002)
    if not frame.masked or (control and (size > 125 or not frame.fin)):
        codes.add(1002)
    if size > LARGEST_FRAME or (not control and len(partial or b"") + size > LARGEST_MESSAGE):
        codes.add(1009)
    if frame.opcode in (TEXT, BINARY) and partial is not None:
        codes.add(1002)
    if frame.opcode == CONT and partial is None:
        codes.add(1002)
    if frame.opcode == BINARY:
        codes.add(1003)
    if frame.opcode == CLOSE:
        if size == 1 or (size > 1 and int.from_bytes(frame.data[:2]) not in CODES):
            codes.add(1002)
        if not is_text(frame.data[2:]):
            codes.add(1007)
        if partial is not None:  # a message that is never finished
            codes.add(1002)
    return codes


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.fixture(scope="module")
def path(port: Port) -> bytes:
    return port.deploy("WEBSOCKET", ECHO, "$default", "$disconnect", responses=True).encode()


class Client:
    """A WebSocket client that reads everything until the end of the connection."""

    def __init__(self, port: Port, path: bytes) -> None:
        before = port.lab.log.last
        self.socket = port.open()
        self.socket.sendall(handshake(path, {}))
        assert answer(self.socket).status == 101
        self.events = port.lab.log
        opened = self.events.wait(
            lambda event: event.kind == "connection.opened", after=before, timeout=DEADLINE
        )
        self.connection = opened["connection"]
        self.seen = opened.seq
        self._received = b""

    def send(self, data: bytes, cuts: Sequence[int] = ()) -> None:
        """Send bytes, in pieces that end where the cuts are; a server may have closed by then."""
        edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        try:
            for start, end in pairwise(edges):
                self.socket.sendall(data[start:end])
        except (BrokenPipeError, ConnectionResetError):
            pass

    def frame(self) -> tuple[int, bytes] | None:
        """The next frame's first byte and data; ``None`` at the end."""
        head = self._exactly(2)
        if head is None:
            return None
        size = head[1]
        if size >= 126:
            longer = self._exactly(2 if size == 126 else 8)
            assert longer is not None
            size = int.from_bytes(longer)
        data = self._exactly(size)
        assert data is not None, "the connection ended within a frame"
        return head[0], data

    def _exactly(self, size: int) -> bytes | None:
        while len(self._received) < size:
            try:
                more = self.socket.recv(65_536)
            except ConnectionResetError:
                more = b""
            if not more:
                assert not self._received, "the connection ended within a frame"
                return None
            self._received += more
        data, self._received = self._received[:size], self._received[size:]
        return data

    def closed(self) -> dict[str, object]:
        """What the log says of the connection's end."""
        event = self.events.wait(
            lambda event: (
                event.kind == "connection.closed" and event["connection"] == self.connection
            ),
            after=self.seen,
            timeout=DEADLINE,
        )
        return event.data

    def arrived(self) -> list[int]:
        """The sizes of the messages that the cloud took from it."""
        return [
            event["size"]
            for event in self.events.after(self.seen)
            if event.kind == "frame.in" and event["connection"] == self.connection
        ]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()


texts = st.text(max_size=12).map(str.encode) | st.sampled_from([b'{"action":"x"}', b"{", b""])
sizes = st.sampled_from([125, 126, LARGEST_FRAME, LARGEST_FRAME + 1, 70_000])
data = st.one_of(texts, st.binary(max_size=12), sizes.map(lambda size: LongBytes(b"x" * size)))
closes = st.builds(
    lambda code, reason: struct.pack("!H", code) + reason,
    st.sampled_from([0, 999, 1000, 1001, 1004, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 65535]),
    texts | st.binary(max_size=4),
)
good = st.builds(Frame, st.just(TEXT), texts)
frames = st.one_of(
    good,
    st.builds(Frame, st.sampled_from([TEXT, CONT]), data, st.booleans()),
    st.builds(Frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    st.builds(Frame, st.just(CLOSE), closes | st.binary(max_size=3)),
    st.builds(
        Frame, st.integers(0, 15), data, st.booleans(), st.booleans(), st.sampled_from([0, 0, 1, 4])
    ),
)
PART = LongBytes(b"x" * LARGEST_FRAME)
whole = [Frame(TEXT, PART, fin=False), *[Frame(CONT, PART, fin=False)] * 3]


@given(st.lists(frames, max_size=6), st.lists(st.integers(0, 200), max_size=3))
@example([Frame(TEXT, b"a", fin=False), Frame(CLOSE, struct.pack("!H", 1000))], [])
@example([Frame(TEXT, b"\x80"), Frame(CLOSE)], [])
@example([Frame(TEXT, b"\x80"), Frame(TEXT, b"more")], [])
@example([Frame(BINARY, b"a"), Frame(TEXT, b"more")], [])
@example([*whole, Frame(CONT)], [])
@example([*whole, Frame(CONT, b"x")], [])
@example([*whole, Frame(PING, b"between"), Frame(CONT)], [])
@example(
    [Frame(TEXT, "€".encode()[:1], fin=False), Frame(PING), Frame(CONT, "€".encode()[1:])], [7]
)
def test_frames_meet_the_fate_that_the_rules_give_them(
    port: Port, path: bytes, sent: list[Frame], cuts: list[int]
) -> None:
    # Were there no fault in them, one more message would end them.
    last = Frame(CONT if is_unfinished(sent) else TEXT, b"the last")
    fate = Fate.of([*sent, last])
    with port.unharmed(), Client(port, path) as client:
        client.send(b"".join(frame.wire for frame in (*sent, last)), cuts)
        echoes, pongs, code, partial = [], [], None, b""
        while (frame := client.frame()) is not None:
            first, content = frame
            assert first & 0x70 == 0
            assert len(content) <= LARGEST_FRAME
            if first & 0x0F in (TEXT, CONT):
                partial += content
                if first & 0x80:
                    echoes.append(partial)
                    partial = b""
            elif first == 0x80 | PONG:
                pongs.append(content)
            else:
                assert first == 0x80 | CLOSE
                code = int.from_bytes(content[:2]) if content else 1005
            if not fate.codes and len(echoes) == len(fate.messages):
                break
        assert pongs == fate.pongs
        if fate.codes:
            assert code in fate.codes
            assert client.closed()["code"] == code
        else:
            # Messages of one connection are handled at the same time, so their order is not given.
            assert sorted(echoes) == sorted(fate.messages)
        assert client.arrived() == [len(message) for message in fate.messages]


def is_unfinished(sent: Sequence[Frame]) -> bool:
    """Whether the last message has begun and not ended."""
    parts = [frame for frame in sent if frame.opcode in (TEXT, CONT)]
    return bool(parts) and not parts[-1].fin


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_behind_a_handshake_leave_the_cloud_working(
    port: Port, path: bytes, sent: bytes, early: bool
) -> None:
    with port.unharmed(), port.open() as connection:
        if early:
            connection.sendall(handshake(path, {}) + sent)
            assert answer(connection).status == 101
        else:
            connection.sendall(handshake(path, {}))
            assert answer(connection).status == 101
            connection.sendall(sent)


@pytest.mark.parametrize("upgrade", [b"Upgrade", b"keep-alive, Upgrade", b"upgrade,close"])
def test_frame_that_comes_with_the_handshake_is_not_lost(
    port: Port, path: bytes, upgrade: bytes
) -> None:
    with port.unharmed(), port.open() as connection:
        hasty = handshake(path, {"Connection": upgrade}) + Frame(TEXT, b"hasty").wire
        connection.sendall(hasty)
        received = b""
        while not received.endswith(b"hasty"):
            more = connection.recv(65_536)
            assert more, received
            received += more


def test_message_in_endless_empty_pieces_takes_no_memory(port: Port, path: bytes) -> None:
    import tracemalloc

    with port.unharmed(), Client(port, path) as client:
        client.send(Frame(TEXT, b"a", fin=False).wire)
        empty = Frame(CONT, fin=False).wire * 20_000
        tracemalloc.start()
        try:
            client.send(empty)
            client.send(Frame(PING).wire)
            assert client.frame() == (0x80 | PONG, b"")
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert taken < 100_000 + len(empty)
        client.send(Frame(CONT, b"b").wire)
        assert client.frame() == (0x80 | TEXT, b"ab")
