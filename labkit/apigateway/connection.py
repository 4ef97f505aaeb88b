"""One WebSocket connection: frames on one side, messages on the other.

The rules of RFC 6455 are those of ``websockets``' protocol, which does no input or output of its own
and knows a limit for a frame.  :class:`Connection` puts it between an asyncio transport and API Gateway,
and adds what API Gateway does beyond the RFC: binary messages are refused (1003), a message has a limit
too (1009), messages are sent in frames of at most 32 KB, and a client that does not read is not waited
for.

:func:`upgrade` takes the transport of an HTTP request over from aiohttp.  After it nothing of the
request is left: no task, no timer and no HTTP parser, so that an idle connection costs a few KB.  It
relies on ``asyncio.Transport.set_protocol`` and on four members of aiohttp's ``RequestHandler``, which
the tests name one by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, TypeVar

from aiohttp import web
from websockets.frames import BINARY, CONT, TEXT, CloseCode, Frame
from websockets.protocol import OPEN, SERVER
from websockets.protocol import Protocol as WebSocketProtocol

from labkit.apigateway.events import Origin
from labkit.apigateway.limits import Limits
from labkit.errors import LabError
from labkit.trace import Trace

P = TypeVar("P", bound=asyncio.Protocol)

_logger = logging.getLogger(__name__)

NO_STATUS_REASON = "Client-side close frame status not set"
"""What API Gateway calls a close frame without a status (captured)."""

LOST_REASON = "Connection lost"
"""Our choice: AWS documents no reason for a TCP connection that breaks."""


class State(StrEnum):
    """Where a connection is in its life."""

    OPEN = "open"
    ENDED = "ended"


class ClientDoesNotRead(LabError):
    """So much is unsent for a client that no more is taken."""


class Owner(Protocol):
    """Whom a connection tells what happens to it, always from the event loop."""

    def received(self, connection: Connection, message: str, size: int) -> None:
        """A whole text message has arrived; ``size`` in bytes."""

    def ended(self, connection: Connection, code: int, reason: str, trace: Trace | None) -> None:
        """The connection is over; called once, with the trace that caused it if one did."""

    def gone(self, connection: Connection) -> None:
        """The socket is closed; called once, after :meth:`ended`."""


class _Frames(WebSocketProtocol):
    """The protocol of ``websockets`` with API Gateway's rules in it: it hands out whole messages.

    A message that breaks a rule fails the connection here and not when it is handed out, so that nothing
    behind it is read any more.

    A message's size is counted here, because ``websockets`` holds a control frame between two pieces of a
    message (RFC 6455, 5.4) against what the message may still have.

    Args:
        limits: of a frame and of a message.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__(SERVER, state=OPEN, max_size=(None, limits.frame), logger=_logger)
        self._largest = limits.message
        self._messages: list[tuple[str, int]] = []
        self._parts: list[bytes | bytearray | memoryview] = []
        self._size = 0

    def messages_received(self) -> list[tuple[str, int]]:
        """The messages that have become whole, and their sizes in bytes; each is handed out once."""
        messages, self._messages = self._messages, []
        self.events.clear()
        return messages

    def recv_frame(self, frame: Frame) -> None:
        """Take in a frame that is right by the RFC; ``parse`` fails the connection for what is raised."""
        super().recv_frame(frame)
        if frame.opcode is BINARY:
            self.fail(CloseCode.UNSUPPORTED_DATA, "Binary messages are not supported")
        elif frame.opcode is TEXT or frame.opcode is CONT:
            self._size += len(frame.data)
            if self._size > self._largest:
                self.fail(CloseCode.MESSAGE_TOO_BIG, f"Over {self._largest} bytes in one message")
                return
            if frame.data:  # pieces without an end, and empty, would be kept without an end
                self._parts.append(frame.data)
            if frame.fin:
                parts, self._parts, self._size = self._parts, [], 0
                whole = parts[0] if len(parts) == 1 else b"".join(parts)
                self._messages.append((str(whole, "utf-8"), len(whole)))


class Connection(asyncio.Protocol):
    """A client's WebSocket connection.

    Attributes:
        origin: what events say about it.
        api_id: its API.
        stage_name: its stage.
        opened: when it was opened, by ``time.monotonic``.
        active: when a message last went either way, by ``time.monotonic``.
        running: how many of its messages are being handled.
        backlog: messages that wait until fewer are being handled.
    """

    __slots__ = (
        "_frames",
        "_limits",
        "_owner",
        "_transport",
        "active",
        "api_id",
        "backlog",
        "opened",
        "origin",
        "running",
        "stage_name",
        "state",
    )

    def __init__(
        self,
        owner: Owner,
        limits: Limits,
        transport: asyncio.Transport,
        origin: Origin,
        api_id: str,
        stage_name: str,
        now: float,
    ) -> None:
        self._owner = owner
        self._limits = limits
        self._transport = transport
        self._frames = _Frames(limits)
        self.state = State.OPEN
        self.origin = origin
        self.api_id = api_id
        self.stage_name = stage_name
        self.opened = now
        self.active = now
        self.running = 0
        self.backlog: deque[tuple[str, Trace]] | None = None

    @property
    def id(self) -> str:
        """The connection id."""
        return self.origin.connection_id

    # -- what API Gateway does -------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """Send a text message, in frames of at most 32 KB.

        Args:
            message: UTF-8.

        Raises:
            ClientDoesNotRead: too much is unsent already.
        """
        unsent = self._transport.get_write_buffer_size()
        if unsent and unsent + len(message) > self._limits.unsent:
            raise ClientDoesNotRead(f"{unsent} bytes are unsent: the client does not read")
        size = self._limits.frame
        if len(message) <= size:
            self._frames.send_text(message)
        else:
            view = memoryview(message)
            self._frames.send_text(view[:size], fin=False)
            for start in range(size, len(message), size):
                fin = start + size >= len(message)
                self._frames.send_continuation(view[start : start + size], fin)
        self._flush()

    def close(self, code: int, reason: str, trace: Trace | None = None) -> None:
        """Close it from this side; the client has a few seconds to answer the close frame.

        Args:
            code: the close frame's status code, which ``$disconnect`` gets too.
            reason: the close frame's reason.
            trace: what causes it.
        """
        if self.state is State.ENDED:
            return
        self._frames.send_close(code, reason)
        self._flush()
        self._abort_later()
        self._end(code, reason, trace)

    def hang_up(self, code: int, reason: str) -> None:
        """Close it from this side and wait for nobody."""
        if self.state is State.OPEN:
            self._frames.send_close(code, reason)
            self._flush()
            self._end(code, reason)
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def cut(self) -> None:
        """Cut the socket without a close frame."""
        self._transport.abort()
        self._end(CloseCode.ABNORMAL_CLOSURE, LOST_REASON)

    def pause(self) -> None:
        """Read no further until :meth:`resume`."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # -- what the transport tells ----------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        frames = self._frames
        if self._said_goodbye():
            # RFC 6455, 1.4: "after receiving a control frame indicating the connection should be
            # closed, a peer discards any further data received"
            return
        frames.receive_data(data)
        for message, size in frames.messages_received():
            self._owner.received(self, message, size)
            if self.state is State.ENDED:
                break
        closed = frames.close_rcvd if frames.parser_exc is None else None
        if closed is not None:
            no_status = closed.code == CloseCode.NO_STATUS_RCVD
            self._end(closed.code, NO_STATUS_REASON if no_status else closed.reason)
        self._flush()
        if frames.parser_exc is not None:
            self._failed()
        elif closed is not None:
            self._transport.close()  # both have said goodbye; what is unsent goes out first
            if self._transport.get_write_buffer_size():
                self._abort_later()
        elif self._said_goodbye():
            self._failed()

    def eof_received(self) -> bool:
        """The client sends no more; asyncio closes the transport."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._end(CloseCode.ABNORMAL_CLOSURE, LOST_REASON)
        self._owner.gone(self)

    def _said_goodbye(self) -> bool:
        """Whether nothing more is sent, because both sides have closed or the client has failed."""
        return self._frames.eof_sent

    def _failed(self) -> None:
        """The connection has been failed (RFC 6455, 7.1.7): a frame broke the rules."""
        sent = self._frames.close_sent
        assert sent is not None
        if self._transport.can_write_eof() and not self._transport.is_closing():
            # Not closed at once: the kernel would answer what the client still sends with a reset,
            # and that may overtake the close frame.
            with contextlib.suppress(OSError):  # the client has gone already
                self._transport.write_eof()
        self._abort_later()
        self._end(sent.code, sent.reason)

    def _flush(self) -> None:
        """Write what the protocol wants to be sent."""
        pieces = self._frames.data_to_send()
        if not pieces or self._transport.is_closing():
            return
        if (
            self._transport.get_write_buffer_size() > self._limits.unsent
            and self._frames.close_sent is None
        ):
            return  # pongs for a client that does not read them
        self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _abort_later(self) -> None:
        """Give the client a few seconds to close its side."""
        asyncio.get_running_loop().call_later(self._limits.closing, self._transport.abort)

    def _end(self, code: int, reason: str, trace: Trace | None = None) -> None:
        if self.state is State.OPEN:
            self.state = State.ENDED
            self._owner.ended(self, int(code), reason, trace)


class Upgraded(web.StreamResponse):
    """What a request handler returns to aiohttp when the connection is no longer aiohttp's."""

    def __init__(self) -> None:
        super().__init__(status=101)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing: the head is written."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: the connection goes on."""


def upgrade(
    request: web.BaseRequest, head: bytes, connection: Callable[[asyncio.Transport], P]
) -> P | None:
    """Accept an upgrade and take the transport over.

    Args:
        request: the request that asked for it.
        head: see :func:`labkit.apigateway.handshake.switching_protocols`.
        connection: makes the connection from the transport.

    Returns:
        The connection; ``None`` if the client has gone in the meantime.
    """
    handler = request.protocol
    transport = handler.transport
    if transport is None or transport.is_closing():
        return None
    early = handler._message_tail  # what a hasty client sent behind its request
    made = connection(transport)
    transport.write(head)
    transport.set_protocol(made)
    # To aiohttp the connection is lost: it lets go of the request and ends the handler's task.
    handler.transport = None
    handler.connection_lost(None)
    transport.resume_reading()
    if early:
        made.data_received(early)
    return made
